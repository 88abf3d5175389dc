"""Replaces declared sensitive values by tokens, and the same values again wherever else they turn up.

Detection in free text is another stack's work: `Masker.scrub` is the place where it joins.
"""

from collections.abc import Callable, Iterable
from typing import Any

#: A shorter value would be replaced inside ordinary words.
SHORTEST_LEARNED = 4


class Masker:
    """Tokenizes one run's declared fields and remembers their values.

    `fields`: key names (`card_number`) or dotted paths (`payer.iban`), both at any depth. `token(value, type)` makes
    the pseudonym. INVARIANT: what comes out of `mask` and `scrub` holds no value that was learned before.
    """

    def __init__(self, fields: Iterable[str], token: Callable[[str, str], str]) -> None:
        self._fields = frozenset(fields)
        self._token = token
        self._known: dict[str, str] = {}

    def learn(self, value: Any, fields: Iterable[str] = ()) -> None:
        """Remembers the sensitive values in `value` without returning anything."""
        self._walk(value, (), self._fields | frozenset(fields), collect=True)

    def mask(self, value: Any, fields: Iterable[str] = ()) -> Any:
        """`value` with sensitive fields as tokens, and learned values replaced in every other string."""
        wanted = self._fields | frozenset(fields)
        if wanted:
            self._walk(value, (), wanted, collect=True)
        elif not self._known:
            return value
        return self._walk(value, (), wanted, collect=False)

    def scrub(self, text: str) -> str:
        """`text` with every learned value replaced, longest first."""
        for raw in sorted(self._known, key=len, reverse=True):
            if raw in text:
                text = text.replace(raw, self._known[raw])
        return text

    def _walk(self, value: Any, path: tuple[str, ...], wanted: frozenset[str], *, collect: bool) -> Any:
        if path and (path[-1] in wanted or any(".".join(path[at:]) in wanted for at in range(len(path) - 1))):
            return self._replace(value, path[-1])
        if isinstance(value, dict):
            items: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
            return {
                (key if collect else self.scrub(key)): self._walk(child, (*path, key), wanted, collect=collect)
                for key, child in items.items()
            }
        if isinstance(value, list | tuple):
            parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
            return [self._walk(child, path, wanted, collect=collect) for child in parts]
        if isinstance(value, str) and not collect:
            return self.scrub(value)
        if isinstance(value, int) and not isinstance(value, bool) and not collect and str(value) in self._known:
            return self._known[str(value)]
        return value

    def _replace(self, value: Any, name: str) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, dict):
            items: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
            # What is declared sensitive as a whole may keep its values in its keys.
            return {str(self._replace(key, name)): self._replace(child, name) for key, child in items.items()}
        if isinstance(value, list | tuple):
            parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
            return [self._replace(child, name) for child in parts]
        raw = str(value)
        if raw in self._known.values():
            return raw
        token = self._token(raw, name.upper())
        if len(raw) >= SHORTEST_LEARNED:
            self._known[raw] = token
        return token
