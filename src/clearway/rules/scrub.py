"""The last net under texts that leave by a side door: log lines, span names, labels.

What reaches those doors is tokenized at its source already. A finding here is a slip of somebody's, so nobody needs to
join it with anything: it becomes its bare type (`<EMAIL>`), the same for every tenant, and no key is needed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

# Imported where it is needed: most commands log nothing, and the finder takes a tenth of a second.
if TYPE_CHECKING:
    from clearway.rules.find import Finder

#: What could not be looked through is not let out.
WITHHELD = "<WITHHELD>"
#: Characters of one text; the rest is cut off.
LONGEST = 64_000
_SHORTEST = 4


class Scrubber:
    """Everything built in, and what projects mind beside it (`also`). Allow-lists don't count here.

    INVARIANT: remembers nothing from one text to the next, so nothing of one tenant shapes another's (threat 20)."""

    def __init__(self) -> None:
        self._patterns: dict[str, str] = {}
        self._finder: Finder | None = None

    def also(self, patterns: Mapping[str, str]) -> None:
        """Minds own patterns too (type → RE2 pattern), from now on."""
        if not patterns.items() <= self._patterns.items():
            self._patterns |= patterns
            self._finder = None

    def text(self, text: str) -> str:
        """`text` without anything personal. Never raises."""
        if len(text) < _SHORTEST:
            return text
        try:
            from clearway.rules.find import RunMemory

            return self._made().scrub(text[:LONGEST], RunMemory(), _mark)
        except Exception:
            return WITHHELD

    def tree(self, value: Any) -> Any:
        """The same for a JSON tree; what is no JSON is replaced by its type's name. Never raises."""
        try:
            from clearway.rules.find import RunMemory

            return self._made().tokenize(_plain(value, 0), RunMemory(), _mark)
        except Exception:
            return WITHHELD

    def _made(self) -> "Finder":
        if self._finder is None:
            from clearway.rules.find import Finder

            self._finder = Finder(own_patterns=self._patterns)
        return self._finder


#: The one that a process' logs, traces and error lines share.
NET = Scrubber()


def _mark(value: str, type_name: str) -> str:
    return f"<{type_name}>"


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value[:LONGEST]
    if depth < 16 and isinstance(value, dict):
        items: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {str(name)[:200]: _plain(child, depth + 1) for name, child in items.items()}
    if depth < 16 and isinstance(value, list | tuple | set | frozenset):
        parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return [_plain(part, depth + 1) for part in parts]
    return f"<{type(value).__name__}>"
