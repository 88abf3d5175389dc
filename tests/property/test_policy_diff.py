"""Policies as terms agree with Clearway's decision, on random policies and requests; and a change is judged right.

More of both: `python -m bench policy_diff`.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.policy_diff_mutants import HARMFUL, NEUTRAL, mutants, parse, render
from bench.policy_diff_random import ENVIRONMENTS, SKILLS, TOOL, TOOLS, RandomPolicies, context_of
from bench.policy_diff_samples import Samples
from bench.policy_diff_sets import sets
from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.adapters.z3.replaying import translated_decision
from clearway.operate.policy_diff import compare
from clearway.rules.changes.kinds import Direction, changes

SETS = {policies.name: policies for policies in sets()}


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_a_random_request_is_decided_by_the_terms_as_by_clearway(source: random.Random) -> None:
    made = RandomPolicies(source)
    text = made.text(source.randint(1, 4)) + '\n@id("all") permit (principal, action, resource);'
    policy = CedarPolicy(TOOLS, SKILLS, ENVIRONMENTS, [PolicyFile("random.cedar", text)])
    if policy.in_force is None:
        return
    action = made.action()
    real = policy.decide(action)
    said = translated_decision(policy.in_force, policy.schema, TOOL, ENVIRONMENTS, action, context_of(action))
    assert (said.verdict, said.approval) == (real.verdict, real.approval), text


@pytest.mark.parametrize("name", SETS)
def test_sets_of_the_bench_are_sound_and_survive_the_generator(name: str) -> None:
    policies = SETS[name]
    world = policies.world
    for text in (policies.text, render(parse(policies.text))):
        made = CedarPolicy(world.tools, world.skills, world.environments, policies.files(text), groups=policies.groups)
        assert made.check() == []


@pytest.mark.parametrize("name", SETS)
def test_neutral_rewrites_are_proved_equivalent(name: str) -> None:
    policies = SETS[name]
    for mutant in mutants(policies.text, random.Random(1), 0, len(NEUTRAL)):
        found = compare(
            policies.files(policies.text), policies.files(mutant.text), policies.world, groups=policies.groups
        )
        assert {tool.answer for tool in found.tools} == {"equivalent"}, mutant


@pytest.mark.parametrize("name", SETS)
def test_a_proof_that_nothing_more_is_let_through_holds_for_random_requests(name: str) -> None:
    policies, source = SETS[name], random.Random(2)
    for mutant in mutants(policies.text, source, 8, 0):
        found = compare(
            policies.files(policies.text), policies.files(mutant.text), policies.world, groups=policies.groups
        )
        assert not found.not_proven
        assert not any(tool.refuted for tool in found.tools)
        if not found.widenings:
            for action in Samples(policies, source, policies.text, mutant.text).actions(150):
                changed = changes(found.old.decide(action), found.new.decide(action))
                assert not any(change.direction is Direction.WIDENING for change in changed), (mutant, action)


def test_every_mistake_of_the_generator_finds_a_place_in_some_set() -> None:
    for kind, mutate in {**HARMFUL, **NEUTRAL}.items():
        assert any(mutate(parse(policies.text), random.Random(3)) for policies in SETS.values()), kind
