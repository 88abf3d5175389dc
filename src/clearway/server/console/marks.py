"""What is marked in a text of a page: characters that would not be seen, and tokens that the reader may open.

INVARIANT: only what was made visible before comes in, and all of it leaves escaped but for the marks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from markupsafe import Markup, escape

from clearway.rules.find.found import TOKEN

#: As `rules.present.visible` writes what would not be seen.
_ESCAPED = re.compile(r"\\u\{[0-9A-F]{1,6}\}")
_HIDDEN = Markup('<mark class="hidden-char" title="a character that would not be seen">{}</mark>')
_BUTTON = Markup(
    '<span class="token">{token}<button type="button" class="open-token" data-open-token="{token}"'
    ' data-open-type="{kind}" aria-label="Open the value behind this {kind}" aria-haspopup="dialog">open</button>'
    "</span>"
)


def type_of(token: str) -> str:
    """`<CARD:1…>` → `CARD`."""
    return token[1:].partition(":")[0]


@dataclass(frozen=True)
class Openable:
    """What of a page the reader's roles open. `stand_ins`: text → its type."""

    tokens: frozenset[str] = frozenset()
    stand_ins: Mapping[str, str] = field(default_factory=dict[str, str])

    def __bool__(self) -> bool:
        return bool(self.tokens or self.stand_ins)

    def kind(self, text: str) -> str | None:
        """The type of what may be opened there; None for everything else."""
        return type_of(text) if text in self.tokens else self.stand_ins.get(text)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds hidden characters, tokens and these stand-ins; the longer of two stand-ins."""
        known = sorted(map(re.escape, self.stand_ins), key=len, reverse=True)
        whole = rf"|(?<![0-9A-Za-z])(?:{'|'.join(known)})(?![0-9A-Za-z])" if known else ""
        return re.compile(f"{_ESCAPED.pattern}|{TOKEN.pattern}{whole}")


def marked(text: str, openable: Openable | None = None) -> Markup:
    """`text` escaped, with its marks; with buttons where `openable` says."""
    pattern = openable.pattern if openable else _ESCAPED
    parts: list[Markup] = []
    end = 0
    for match in pattern.finditer(text):
        parts += [escape(text[end : match.start()]), _mark(match[0], openable)]
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def _mark(text: str, openable: Openable | None) -> Markup:
    if _ESCAPED.fullmatch(text):
        return _HIDDEN.format(text)
    kind = openable.kind(text) if openable else None
    return escape(text) if kind is None else _BUTTON.format(token=text, kind=kind)
