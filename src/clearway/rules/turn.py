"""Judgements about a model's turn, value in, value out: which of its calls are proposed at all, how much it may take.

What is refused here never reaches the gate; everything else does, invented tools too.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clearway.model.chat import ModelRequest, ToolUse, Usage
from clearway.model.errors import Invalid
from clearway.model.ledger import Entry
from clearway.rules.canonical import canonical, digest

#: Calls of one answer that are looked at; a model rarely makes more than a dozen.
MOST_CALLS = 32
#: Bytes of one call's arguments as JSON, and how deep they may be nested.
MOST_ARGUMENT_BYTES = 65_536
MOST_DEPTH = 32
#: How often the same call may be proposed in one run, however it ends.
MOST_SAME = 3
#: Turns in a row of whose calls none was carried out, or that say nothing.
MOST_FRUITLESS = 4
#: Actions of one run that may wait for people until no further turn is taken: nobody shall be flooded with requests.
MOST_PENDING = 5
#: Code of a call that repeats one that people have not decided yet. It is no refusal of the action.
ALREADY_PENDING = "already_pending"
#: Characters of a model's answer that are kept.
MOST_TEXT = 100_000
LONGEST_NAME = 128

#: Bytes of a request for which one input token is reserved. Byte-pair tokenizers make three to four of English, two of
#: dense digits and code; what was really used replaces the estimate once the provider has said it.
BYTES_A_TOKEN = 2
TOKENS_A_MESSAGE = 8

_AGENT_STEP = re.compile(r"t([0-9]+)(?:\.c([0-9]+))?")
_CALL_STEP = re.compile(r"t([0-9]+)\.c[0-9]+")


@dataclass(frozen=True, slots=True)
class Proposed:
    """One call of an answer. `code`: why it is refused before the gate, with `message` in words; empty: proposed."""

    use: ToolUse
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """What the run has proposed so far. `times`: by `likeness`. `done`: effects that were carried out, by the same."""

    times: Mapping[str, int]
    done: Collection[str] = ()


def likeness(use: ToolUse) -> str:
    """The same for two calls of the same tool with the same arguments. Errors: `Invalid`."""
    return digest("clearway/use/v1", {"tool": use.name, "arguments": use.arguments})


def judge(uses: Sequence[ToolUse], past: Past) -> tuple[Proposed, ...]:
    """Each call of one answer, in its order. Refused ones keep no arguments: nobody stores what a model floods."""
    times, here = Counter(past.times), set[str]()
    found: list[Proposed] = []
    for index, use in enumerate(uses[: MOST_CALLS * 4]):
        use = replace(use, name=_storable(use.name)[:LONGEST_NAME])
        code, message = _look(index, use)
        if not code:
            alike = likeness(use)
            code, message = _repeats(alike, times, here, past.done)
            times[alike] += 1
            here.add(alike)
        found.append(Proposed(replace(use, arguments={}, problem=""), code, message) if code else Proposed(use))
    return tuple(found)


def _look(index: int, use: ToolUse) -> tuple[str, str]:
    if index >= MOST_CALLS:
        return "too_many_calls", f"An answer may hold at most {MOST_CALLS} calls; this one was not looked at."
    if use.problem:
        return "malformed_arguments", f"The arguments could not be read: {use.problem[:200]}."
    if depth_over(use.arguments, MOST_DEPTH):
        return "arguments_too_large", f"The arguments are nested more than {MOST_DEPTH} deep."
    try:
        size = len(canonical(use.arguments))
    except Invalid as error:
        return "malformed_arguments", f"The arguments cannot be stored: {error.message}"
    if size > MOST_ARGUMENT_BYTES:
        return "arguments_too_large", f"The arguments are larger than {MOST_ARGUMENT_BYTES} bytes."
    return "", ""


def _repeats(alike: str, times: Mapping[str, int], here: Collection[str], done: Collection[str]) -> tuple[str, str]:
    if alike in here:
        return "repeated_call", "The same call stands twice in this answer; the first one counts."
    if alike in done:
        return "repeated_call", "The same action was carried out in this run already; it is not done twice."
    if times.get(alike, 0) >= MOST_SAME:
        return "repeated_call", f"The same call was proposed {MOST_SAME} times already; do something else."
    return "", ""


def depth_over(value: Any, most: int) -> bool:
    """Whether `value` is nested more than `most` deep. Without recursion: what it looks at may be hostile."""
    level: list[Any] = [value]
    for _ in range(most):
        level = [child for part in level for child in _children(part)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())  # pyright: ignore[reportUnknownArgumentType]
    return list(value) if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def estimated_input(request: ModelRequest) -> int:
    """Input tokens to reserve for `request`: more than any usual tokenizer makes of it."""
    parts = [request.system]
    for message in request.messages:
        parts += [message.text, *(f"{use.name}{use.arguments}" for use in message.uses)]
    parts += [f"{tool.name}{tool.description}{tool.schema}" for tool in request.tools]
    size = sum(len(part.encode("utf-8", "replace")) for part in parts) + len(str(request.output_schema or ""))
    return -(-size // BYTES_A_TOKEN) + TOKENS_A_MESSAGE * (len(parts) + 1)


def counted(usage: Usage, request: ModelRequest, text: str, uses: Sequence[ToolUse]) -> tuple[Usage, bool]:
    """(usage, whether the provider said it). A provider that says nothing is counted by estimate, never as 0."""
    if usage.total > 0:
        return usage, True
    size = len(text.encode("utf-8", "replace")) + sum(len(f"{use.name}{use.arguments}") for use in uses)
    return Usage(estimated_input(request), -(-size // BYTES_A_TOKEN)), False


def is_call(step_id: str) -> bool:
    """Whether the step is a call that a model made in a turn."""
    return _CALL_STEP.fullmatch(step_id) is not None


def is_answered(step_id: str, turns: Collection[str]) -> bool:
    """Whether a model has been told how this call ended and has answered to that; `turns`: ids of recorded ones."""
    found = _CALL_STEP.fullmatch(step_id)
    return found is not None and f"t{int(found[1]) + 1}" in turns


def reveal(masked: Any, raw: Any, fields: Collection[str]) -> Any:
    """`masked`, with the values of `fields` (key names, at any depth) as `raw` has them. Both are the same tree."""
    if not fields:
        return masked
    if isinstance(raw, dict) and isinstance(masked, dict):
        pairs: Any = zip(masked.items(), raw.items(), strict=True)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
        return {
            shown: child if name in fields else reveal(hidden, child, fields)
            for (shown, hidden), (name, child) in pairs
        }
    if isinstance(raw, list | tuple) and isinstance(masked, list):
        both: Any = zip(masked, raw, strict=True)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
        return [reveal(hidden, child, fields) for hidden, child in both]
    return masked


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """A run's rows as they are told: an agent's by turn and call, however its reads took turns; others as created."""
    return sorted(entries, key=lambda entry: _place(entry.step_id))


#: What is no turn and no call of one (an undoing) comes behind; among themselves such rows stay as they are.
_LAST = 2**31


def _place(step_id: str) -> tuple[int, ...]:
    found = _AGENT_STEP.fullmatch(step_id)
    return (_LAST,) if found is None else (int(found[1]), int(found[2] or 0))
