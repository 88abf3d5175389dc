"""From Cedar's answers to one decision: the strictest wins, and what is not understood is a deny."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import cedarpy

from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.model.decision import ApprovalRule, Decision, Verdict
from clearway.rules import obligations

Party = Literal["agent", "user"]

_ERRING = re.compile(r"policy `([^`]+)`")


class Answer(NamedTuple):
    """Cedar's answer for one party at one target. `policies` determined it; `erring` could not be evaluated."""

    party: Party
    target: int
    verdict: cedarpy.Decision
    policies: tuple[str, ...]
    erring: tuple[str, ...]
    failed: bool


def read_answer(party: Party, target: int, result: cedarpy.AuthzResult, known: Mapping[str, LoadedPolicy]) -> Answer:
    """Keeps policy ids only: the text of Cedar's errors can hold argument values."""
    diagnostics, verdict = result.diagnostics, result.decision
    errors = diagnostics.errors
    erring = {found[1] for error in errors if (found := _ERRING.search(error)) and found[1] in known}
    failed = bool(errors) or verdict is cedarpy.Decision.NoDecision
    return Answer(party, target, verdict, tuple(sorted(diagnostics.reasons)), tuple(sorted(erring)), failed)


def weigh(answers: Sequence[Answer], known: Mapping[str, LoadedPolicy], tool: str) -> Decision:
    """One decision of all the answers. INVARIANT: it allows only where every answer is an allow without errors.

    Cedar skips a policy that errs, so a `forbid` that can't be evaluated would forbid nothing: any error is a deny.
    """
    failed = [answer for answer in answers if answer.failed]
    if failed or not answers:
        erring = _union(answer.erring for answer in failed)
        which = f" ({', '.join(erring)})" if erring else ""
        return deny("policy_error", f"A policy could not be evaluated{which}, so {tool} is denied.", erring)
    refused = [answer for answer in answers if answer.verdict is not cedarpy.Decision.Allow]
    forbidden = [answer for answer in refused if answer.policies]
    if forbidden:
        by = _union(answer.policies for answer in forbidden)
        return deny("forbidden", f"{tool} is forbidden for {_parties(forbidden)} by {', '.join(by)}.", by)
    if refused:
        return deny("no_permit", f"No policy permits {tool} for {_parties(refused)}{_targets(refused, answers)}.")
    return _permitted([known[id_] for id_ in _union(answer.policies for answer in answers)], tool)


def deny(code: str, message: str, policies: tuple[str, ...] = ()) -> Decision:
    return Decision(Verdict.DENY, code, policies, None, message)


def _permitted(permits: Sequence[LoadedPolicy], tool: str) -> Decision:
    ids = tuple(policy.id for policy in permits)
    faulty = tuple(policy.id for policy in permits if policy.fault is not None)
    if faulty:
        names = ", ".join(faulty)
        return deny("unknown_obligation", f"What {names} asks for is not understood, so {tool} is denied.", faulty)
    asking = {policy.id: policy.rule for policy in permits if policy.rule is not None}
    if not asking:
        return Decision(Verdict.ALLOW, "allowed", ids, None, f"{tool} is permitted by {', '.join(ids)}.")
    rule: ApprovalRule = obligations.unite(list(asking.values()))
    message = f"{tool} needs approval by {obligations.describe(rule)}, asked for by {', '.join(asking)}."
    return Decision(Verdict.HOLD, "approval_required", ids, rule, message)


def _union(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(sorted({id_ for group in groups for id_ in group}))


def _parties(answers: Sequence[Answer]) -> str:
    return " and ".join(f"the {party}" for party in sorted({answer.party for answer in answers}))


def _targets(refused: Sequence[Answer], answers: Sequence[Answer]) -> str:
    """How many targets, where it is not all of them; never which, as their ids are arguments."""
    some, all_ = len({answer.target for answer in refused}), len({answer.target for answer in answers})
    return f" on {some} of {all_} targets" if some < all_ else ""
