"""Reading project files strictly: every problem has a file, a line, what is wrong and what to write.

A `Source` is a parsed file that knows its lines; a `Table` reads one table of it, key by key; what is wrong is
collected in `Problems` and raised together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from clearway.model.errors import ConfigError
from clearway.rules.names import did_you_mean
from clearway.rules.present import visible

Path_ = tuple[str | int, ...]
D = TypeVar("D")

MAX_FILE_BYTES = 1_048_576
SETTINGS_FILE = "clearway.toml"


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file. `file` is relative to the project; `lines`: path of keys → line, where it is known."""

    file: str
    data: Any
    lines: Mapping[Path_, int]

    def line(self, *keys: str | int) -> int:
        """The line of the key, or of the nearest one around it; 1 at the least."""
        for end in range(len(keys), -1, -1):
            if keys[:end] in self.lines:
                return self.lines[keys[:end]]
        return 1


@dataclass(slots=True)
class Problems:
    """Collected configuration errors."""

    errors: list[ConfigError] = field(default_factory=list[ConfigError])

    def add(self, source: Source, keys: Path_, what: str, remedy: str) -> None:
        self.extend(ConfigError(f"{what}.", file=source.file, line=source.line(*keys), remedy=remedy))

    def extend(self, error: ConfigError) -> None:
        """Adds a problem that another reader raised; the same one is kept once."""
        if str(error) not in {str(known) for known in self.errors}:
            self.errors.append(error)

    def raise_any(self) -> None:
        """Errors: one `ConfigError`, a line of its message for each problem, with the place of the first."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            together = ConfigError("\n".join(str(error) for error in self.errors))
            together.file, together.line = self.errors[0].file, self.errors[0].line
            raise together


@dataclass(slots=True)
class Table:
    """One table of a source, at `keys`. Each reader notes its key; `finish` reports the keys that nobody read.

    A value of another type is a problem and reads as the default.
    """

    source: Source
    problems: Problems
    keys: Path_ = ()
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    known: set[str] = field(default_factory=set[str])

    def wrong(self, key: str | None, what: str, remedy: str) -> None:
        """Adds a problem with a key of this table (or with the table)."""
        keys = self.keys if key is None else (*self.keys, key)
        named = ".".join(map(str, keys))
        self.problems.add(self.source, keys, f"{visible(named)[0]} {what}" if named else what, remedy)

    def text(self, key: str, default: D, *, example: str) -> str | D:
        return self._read(key, str, default, "should be a text in quotes", f'Write {key} = "{example}".')

    def number(self, key: str, default: D, *, example: float) -> float | D:
        """A finite number over 0."""
        value = self._read(key, (int, float), default, "should be a number", f"Write {key} = {example}.")
        if key in self.values and isinstance(value, int | float) and not 0 < value < 1e15:
            self.wrong(key, "should be over 0", f"Write {key} = {example}.")
            return default
        return value

    def integer(self, key: str, default: D, *, example: int) -> int | D:
        """An integer over 0."""
        value = self._read(key, int, default, "should be an integer", f"Write {key} = {example}.")
        if key in self.values and isinstance(value, int) and not 0 < value < 2**53:
            self.wrong(key, "should be at least 1", f"Write {key} = {example}.")
            return default
        return value

    def flag(self, key: str, default: D) -> bool | D:
        return self._read(key, bool, default, "should be true or false", f"Write {key} = true.")

    def texts(self, key: str, default: Iterable[str] = (), *, example: str) -> tuple[str, ...]:
        """A list of different texts, none of them empty."""
        found: Any = self._read(key, list, list(default), "should be a list of texts", f"Write {key} = {example}.")
        if any(not isinstance(item, str) or not item for item in found):
            self.wrong(key, "holds something else than texts", f"Write {key} = {example}.")
            return tuple(default)
        for item in {item for item in found if found.count(item) > 1}:
            self.wrong(key, f"names {visible(item)[0]} twice", "Name it once.")
        return tuple(found)

    def table(self, key: str) -> "Table":
        """The table at `key`; an empty one where there is none."""
        found: Any = self._read(
            key,
            dict,
            dict[str, Any](),
            "should be a table",
            f"Write [{'.'.join(map(str, (*self.keys, key)))}] above its keys.",
        )
        return Table(self.source, self.problems, (*self.keys, key), found)

    def tables(self) -> dict[str, "Table"]:
        """All tables of this one, by key, in order."""
        return {key: self.table(key) for key in self.values}

    def choice(self, key: str, word: str, known: Iterable[str], kind: str) -> bool:
        """Whether `word` is among `known`; if not, a problem is noted at `key`."""
        names = list(known)
        if word in names:
            return True
        self.wrong(
            key,
            f"names the {kind} {visible(word)[0]}, which does not exist",
            did_you_mean(word, names) or f"Declare the {kind} first.",
        )
        return False

    def finish(self) -> None:
        """Adds a problem for each key that was not read."""
        for key in self.values:
            if key not in self.known:
                place = f"[{'.'.join(map(str, self.keys))}]" if self.keys else "the file"
                self.problems.add(
                    self.source,
                    (*self.keys, key),
                    f"there is no key {visible(key)[0]} in {place}",
                    did_you_mean(key, self.known),
                )

    def _read(self, key: str, kind: Any, default: D, what: str, remedy: str) -> Any | D:
        self.known.add(key)
        if key not in self.values:
            return default
        value = self.values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.wrong(key, what, remedy)
            return default
        return value


def read_text(path: Path, file: str) -> str:
    """The text of a project's file. Errors: `ConfigError` (absent, over 1 MiB, not UTF-8, unreadable)."""
    try:
        content = path.read_bytes()
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(f"the file is larger than {MAX_FILE_BYTES} bytes.", file=file, line=1, remedy="Split it.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("the file is not UTF-8.", file=file, line=line, remedy="Save it as UTF-8.") from None
    except FileNotFoundError:
        raise ConfigError(
            "the file is missing.",
            file=file,
            line=1,
            remedy="Run `clearway init` in an empty folder for a project to start from.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"the file cannot be read: {error.strerror}.",
            file=file,
            line=1,
            remedy="Make it a file that this user may read.",
        ) from None
