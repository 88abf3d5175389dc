"""From where a value was seen to its label.

1. What the caller said wins: it is trusted wherever else it stands.
2. What a person has endorsed is endorsed.
3. The value of a trusted record's field is trusted, unless untrusted content elsewhere mentions it: then nobody knows
   who chose it. What the record itself holds beside it does not count as elsewhere.
4. Anything else is untrusted, also what was seen nowhere.

A value of several parts is as trusted as the least trusted part.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from clearway.model.label import Label, Trust
from clearway.rules.provenance.atoms import KIND, Cut, is_short_number, is_specific
from clearway.rules.provenance.seen import Mentions, Records, whole

RANK = {Trust.UNTRUSTED: 0, Trust.ENDORSED: 1, Trust.TRUSTED: 2}
#: Sources that one label names.
MOST_NAMED = 8
#: So many words in a row, as they stand in a source, are its words.
_QUOTE = 5
#: Words between the parts of a value; by themselves they are ordinary words.
_GLUE = frozenset(("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "re", "the", "to", "with"))
#: What says of an argument's name that it is an id, and not of what.
_ID = ("id", "ids", "no", "number", "")
#: Days and times of day are in every text.
_WHEN = ("d" + KIND, "t" + KIND)


class Source(NamedTuple):
    """`item`: its place in a list of results, each of which is a source of its own; None for the whole."""

    name: str
    tenant: str
    item: int | None = None


class Judge:
    """Labels values by what was seen: `untrusted` holds texts, `strays` the fields that are too short to be any.

    `endorsed`: argument (or `""`) and a value as a whole → who vouched for it.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        said: Mentions,
        records: Records,
        untrusted: Mentions,
        strays: Records,
        endorsed: Mapping[tuple[str, str], str],
    ) -> None:
        self._sources = sources
        self._said, self._records, self._untrusted, self._strays = said, records, untrusted, strays
        self._endorsed = endorsed

    def label(self, cut: Cut, argument: str = "") -> Label:
        if not cut.atoms:
            return Label(Trust.UNTRUSTED)
        said = self._said.covered(cut, by_single_words=True)
        if all(said):
            return self._labelled(Trust.TRUSTED, said)
        key = whole(cut)
        by = self._endorsed.get((argument, key)) or self._endorsed.get(("", key))
        if by is not None:
            return Label(Trust.ENDORSED, (by,))
        lone = len(cut.atoms) == 1
        records = self._records.covered(cut)
        mentions = self._untrusted.covered(cut, by_single_words=lone)
        strays = self._strays.covered(cut)
        trust, sources = Trust.TRUSTED, list[tuple[int, ...]]()
        for atom, ours, record, mention, stray in zip(cut.atoms, said, records, mentions, strays, strict=True):
            if ours:
                sources.append(ours)
            elif lone or atom not in _GLUE:
                own = self._of_kind(argument, record) if is_short_number(atom) else record
                elsewhere = set(mention) - set(own)
                if not record or elsewhere or self._untrusted.overflowed:
                    trust = Trust.UNTRUSTED
                sources += [record, mention, stray]
        return self._labelled(trust, sources)

    def origins(self, cut: Cut) -> frozenset[int]:
        """The numbers of the sources that name this value, but for what the caller said."""
        seen = [*self._records.covered(cut), *self._strays.covered(cut)]
        seen += self._untrusted.covered(cut, by_single_words=len(cut.atoms) == 1)
        return frozenset(number for sources in seen for number in sources)

    def quoted(self, cut: Cut) -> list[frozenset[int]]:
        """For each thing that a value has from what the run has read, and not from the caller, its possible sources:
        its addresses, identifiers and larger numbers, stretches of its words, and the whole of it if it is short."""
        said = self._said.covered(cut, by_single_words=True)
        records = self._records.covered(cut)
        mentions = self._untrusted.covered(cut, by_single_words=False)
        strays = self._strays.covered(cut)
        short = len(cut.atoms) < _QUOTE
        found = [
            frozenset((*record, *mention, *stray))
            for atom, ours, record, mention, stray in zip(cut.atoms, said, records, mentions, strays, strict=True)
            if not ours and (short or (is_specific(atom) and not atom.startswith(_WHEN)))
        ]
        found += [frozenset(sources) for sources in self._untrusted.runs(cut, _QUOTE)]
        return [sources for sources in found if sources]

    def _of_kind(self, argument: str, records: Iterable[int]) -> list[int]:
        """Those of the sources whose tool speaks of what the argument is the id of, where it says so: event 13 is not
        file 13, so the text beside event 13 may well mean another thing."""
        nouns = [word for word in argument.split("_") if word not in _ID]
        return [number for number in records if not nouns or any(n in self._sources[number].name for n in nouns)]

    def _labelled(self, trust: Trust, seen: Iterable[tuple[int, ...]]) -> Label:
        sources = [self._sources[number] for number in dict.fromkeys(n for numbers in seen for n in numbers)]
        names = tuple(dict.fromkeys(source.name for source in sources))
        return Label(trust, names[:MOST_NAMED], frozenset(source.tenant for source in sources if source.tenant))


def combined(one: Label, other: Label) -> Label:
    """The label of two values together."""
    return Label(
        min(one.trust, other.trust, key=RANK.__getitem__),
        tuple(dict.fromkeys((*one.sources, *other.sources)))[:MOST_NAMED],
        one.tenants | other.tenants,
        one.privacy | other.privacy,
    )
