"""A model that says what a script says: no network, no key, the same each time. Implements `ports.ModelClient`.

::

    model = ScriptedModel(call("read_account", account="9182"), say("The account is open."))

Which turn of the script answers is told by the request alone: as many as it holds answers already. So one script serves
any number of conversations, side by side and after a crash.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from clearway.model.chat import ModelAnswer, ModelRequest, ToolUse, Usage
from clearway.model.errors import ClearwayError, ConfigError, ModelBusy, ModelFailed

#: What a script holds for one turn: an answer, an error to raise, or a function of the request.
Scripted = ModelAnswer | BaseException | Callable[[ModelRequest], Any]

_USAGE = Usage(100, 20)
#: Characters of a streamed piece.
_PIECE = 12


def say(text: str, *, usage: Usage = _USAGE, finish_reason: Any = "stop") -> ModelAnswer:
    """An answer in words."""
    return ModelAnswer(text, "scripted", finish_reason, usage=usage)


def call(tool: str, /, **arguments: Any) -> ModelAnswer:
    """An answer that makes one call."""
    return calls((tool, arguments))


def calls(*uses: tuple[str, Mapping[str, Any]], text: str = "", usage: Usage = _USAGE) -> ModelAnswer:
    """An answer that makes several calls side by side."""
    made = tuple(ToolUse(f"call_{index}", name, dict(arguments)) for index, (name, arguments) in enumerate(uses, 1))
    return ModelAnswer(text, "scripted", "tool_calls", made, usage=usage)


class ScriptedModel:
    """`turns`: what to answer, turn by turn; a single function answers every request. `asked`: what it was sent.

    Errors: whatever stands in the script; `ModelFailed` (`script_ended`) where it has no such turn."""

    def __init__(self, *turns: Scripted, name: str = "scripted") -> None:
        self._turns, self._name = turns, name
        self.asked: list[ModelRequest] = []

    async def prepare(self, model: str) -> None:
        """Nothing to load."""

    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        self.asked.append(request)
        answer: Any = self._turn(request)
        if callable(answer):
            answer = cast(Callable[[ModelRequest], Any], answer)(request)
            if inspect.isawaitable(answer):
                answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        found = cast(ModelAnswer, answer)
        if on_text is not None:
            for start in range(0, len(found.text), _PIECE):
                on_text(found.text[start : start + _PIECE])
        return replace(found, model=self._name) if found.model == "scripted" else found

    def _turn(self, request: ModelRequest) -> Scripted:
        number = sum(message.role == "assistant" for message in request.messages)
        if len(self._turns) == 1 and callable(self._turns[0]):
            return self._turns[0]
        if number >= len(self._turns):
            raise ModelFailed(f"The script has no turn {number + 1}.", code="script_ended")
        return self._turns[number]


def read_script(path: Path) -> "ScriptedModel":
    """A script from a JSON file: `[{"when": "words of the first message", "turns": [TURN, …]}, …]`, of which the first
    whose `when` stands in the conversation's first message answers. TURN is `{"text": …}`, `{"calls": [{"tool",
    "arguments"}]}` or `{"busy": seconds}`. Errors: `ConfigError`."""
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(read, list):
            raise TypeError("a list")
        conversations = cast(list[Any], read)
        made = [(str(one["when"]), [_turn_of(turn) for turn in one["turns"]]) for one in conversations]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"the script cannot be read ({type(error).__name__}).",
            file=path.name,
            line=1,
            remedy='Write [{"when": "…", "turns": [{"text": "…"}]}].',
        ) from None
    return ScriptedModel(lambda request: _answer(made, request))


def _answer(made: Sequence[tuple[str, list[Scripted]]], request: ModelRequest) -> Scripted:
    number = sum(message.role == "assistant" for message in request.messages)
    first = request.messages[0].text if request.messages else ""
    turns = next((turns for when, turns in made if when in first), list[Scripted]())
    if number >= len(turns):
        raise ModelFailed(f"The script has no turn {number + 1} for this conversation.", code="script_ended")
    return turns[number]


def _turn_of(turn: Mapping[str, Any]) -> Scripted:
    unknown = turn.keys() - {"text", "calls", "busy"}
    if unknown or not turn:
        raise KeyError("a turn")
    if "busy" in turn:
        return _busy(float(turn["busy"]))
    if "calls" in turn:
        return calls(*((str(one["tool"]), dict(one["arguments"])) for one in turn["calls"]), text=turn.get("text", ""))
    return say(str(turn["text"]))


def _busy(seconds: float) -> ClearwayError:
    return ModelBusy("The script says that the model is busy.", retry_after_s=seconds)
