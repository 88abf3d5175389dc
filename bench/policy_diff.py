"""The symbolic policy diff against seeded mistakes and neutral rewrites of five sets of policies, at 1,000 policies,
and against Cedar itself on random policies.

A widening is real where Clearway's own decision says so of some request: one that the diff found and confirmed, or one
of the samples, which know nothing of the diff. `caught` is the share of the real ones that the diff found; anything
that it could not translate or did not answer in time counts as missed. `false_equivalent` are mutants of which it said
that nothing more is let through, and a sample shows otherwise.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.decisions import _SCHEMA as LARGE_SCHEMA
from bench.decisions import PER_TOOL, _text
from bench.policy_diff_mutants import Mutant, mutants
from bench.policy_diff_random import ENVIRONMENTS, SKILLS, TOOL, TOOLS, RandomPolicies, context_of
from bench.policy_diff_samples import Samples, neighbours
from bench.policy_diff_sets import PolicySet, _tool, sets
from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.adapters.z3.plausible import KnownWorld
from clearway.adapters.z3.replaying import translated_decision
from clearway.model.action import Action
from clearway.model.decision import Decision
from clearway.model.tool import Impact
from clearway.operate.policy_diff import PolicyDiff, compare
from clearway.rules.changes.kinds import Direction, changes

#: CLEARWAY_BENCH_SHARE=0.1 makes a tenth of the mutants: to see that it runs.
SHARE = float(os.environ.get("CLEARWAY_BENCH_SHARE", "1"))
SEED = int(os.environ.get("CLEARWAY_BENCH_SEED", "6"))
HARMFUL, NEUTRAL = round(104 * SHARE), round(26 * SHARE)
CORPUS, NEIGHBOURS = 6000, 500
FUZZED = round(1000 * SHARE)
LARGE = 1000


def run() -> dict[str, float]:
    found: Counter[str] = Counter()
    seconds: list[float] = []
    for number, policies in enumerate(sets()):
        found.update(judged(number, policies, seconds))
    real, caught = found["real widenings"], found["caught"]
    seconds.sort()
    return {
        "mutants": found["mutants"],
        "neutral_rewrites": found["neutral"],
        "rewrites_that_cedar_refuses": found["refused rewrites"],
        "real_widenings": real,
        "widenings_caught": caught,
        "caught_ratio": caught / max(1, real),
        "missed": real - caught,
        "not_proven": found["not proven"],
        "refuted_by_decide": found["refuted"],
        "false_equivalent": found["false equivalent"],
        "neutral_not_equivalent": found["neutral not equivalent"],
        "diff_p50_s": seconds[len(seconds) // 2],
        "diff_max_s": seconds[-1],
        **_large(),
        **_unscoped(),
        **_anywhere(),
        **_fuzzed(),
    }


def judged(number: int, policies: PolicySet, seconds: list[float]) -> Counter[str]:
    """What came of the mutants of one set; `seconds` takes what each comparison took."""
    found: Counter[str] = Counter()
    judge = _Judge(policies, random.Random(SEED + number))  # noqa: S311
    for mutant in mutants(policies.text, random.Random(SEED * 100 + number), HARMFUL, NEUTRAL):  # noqa: S311
        found.update(judge.judged(mutant, seconds))
    return found


class _Judge:
    """Decides samples under the old set once, and under each mutant anew."""

    def __init__(self, policies: PolicySet, source: random.Random) -> None:
        self._set, self._of = policies, source
        self._old = self._policy(policies.text)
        self._corpus: list[tuple[Action, Decision]] = []
        kept: Counter[tuple[object, ...]] = Counter()
        for action in Samples(policies, source, policies.text).actions(CORPUS):
            decision = self._old.decide(action)
            key = (action.tool, decision.code, decision.policies)
            kept[key] += 1
            if kept[key] <= 12:
                self._corpus.append((action, decision))

    def _policy(self, text: str) -> CedarPolicy:
        world = self._set.world
        return CedarPolicy(
            world.tools, world.skills, world.environments, self._set.files(text), groups=self._set.groups
        )

    def judged(self, mutant: Mutant, seconds: list[float]) -> Iterator[str]:
        begin = time.perf_counter()
        diff = compare(
            self._set.files(self._set.text), self._set.files(mutant.text), self._set.world, groups=self._set.groups
        )
        seconds.append(time.perf_counter() - begin)
        yield "neutral" if mutant.neutral else "mutants"
        if any(tool.refuted for tool in diff.tools):
            yield "refuted"
        widened = self._sampled_widening(mutant)
        if diff.widenings or widened is not None:
            yield "real widenings"
        if diff.widenings:
            yield "caught"
        elif diff.not_proven:
            yield "not proven"
        elif widened is not None:
            yield "false equivalent"
            print(f"FALSE EQUIVALENT {self._set.name} {mutant.kind}: {widened}\n{mutant.text}")
        # Cedar's validation follows `a has b && a.b` as it stands; rewritten, it is refused, and then all is denied.
        if mutant.neutral and diff.new.in_force is None:
            yield "refused rewrites"
        elif mutant.neutral and not _is_equivalent(diff):
            yield "neutral not equivalent"
            print(f"NOT EQUIVALENT {self._set.name} {mutant.kind}\n{mutant.text}")

    def _sampled_widening(self, mutant: Mutant) -> Action | None:
        new = self._policy(mutant.text)
        if new.in_force is None:
            return None
        for action, before in self._corpus:
            if _widens(before, new.decide(action)):
                return action
        samples = Samples(self._set, self._of, self._set.text, mutant.text)
        for _ in range(NEIGHBOURS):
            action = self._of.choice(self._corpus)[0]
            near = neighbours(action, samples, self._set.world.tools[action.tool], self._of)
            if _widens(self._old.decide(near), new.decide(near)):
                return near
        return None


def _widens(old: Decision, new: Decision) -> bool:
    return any(change.direction is Direction.WIDENING for change in changes(old, new))


def _is_equivalent(diff: PolicyDiff) -> bool:
    return all(tool.answer == "equivalent" for tool in diff.tools)


def _large() -> dict[str, float]:
    """1,000 policies for 50 tools: one number changed; a forbid for every action removed; and one added."""
    tools = {f"tool{n}": _tool(f"tool{n}", Impact.EXTERNAL, dict(LARGE_SCHEMA)) for n in range(LARGE // PER_TOOL)}
    world = KnownWorld(tools, {}, ("dev", "prod"), ("acme",))
    text = _text(LARGE)
    said_why = '@id("said-why") forbid (principal, action, resource) unless { context.reason_given };'
    one_digit = text.replace("> 30000", "> 31000", 1)
    timed: dict[str, tuple[Sequence[str], bool]] = {
        "one_number": ((text, one_digit), True),
        "same": ((text, "\n".join(reversed(text.splitlines()))), False),
        "forbid_of_all_removed": ((f"{text}\n{said_why}", text), True),
        "forbid_of_all_added": ((text, f"{text}\n{said_why}"), False),
    }
    figures: dict[str, float] = {}
    for name, ((old, new), widens) in timed.items():
        figures |= _timed(f"large_{name}", old, new, world, widens=widens)
    return figures


def _unscoped() -> dict[str, float]:
    """1,000 policies that name no action, so that all of them concern each of four tools; a tenth are forbids."""
    tools = {f"tool{n}": _tool(f"tool{n}", Impact.EXTERNAL, dict(LARGE_SCHEMA)) for n in range(4)}
    world = KnownWorld(tools, {}, ("dev", "prod"), ("acme",))
    policies = [
        f'@id("p{n}") {"forbid" if n % 10 == 9 else "permit"} (principal in Role::"role{n % 200}", action, resource)'
        f' when {{ context.environment == "prod" && resource.id == "acct-{n}"'
        f" && context.arguments.amount_minor > {n * 7 % 500} && context.arguments.amount_minor < {n * 13 + 600} }};"
        for n in range(LARGE)
    ]
    text = "\n".join(policies)
    return {
        **_timed("unscoped_one_number", text, text.replace("< 7100 ", "< 8100 ", 1), world, widens=True),
        **_timed("unscoped_permit_removed", text, "\n".join(policies[:-2] + policies[-1:]), world, widens=False),
    }


def _anywhere() -> dict[str, float]:
    """60 patterns that ask what stands anywhere in one text, one policy each; one more, one less."""
    tools = {"tool0": _tool("tool0", Impact.EXTERNAL, dict(LARGE_SCHEMA))}
    world = KnownWorld(tools, {}, ("dev", "prod"), ("acme",))
    policies = [
        f'@id("p{n}") permit (principal, action, resource) when {{ context.arguments.account like "*word-{n}-*" }};'
        for n in range(60)
    ]
    some, every = "\n".join(policies[1:]), "\n".join(policies)
    return {
        **_timed("anywhere_one_more", some, every, world, widens=True),
        **_timed("anywhere_one_less", every, some, world, widens=False),
    }


def _timed(name: str, old: str, new: str, world: KnownWorld, *, widens: bool) -> dict[str, float]:
    begin, begin_cpu = time.perf_counter(), time.process_time()
    diff = compare([PolicyFile("old.cedar", old)], [PolicyFile("new.cedar", new)], world)
    took = {f"{name}_s": time.perf_counter() - begin, f"{name}_cpu_s": time.process_time() - begin_cpu}
    assert bool(diff.widenings) is widens, name
    assert not diff.not_proven, name
    return took


def _fuzzed() -> dict[str, float]:
    """How often the translation and Clearway's decision agree."""
    agreed = disagreed = 0
    for seed in range(FUZZED):
        source = random.Random(SEED * 10_000 + seed)  # noqa: S311
        made = RandomPolicies(source)
        text = made.text(source.randint(1, 5)) + '\n@id("all") permit (principal, action, resource);'
        policy = CedarPolicy(TOOLS, SKILLS, ENVIRONMENTS, [PolicyFile("random.cedar", text)])
        if policy.in_force is None:
            continue
        action = made.action()
        real = policy.decide(action)
        said = translated_decision(policy.in_force, policy.schema, TOOL, ENVIRONMENTS, action, context_of(action))
        same = (real.verdict, real.approval) == (said.verdict, said.approval)
        agreed, disagreed = agreed + same, disagreed + (not same)
    return {"fuzz_agreed": agreed, "fuzz_disagreed": disagreed}
