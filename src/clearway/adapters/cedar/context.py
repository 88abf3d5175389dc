"""What policies see beside the arguments: where they came from, and what happened before.

| attribute | type |
|---|---|
| `untrusted`, `endorsed` | Set of the arguments (and paths below them, `items[].id`) that have this trust |
| `untrusted_consequential` | Set: those of `untrusted` that the tool declares as consequential |
| `sources` | Set of `argument:source`, as `payee:read_email`, `payee:request` |
| `private` | Set of the types of personal data in the arguments, as `CARD` |
| `other_tenants` | Set of the other tenants whose data the arguments hold |
| `done`, `done_on_target`, `begun` | Set of tools that this run has used before |
| `count.PERIOD`, `sum.ARGUMENT.PERIOD` | Long: earlier uses of the action's own tool |

INVARIANT: an argument without a label is untrusted; a counter that was not looked up is absent, so that a policy that
reads it errs and the action is denied.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clearway.adapters.cedar.argument_types import CedarType, RecordOf, Scalar, SetOf
from clearway.adapters.cedar.expressions import Est, paths_of_context
from clearway.model.action import Action
from clearway.model.history import History
from clearway.model.label import Trust
from clearway.rules.sequences import PERIODS, SETS

#: Sets of texts. The first four hold arguments, the next two values of labels; the tools of `SETS` follow.
ARGUMENT_SETS = ("untrusted", "untrusted_consequential", "endorsed", "sources")
LABELS = frozenset((*ARGUMENT_SETS, "private", "other_tenants"))
_STRINGS: dict[str, Any] = {"type": "Set", "element": {"type": "String"}}
_COUNTERS: dict[str, Any] = {"type": "Record", "attributes": {period: {"type": "Long"} for period in PERIODS}}
#: What else an argument may come from than a tool of the project.
OTHER_SOURCES = frozenset({"request", "input", "user", "run", "default", "edited"})


def attributes(arguments: RecordOf) -> dict[str, Any]:
    """Their part of the Cedar schema of a tool's context."""
    sums = {name: _COUNTERS for name in summed(arguments)}
    names = (*ARGUMENT_SETS, "private", "other_tenants", *SETS)
    return {
        **dict.fromkeys(names, _STRINGS),
        "count": _COUNTERS,
        "sum": {"type": "Record", "attributes": sums},
    }


def summed(arguments: RecordOf) -> list[str]:
    """The arguments that have sums: the whole numbers."""
    return [name for name, field in arguments.fields.items() if field.type == Scalar("Long")]


def values(action: Action, read: frozenset[str] | None, arguments: RecordOf) -> dict[str, Any]:
    """The attributes that are in `read` (None: all)."""
    found: dict[str, Any] = {}
    if read is None or LABELS & read:
        found |= _labels(action)
    if read is None or read & {*SETS, "count", "sum"}:
        found |= _history(action.history, summed(arguments))
    return found if read is None else {name: value for name, value in found.items() if name in read}


def history_read(policies: Iterable[Est]) -> frozenset[str]:
    """What of the history these policies read, by the names of `History.known`; `sum.ARGUMENT` and `count` stand for
    all that is below them, `*` for everything."""
    found: set[str] = set()
    for path in paths_of_context(policies):
        if not path:
            return frozenset({"*"})
        if path[0] in SETS:
            found.add(path[0])
        elif path[0] in ("count", "sum"):
            found.add(".".join(path[:3]))
    return frozenset(found)


def labels_read(policies: Iterable[Est]) -> bool:
    """Whether these policies read any label."""
    return any(not path or path[0] in LABELS for path in paths_of_context(policies))


def paths_of(arguments: RecordOf) -> Iterator[str]:
    """The paths that labels can have, as far as the tool's types tell: `payee`, `items`, `items[].id`."""
    for name, field in arguments.fields.items():
        yield from _below(name, field.type)
    yield from arguments.hidden


def _below(path: str, of: CedarType) -> Iterator[str]:
    yield path
    match of:
        case SetOf(item):
            yield from _below(f"{path}[]", item)
        case RecordOf(fields):
            for name, field in fields.items():
                yield from _below(f"{path}.{name}", field.type)
        case _:
            pass


def _labels(action: Action) -> dict[str, Any]:
    labels = action.labels
    unlabelled = {name for name, value in action.arguments.items() if name not in labels and value is not None}
    untrusted = {path for path, label in labels.items() if label.trust is Trust.UNTRUSTED} | unlabelled
    sources = {
        f"{path}:{source.partition(':')[2] or source if _is_step(source) else source.partition(':')[0]}"
        for path, label in labels.items()
        for source in label.sources
    }
    return {
        "untrusted": sorted(untrusted),
        "untrusted_consequential": sorted(untrusted & action.consequential),
        "endorsed": sorted(path for path, label in labels.items() if label.trust is Trust.ENDORSED),
        "sources": sorted(sources),
        "private": sorted({kind for label in labels.values() for kind in label.privacy}),
        "other_tenants": sorted({tenant for label in labels.values() for tenant in label.tenants}),
    }


def _is_step(source: str) -> bool:
    """`s3:read_email`, `a2.1:search`: what comes from a step is named by its tool; `input:account` by `input`."""
    return source.partition(":")[0] not in {*OTHER_SOURCES, "endorsed"}


def _history(history: History, sums: list[str]) -> dict[str, Any]:
    sets = {"done": history.done, "done_on_target": history.done_on_target, "begun": history.begun}
    known = history.known
    found: dict[str, Any] = {name: sorted(tools) for name, tools in sets.items() if known is None or name in known}
    found["count"] = _counters(history.counts, "count", known)
    found["sum"] = {name: _counters(history.sums.get(name, {}), f"sum.{name}", known) for name in sums}
    return found


def _counters(counts: Mapping[str, int], name: str, known: frozenset[str] | None) -> dict[str, int]:
    return {period: counts.get(period, 0) for period in PERIODS if known is None or f"{name}.{period}" in known}
