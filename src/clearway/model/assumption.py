"""What is assumed of an action that nobody proposes, to ask policy about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clearway.model.history import History


@dataclass(frozen=True, slots=True)
class Assumption:
    """`untrusted`, `endorsed`: paths of arguments; the others are the caller's own words. `sources`: path → where from
    (`read_email`, `request`). `history`: what happened before; nothing unless said."""

    untrusted: frozenset[str] = frozenset()
    endorsed: frozenset[str] = frozenset()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    history: History = field(default_factory=History)
