"""A decision laid open for people: which policies made it, where they stand, and which permits fell short."""

from collections.abc import Mapping, Sequence
from typing import Any

from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.adapters.cedar.slices import Slice
from clearway.adapters.cedar.weighing import Answer, Party
from clearway.model.decision import Decision


def explanation(
    tool: str,
    decision: Decision,
    answers: Sequence[Answer],
    slices: Mapping[Party, Slice],
    known: Mapping[str, LoadedPolicy],
    concerning: Sequence[LoadedPolicy],
) -> dict[str, Any]:
    """`{"tool", "verdict", "code", "message", "answers": […]}`, each answer as `_answer` makes it."""
    return {
        "tool": tool,
        "verdict": decision.verdict.value,
        "code": decision.code,
        "message": decision.message,
        "answers": [_answer(answer, slices[answer.party], known, concerning) for answer in answers],
    }


def _answer(
    answer: Answer, part: Slice, known: Mapping[str, LoadedPolicy], concerning: Sequence[LoadedPolicy]
) -> dict[str, Any]:
    """`unmet`: permits for this tool and principal whose conditions or resource did not hold; `for_others`: permits for
    this tool that are for other principals; `determined_by` and `erring`: as Cedar says."""
    settled = {*answer.policies, *answer.erring}
    unmet = [policy for policy in part.policies if policy.effect == "permit" and policy.id not in settled]
    others = [policy for policy in concerning if policy.effect == "permit" and policy not in part.policies]
    return {
        "party": answer.party,
        "target": answer.target + 1,
        "verdict": answer.verdict.value.lower(),
        "determined_by": [_shown(known[id_]) for id_ in answer.policies],
        "erring": [_shown(known[id_]) for id_ in answer.erring],
        "unmet": [_shown(policy) for policy in unmet],
        "for_others": [_shown(policy) for policy in others],
    }


def _shown(policy: LoadedPolicy) -> dict[str, str]:
    return {"id": policy.id, "place": f"{policy.file}:{policy.line}", "text": policy.text}
