"""Records what real models say, and says it again: for tests without a network. Implements `ports.ModelClient`.

The file is JSON Lines: a head with its salt, then a line for each answer: digest of the request, request, answer.
Tokens and the ids of approvals are others in each store. So they stand in the file as numbers, in the order in which a
request has them (`<EMAIL:#1>`), and an answer that is said again has those of the request that it answers.
INVARIANT: nothing is written before it went through the redaction; digests are of what is written.
"""

import base64
import hmac
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from clearway.model.chat import ModelAnswer, ModelRequest, ToolUse, Usage
from clearway.model.errors import ConfigError, ModelFailed
from clearway.ports import ModelClient
from clearway.rules.canonical import digest
from clearway.rules.find.finder import Finder
from clearway.rules.find.found import TOKEN
from clearway.rules.find.known import RunMemory

Json = dict[str, Any]
VERSION = "clearway/recorded/v2"
#: What differs from asking to asking and says nothing about the answer.
_PASSING = ("timeout_s",)
_APPROVAL = "apr_"
_OF_A_STORE = re.compile(rf"{TOKEN.pattern}|{_APPROVAL}[0-9a-f]{{20}}")


class NotRecorded(ModelFailed):
    """The request is not in the file, or has been asked for more often than it was recorded."""

    code = "not_recorded"


class _Redaction:
    """Personal data and secrets become tokens of this file: the same value the same token, which tells nothing."""

    def __init__(self, salt: str, finder: Finder) -> None:
        self._salt, self._finder = salt, finder

    def request(self, request: ModelRequest) -> tuple[Json, "_Marks"]:
        """(what is kept of it, what its marks stand for)."""
        plain: Json = json.loads(json.dumps(asdict(request)))
        marks = _Marks()
        return marks.hide(self({n: v for n, v in plain.items() if n not in _PASSING}, marks), grows=True), marks

    def __call__(self, value: Any, marks: "_Marks") -> Any:
        def token(value: str, kind: str) -> str:
            mark = hmac.new(self._salt.encode(), f"{kind}\0{value}".encode(), sha256).digest()
            made = f"<{kind}:1{base64.b32encode(mark).decode().lower()[:16]}>"
            marks.values.setdefault(made, value)
            return made

        return self._finder.tokenize(value, RunMemory(), token)


class _Marks:
    """What stands in one request and in no other store's: token or id → its mark in the file. `values`: what the file's
    own tokens stand for, which are the same for every store."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def hide(self, tree: Any, *, grows: bool = False) -> Any:
        """`tree` with marks. `grows`: also for what had none before."""
        return _mapped(tree, lambda text: _OF_A_STORE.sub(lambda found: self._mark(found[0], grows=grows), text))

    def show(self, tree: Any) -> Any:
        """`tree` with what this request has for each mark: its token or id, or the value that stood in it."""
        told = {**self.values, **{mark: said for said, mark in self._marks.items()}}
        if not told:
            return tree
        marks = re.compile("|".join(re.escape(mark) for mark in sorted(told, key=len, reverse=True)))
        return _mapped(tree, lambda text: marks.sub(lambda found: told[found[0]], text))

    def _mark(self, said: str, *, grows: bool) -> str:
        if grows and said not in self._marks and said not in self.values:
            number = len(self._marks) + 1
            kind = _APPROVAL if said.startswith(_APPROVAL) else said.partition(":")[0] + ":"
            self._marks[said] = f"{kind}#{number}{'' if kind == _APPROVAL else '>'}"
        return self._marks.get(said, said)


def _mapped(tree: Any, change: Callable[[str], str]) -> Any:
    """`tree` with each text changed, in an order that does not depend on that of an object's keys."""
    if isinstance(tree, str):
        return change(tree)
    if isinstance(tree, list):
        return [_mapped(item, change) for item in cast(list[Any], tree)]
    if isinstance(tree, dict):
        found = cast(Mapping[str, Any], tree)
        return {change(name): _mapped(found[name], change) for name in sorted(found)}
    return tree


class Recorder:
    """Asks `inner`, and appends each answer to `path`. `finder`: what is redacted, by default what Clearway finds."""

    def __init__(self, path: Path | str, inner: ModelClient, *, finder: Finder | None = None) -> None:
        self._path, self._inner = Path(path), inner
        if not self._path.exists():
            self._append({"version": VERSION, "salt": os.urandom(16).hex()})
        salt, _ = _read(self._path)
        self._redact = _Redaction(salt, finder or Finder())

    async def prepare(self, model: str) -> None:
        await self._inner.prepare(model)

    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        answer = await self._inner.ask(request, on_text)
        kept, marks = self._redact.request(request)
        said = marks.hide(self._redact(json.loads(json.dumps(asdict(answer))), marks))
        self._append({"digest": _digest(kept), "request": kept, "answer": said})
        return answer

    def _append(self, line: Json) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")


class RecordedModel:
    """Answers from a file, strictly: the same request, no more often than it was recorded, in the order of the file.

    Errors: `NotRecorded`; `ConfigError` where the file is none."""

    def __init__(self, path: Path | str, *, finder: Finder | None = None) -> None:
        salt, lines = _read(Path(path))
        self._redact = _Redaction(salt, finder or Finder())
        self._answers: dict[str, list[Json]] = defaultdict(list)
        for line in lines:
            self._answers[line["digest"]].append(line["answer"])
        self.asked: list[ModelRequest] = []

    async def prepare(self, model: str) -> None:
        """Nothing to load."""

    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        self.asked.append(request)
        kept, marks = self._redact.request(request)
        answers = self._answers.get(_digest(kept))
        if not answers:
            raise _not_recorded(known=answers is not None)
        answer = _answer_of(marks.show(answers.pop(0)))
        if on_text is not None and answer.text:
            on_text(answer.text)
        return answer


def _not_recorded(*, known: bool) -> NotRecorded:
    if known:
        said = "This request has been asked for more often than it was recorded."
        return NotRecorded(said, remedy="Record the whole conversation again with `Recorder`.")
    return NotRecorded(
        "This request was not recorded.",
        remedy="Record it again with `Recorder`. If a tool of the agent's keeps forms (`format_keeping`), the request "
        "holds stand-ins, and those are made with the keyring: test with the one that it was recorded with, which has "
        "to be one for tests only, or record again.",
    )


def _digest(kept: Json) -> str:
    return digest(VERSION, kept)


def _answer_of(kept: Json) -> ModelAnswer:
    uses = tuple(ToolUse(**use) for use in kept["uses"])
    given: Json = {**kept, "uses": uses, "usage": Usage(**kept["usage"])}
    return ModelAnswer(**given)


def _read(path: Path) -> tuple[str, list[Json]]:
    """(salt, lines)."""
    try:
        head, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if head["version"] != VERSION:
            raise KeyError("version")
        return str(head["salt"]), lines
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(
            "the file holds no recorded answers.", file=path.name, line=1, remedy="Record them with `Recorder`."
        ) from None
