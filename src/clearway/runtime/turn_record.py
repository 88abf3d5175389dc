"""A model's turn as a value: what is asked, what was answered, and what of it is kept and shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clearway.model.agent import ModelUse
from clearway.model.chat import ModelRequest, ToolUse
from clearway.model.ledger import Entry
from clearway.model.outcome import Failed, Refused
from clearway.rules.turn import Past, Proposed
from clearway.runtime.carry import Carry
from clearway.runtime.run_api import ActionStopped


@dataclass(frozen=True, slots=True)
class Turn:
    """What a model answered. `calls`: those that it proposed, as judged when it was recorded."""

    text: str
    calls: tuple[Proposed, ...]
    finish_reason: str
    output: dict[str, Any] | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """`asks`: a keyed token of what a Python skill asks, to be the same on each replay; empty for an agent's turn,
    which follows from what is recorded. `past`: what the run has proposed before. `told`: what an agent's model is told
    here of actions that people decide on; it is kept with the turn, so that each replay tells the same."""

    request: ModelRequest
    use: ModelUse
    asks: str = ""
    past: Past = field(default_factory=lambda: Past({}))
    told: dict[str, Any] = field(default_factory=dict[str, Any])


def shown_answer(at: Carry, step_id: str, turn: Turn) -> dict[str, Any]:
    """The copy that people see, tokenized."""
    calls = [
        {
            "call": f"{step_id}.c{index}",
            "tool": at.masker.scrub(call.use.name),
            **({"refused": call.code} if call.code else {"arguments": at.masker.mask(call.use.arguments)}),
        }
        for index, call in enumerate(turn.calls, 1)
    ]
    shown: dict[str, Any] = {"text": at.masker.scrub(turn.text), "calls": calls}
    return shown if turn.output is None else shown | {"output": at.masker.mask(turn.output)}


def as_kept(turn: Turn) -> dict[str, Any]:
    """What is sealed of an answer."""
    return {
        "text": turn.text,
        "finish_reason": turn.finish_reason,
        "output": turn.output,
        "model": turn.model,
        "calls": [
            {
                "id": call.use.id[:200],
                "name": call.use.name,
                "arguments": call.use.arguments,
                "code": call.code,
                "message": call.message,
            }
            for call in turn.calls
        ],
    }


def from_kept(kept: Mapping[str, Any]) -> Turn:
    calls = tuple(
        Proposed(ToolUse(one["id"], one["name"], one["arguments"]), one["code"], one["message"])
        for one in kept["calls"]
    )
    return Turn(kept["text"], calls, kept["finish_reason"], kept["output"], kept["model"])


def stopped(entry: Entry) -> ActionStopped:
    """Why a turn without an answer has none."""
    detail = entry.detail or {}
    code, message = str(detail.get("code", "model_failed")), str(detail.get("message", ""))
    ended = Refused(code, message) if code.endswith("_budget") else Failed(code, message)
    return ActionStopped(entry.step_id, entry.tool, ended)
