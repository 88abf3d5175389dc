"""YAML as data only (threat 40): the part of YAML 1.1 that nobody reads in two ways.

Refused: tags, anchors, aliases, merge keys, directives, several documents, a key that stands twice or is no string,
over 32 levels, over 1 MiB, and plain words that YAML 1.1 takes for something else than they look like (`no`, `0123`,
`1:30`, `2026-01-31`): they go in quotes. `yaml.safe_load` takes a 280-byte alias bomb, and of `allow: false` and
`allow: true` the last.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from clearway.model.errors import ConfigError
from clearway.project.located import MAX_FILE_BYTES, Path_, Source, read_text
from clearway.rules.canonical import MAX_DEPTH

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+", re.ASCII)
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}


def load_yaml(path: Path, file: str) -> Source:
    """Parses a YAML file. Errors: `ConfigError`."""
    return parse_yaml(read_text(path, file), file)


def parse_yaml(text: str, file: str) -> Source:
    """Parses YAML text; paths in `Source.lines` hold keys and list positions. Errors: `ConfigError`."""
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError(f"the file is larger than {MAX_FILE_BYTES} bytes.", file=file, line=1, remedy="Split it.")
    try:
        reader = _Reader(text, file)
        return Source(file, reader.document(), reader.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(
            f"this is not YAML: {error.problem or error.context}.",
            file=file,
            line=mark.line + 1 if mark else 1,
            remedy="Mend the indentation or the quotes.",
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            "there is a character that YAML does not allow.",
            file=file,
            line=line,
            remedy="Write it as an escape in double quotes.",
        ) from None


class _Reader:
    """Builds values out of parser events, so that nothing is made of a tag or an alias."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._loader: Any = yaml.SafeLoader(text)
        self.lines: dict[Path_, int] = {}

    def document(self) -> Any:
        try:
            self._take(StreamStartEvent)
            if isinstance(self._peek(), StreamEndEvent):
                return None
            self._start()
            value = self._value((), 0)
            self._take(DocumentEndEvent)
            if not isinstance(self._peek(), StreamEndEvent):
                raise self._wrong(self._peek(), "there is a second document.", "Keep one; write no --- between.")
            return value
        finally:
            self._loader.dispose()

    def _start(self) -> None:
        event = self._take(DocumentStartEvent)
        if getattr(event, "version", None) or getattr(event, "tags", None):
            raise self._wrong(event, "there is a % directive.", "Remove it.")

    def _value(self, path: Path_, depth: int) -> Any:
        event = self._loader.get_event()
        self.lines.setdefault(path, event.start_mark.line + 1)
        self._refuse_references(event)
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if depth >= MAX_DEPTH:
            raise self._wrong(event, f"it is nested over {MAX_DEPTH} levels deep.", "Flatten it.")
        if isinstance(event, SequenceStartEvent):
            return self._list(path, depth)
        return self._mapping(path, depth)

    def _list(self, path: Path_, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(self._peek(), SequenceEndEvent):
            items.append(self._value((*path, len(items)), depth + 1))
        self._loader.get_event()
        return items

    def _mapping(self, path: Path_, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(self._peek(), MappingEndEvent):
            event = self._loader.get_event()
            self._refuse_references(event)
            key = self._scalar(event) if isinstance(event, ScalarEvent) else None
            if not isinstance(key, str):
                raise self._wrong(event, "a key is not a text.", "Put it in quotes.")
            if key in found:
                raise self._wrong(event, "a key stands twice in a mapping.", "Keep one of the two.")
            mark = event.start_mark
            self.lines[(*path, key)] = mark.line + 1 if mark else 0
            found[key] = self._value((*path, key), depth + 1)
        self._loader.get_event()
        return found

    def _scalar(self, event: ScalarEvent) -> Any:
        if event.style is not None:
            return event.value
        text: str = event.value
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text) and len(text) < 20:
            return int(text)
        if _DECIMAL.fullmatch(text) and len(text) < 20:
            return float(text)
        if self._loader.resolve(yaml.ScalarNode, text, (True, False)) != "tag:yaml.org,2002:str":
            raise self._wrong(
                event,
                "a plain word means something else in YAML.",
                "Put it in quotes, or write true, false, null or a decimal integer.",
            )
        return text

    def _refuse_references(self, event: Any) -> None:
        if isinstance(event, AliasEvent):
            raise self._wrong(event, "there is an alias (*name).", "Write the value out.")
        if getattr(event, "anchor", None) is not None:
            raise self._wrong(event, "there is an anchor (&name).", "Remove it, and write values out.")
        if getattr(event, "tag", None) is not None:
            raise self._wrong(
                event, "there is a tag (!name).", "Remove it: values are texts, numbers, lists, mappings."
            )

    def _wrong(self, event: Any, what: str, remedy: str) -> ConfigError:
        return ConfigError(what, file=self._file, line=event.start_mark.line + 1, remedy=remedy)

    def _peek(self) -> Any:
        return self._loader.peek_event()

    def _take(self, kind: type[Any]) -> Any:
        event = self._loader.get_event()
        if not isinstance(event, kind):
            raise self._wrong(event, "the file does not hold one document.", "Keep one.")
        return event
