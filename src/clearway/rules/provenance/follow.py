"""`Provenance`: notes what a run has read, and labels the arguments of its calls."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from clearway.model.label import Label, Trust
from clearway.rules.provenance.atoms import KIND, Cut, addresses, cut
from clearway.rules.provenance.fields import FieldTrust, trust_at
from clearway.rules.provenance.judge import Judge, Source, combined
from clearway.rules.provenance.numerals import of_number
from clearway.rules.provenance.seen import Mentions, Records, whole
from clearway.rules.provenance.trees import Leaf, leaves

#: Gives the types of personal data in a text, for instance `{"EMAIL", "CARD"}`.
Privacy = Callable[[str], Iterable[str]]

#: Fewer atoms tell nobody what to do: such a field is a value, and mentions no other.
SHORTEST_TEXT = 3
#: Characters of one text that are read; what follows is dropped, as unknown or (if untrusted) as everything.
LONGEST_TEXT = 2_000_000
MOST_SOURCES = 50_000
#: Of how many arguments it is worked out what flows to which.
_MOST_FLOWS = 16
#: Sources whose words are the caller's or the project's own, wherever in a text they stand.
_SAID = frozenset({"request", "input", "user", "run", "skill", "default", "edited"})
#: The argument under which addresses in texts are endorsed; none can be called so.
_MENTIONED = "#"
_ADDRESS = re.compile(r"[^<>]{0,200}<([^<>\s]{3,320})>")


class Provenance:
    """One a run. Noting the same things in the same order again, as on replay, gives the same labels. Not thread-safe.

    `exposed`: something untrusted has been noted, so a model that has read it may be acting on its behalf.
    """

    def __init__(self) -> None:
        self.exposed = False
        self._sources: list[Source] = []
        self._said = Mentions()
        self._records = Records()
        self._untrusted = Mentions()
        self._strays = Records()
        self._endorsed: dict[tuple[str, str], str] = {}
        self._privacy: list[Privacy] = []

    def note(
        self, value: Any, source: str, trust: FieldTrust, *, tenant: str = "", privacy: Privacy | None = None
    ) -> None:
        """Takes in a text or a JSON tree. `source`: `request` and `input` (or `input:account`) for what the caller
        said, `skill` for what its author wrote, a step and its tool (`s3:read_email`) for a result. `trust`: one for
        all, or by field (`fields.trust_at`). `tenant`: whose data it is, where it is not the run's own. `privacy`:
        asked about arguments later.
        """
        if privacy is not None and privacy not in self._privacy:
            self._privacy.append(privacy)
        said = source.partition(":")[0] in _SAID
        known: dict[tuple[str, ...], Trust] = {}
        for leaf in leaves(value):
            number = self._number(Source(source, tenant, leaf.item))
            declared = known.get(leaf.path) or known.setdefault(leaf.path, trust_at(trust, leaf.path))
            if declared is Trust.TRUSTED:
                if said:
                    self._said.add(_cut_of(leaf), number, days_are_numbers=False)
                else:
                    self._records.add(_cut_of(leaf), number)
            else:
                self._distrust(leaf, number)
            if declared is Trust.ENDORSED:
                self.endorse(leaf.value, source)

    def endorse(self, value: Any, by: str, *, argument: str = "") -> None:
        """A person (`user:dana`) vouches for this value, or for each leaf of a tree: as the argument of that name of
        any tool (and where a text mentions it, if it is an address), or as any argument."""
        for leaf in leaves(value):
            key = whole(_cut_of(leaf))
            if key:
                self._endorsed.setdefault((argument, key), f"endorsed:{by}")
                self._endorsed.setdefault((_MENTIONED, key), f"endorsed:{by}")

    def label(self, arguments: Mapping[str, Any]) -> dict[str, Label]:
        """A label by path. Of several values it is that of the least trusted, with all their sources and types.

        `recipient` and, of lists and objects, `items` for the whole and `items[].id` for the leaves;
        `body#addresses` for the URLs and e-mail addresses in a text, where it has any;
        `body>recipient`, untrusted, where `body` quotes something that does not come from where `recipient`, which is
        untrusted, comes from: data on its way out.
        """
        judge = Judge(self._sources, self._said, self._records, self._untrusted, self._strays, self._endorsed)
        found: dict[str, Label] = {}
        cuts = {name: [(leaf, _cut_of(leaf)) for leaf in leaves(value)] for name, value in arguments.items()}
        for name, parts in cuts.items():
            found[name] = Label(Trust.TRUSTED)
            for leaf, one in parts:
                label = self._with_privacy(judge.label(one, name), leaf)
                path = leaf.shown(name)
                _add(found, (path, name), label)
                for address in addresses(one):
                    _add(found, (f"{path}#addresses", f"{name}#addresses"), judge.label(Cut([address]), _MENTIONED))
        found.update(_flows(judge, found, {name: [one for _, one in parts] for name, parts in cuts.items()}))
        return found

    def _distrust(self, leaf: Leaf, number: int) -> None:
        if isinstance(leaf.value, str):
            self.exposed = self.exposed or bool(leaf.value.strip())
            self._untrusted.overflowed = self._untrusted.overflowed or len(leaf.value) > LONGEST_TEXT
        one = _cut_of(leaf)
        if len(one.atoms) < SHORTEST_TEXT:
            self._strays.add(one, number)
        else:
            self._untrusted.add(one, number)

    def _number(self, source: Source) -> int:
        if source not in self._sources[-1:] and len(self._sources) < MOST_SOURCES:
            self._sources.append(source)
        return len(self._sources) - 1

    def _with_privacy(self, label: Label, leaf: Leaf) -> Label:
        if not self._privacy or not isinstance(leaf.value, str):
            return label
        types = frozenset(kind for ask in self._privacy for kind in ask(leaf.value[:LONGEST_TEXT]))
        return Label(label.trust, label.sources, label.tenants, types)


def untrusted_paths(labels: Mapping[str, Label]) -> frozenset[str]:
    """The paths whose value is untrusted."""
    return frozenset(path for path, label in labels.items() if label.trust is Trust.UNTRUSTED)


def _add(found: dict[str, Label], paths: tuple[str, str], label: Label) -> None:
    for path in dict.fromkeys(paths):
        found[path] = combined(found[path], label) if path in found else label


def _flows(judge: Judge, labels: Mapping[str, Label], cuts: Mapping[str, list[Cut]]) -> dict[str, Label]:
    """`body>recipient` for each pair of arguments where that is so."""
    names = list(cuts)[:_MOST_FLOWS]
    open_to = [name for name in names if labels[name].trust is Trust.UNTRUSTED]
    quoted = (
        {name: [sources for one in cuts[name] for sources in judge.quoted(one)] for name in names} if open_to else {}
    )
    found: dict[str, Label] = {}
    for receiver in open_to:
        origins = frozenset(number for one in cuts[receiver] for number in judge.origins(one))
        for name in names:
            if name != receiver and any(not sources & origins for sources in quoted[name]):
                found[f"{name}>{receiver}"] = labels[receiver]
    return found


def _cut_of(leaf: Leaf) -> Cut:
    """The atoms of a leaf; of `Name <address>` those of the address."""
    value = leaf.value
    if isinstance(value, bool):
        return Cut([f"b{KIND}{value}"])
    if isinstance(value, int | float):
        return Cut([f"n{KIND}{of_number(value)}"])
    text = value[:LONGEST_TEXT]
    address = _ADDRESS.fullmatch(text.strip())
    return cut(address[1] if address else text)
