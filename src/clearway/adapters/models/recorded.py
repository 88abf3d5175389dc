"""Records what real models say, and says it again: for tests without a network. Implements `ports.ModelClient`.

The file is JSON Lines: a head with its salt, then a line for each answer: digest of the request, request, answer.
INVARIANT: nothing is written before it went through the redaction; digests are of what is written.
"""

import hmac
import json
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from clearway.model.chat import ModelAnswer, ModelRequest, ToolUse, Usage
from clearway.model.errors import ConfigError, ModelFailed
from clearway.ports import ModelClient
from clearway.rules.canonical import digest
from clearway.rules.find.finder import Finder
from clearway.rules.find.known import RunMemory

Json = dict[str, Any]
VERSION = "clearway/recorded/v1"
#: What differs from asking to asking and says nothing about the answer.
_PASSING = ("timeout_s",)


class NotRecorded(ModelFailed):
    """The request is not in the file, or has been asked for more often than it was recorded."""

    code = "not_recorded"


class _Redaction:
    """Personal data and secrets become tokens of this file: the same value the same token, which tells nothing."""

    def __init__(self, salt: str, finder: Finder) -> None:
        self._salt, self._finder = salt, finder

    def __call__(self, value: Any) -> Any:
        return self._finder.tokenize(value, RunMemory(), self._token)

    def _token(self, value: str, kind: str) -> str:
        mark = hmac.new(self._salt.encode(), f"{kind}\0{value}".encode(), sha256).hexdigest()[:12]
        return f"<{kind}:1{mark}>"


class Recorder:
    """Asks `inner`, and appends each answer to `path`. `finder`: what is redacted, by default what Clearway finds."""

    def __init__(self, path: Path | str, inner: ModelClient, *, finder: Finder | None = None) -> None:
        self._path, self._inner = Path(path), inner
        if not self._path.exists():
            self._append({"version": VERSION, "salt": os.urandom(16).hex()})
        salt, _ = _read(self._path)
        self._redact = _Redaction(salt, finder or Finder())

    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        answer = await self._inner.ask(request, on_text)
        kept = self._redact(_plain(request))
        self._append({"digest": _digest(kept), "request": kept, "answer": self._redact(asdict(answer))})
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

    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        self.asked.append(request)
        answers = self._answers.get(_digest(self._redact(_plain(request))))
        if not answers:
            raise NotRecorded("This request was not recorded.", remedy="Record it again with `Recorder`.")
        answer = _answer_of(answers.pop(0))
        if on_text is not None and answer.text:
            on_text(answer.text)
        return answer


def _plain(request: ModelRequest) -> Json:
    plain: Json = json.loads(json.dumps(asdict(request)))
    return {name: value for name, value in plain.items() if name not in _PASSING}


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
