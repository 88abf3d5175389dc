"""TOML by `tomllib`, with the lines of its keys."""

import re
import tomllib
from pathlib import Path

from clearway.model.errors import ConfigError
from clearway.project.located import Path_, Source, read_text

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=")
_ONE_KEY = re.compile(_KEY)
_ERROR_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


def load_toml(path: Path, file: str) -> Source:
    """Parses a TOML file. Errors: `ConfigError`, also for keys that stand twice."""
    text = read_text(path, file)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _ERROR_PLACE.search(message)
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        raise ConfigError(
            f"this is not TOML: {_ERROR_PLACE.sub('', message)}.",
            file=file,
            line=line,
            remedy='Write key = "text", key = 1, key = ["a", "b"] or [table].',
        ) from None
    except RecursionError:
        raise ConfigError("the file is nested too deeply.", file=file, line=1, remedy="Flatten it.") from None
    return Source(file, data, _lines(text))


def _lines(text: str) -> dict[Path_, int]:
    """Path of keys → line, by a scan line by line. Keys of inline tables are found at the line of their table."""
    found: dict[Path_, int] = {}
    table: Path_ = ()
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        started_inside, inside = inside, _multiline_after(line, inside)
        if started_inside:
            continue
        header, assignment = _HEADER.fullmatch(line), _ASSIGNMENT.match(line)
        if header:
            table = _path(header[1])
            _note(found, (), table, number)
        elif assignment:
            _note(found, table, _path(assignment[1]), number)
    return found


def _note(found: dict[Path_, int], start: Path_, keys: Path_, line: int) -> None:
    for end in range(1, len(keys) + 1):
        found.setdefault((*start, *keys[:end]), line)
    found[(*start, *keys)] = min(found[(*start, *keys)], line)


def _path(dotted: str) -> Path_:
    return tuple(match.group().strip("\"'") for match in _ONE_KEY.finditer(dotted))


def _multiline_after(line: str, inside: str) -> str:
    """The quotes of the multi-line string that is still open at the end of `line`."""
    for quotes in re.findall(r'"""|\'\'\'', line):
        if not inside:
            inside = quotes
        elif inside == quotes:
            inside = ""
    return inside
