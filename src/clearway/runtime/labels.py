"""Where the arguments of a run's calls came from: notes what the run is given, and labels what it proposes.

What is noted: the request's text and input (the caller's own words, unless the skill says otherwise), who it acts for,
and each result as it is received, fresh and on replay alike. Whatever else stands in an argument, also a constant of
the skill's code that it did not name with `run.constant`, has no known source and is untrusted.
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from clearway.model.action import Action
from clearway.model.label import Label, Trust
from clearway.model.ledger import Entry
from clearway.model.tool import ToolSpec
from clearway.rules.canonical import canonical
from clearway.rules.provenance import FieldTrust
from clearway.rules.redact import tokens_in
from clearway.rules.turn import is_call
from clearway.runtime.carry import Carry

#: Source of what the caller did not say and the tool's declaration did.
DEFAULT = "default"
#: Source of what somebody put in place of the proposed arguments.
EDITED = "edited"
CONSTANT = "input:constant"
MOST_PATHS = 100

_RANK = {Trust.UNTRUSTED: 0, Trust.ENDORSED: 1, Trust.TRUSTED: 2}
_OTHER_TENANT = re.compile(r" of tenant (\S+)\Z")
_TYPE = re.compile(r"<([A-Z][A-Z0-9_]*):")


def begin(at: Carry, text: str, given: Mapping[str, Any]) -> None:
    """Notes what the run was given. Before anything else, in each pass."""
    _note(at, text, "request", at.skill.request)
    _note(at, dict(given), "input", at.skill.request)
    _note(at, at.user.id, "input:user", Trust.TRUSTED)
    _note(at, at.run.run_id, "input:run", Trust.TRUSTED)


def received(at: Carry, entry: Entry, spec: ToolSpec, result: Any) -> None:
    """Notes a step's result, once a pass.

    What a model proposes can hold only what it was told before. So that an action which waits has the same labels
    whenever it is looked at again, the result of a model's call counts from where the model is told of it."""
    if entry.step_id in at.noted:
        return
    at.noted.add(entry.step_id)
    tenants = sorted({found[1] for target in entry.targets if (found := _OTHER_TENANT.search(target))})
    _note(at, result, f"{entry.step_id}:{entry.tool}", spec.result_trust, ", ".join(tenants))
    if is_call(entry.step_id) and not at.closing:
        at.untold[entry.step_id] = at.unread.pop()


def told(at: Carry, *step_ids: str) -> None:
    """A model is told of these steps now."""
    at.unread += [at.untold.pop(step_id) for step_id in step_ids if step_id in at.untold]


def edited(at: Carry, arguments: Mapping[str, Any], by: str) -> None:
    """Notes what somebody put in place of the proposed arguments. INVARIANT: an edit does not endorse itself: whoever
    edits becomes the one who asks, and somebody else has to vouch."""
    _note(at, dict(arguments), f"{EDITED}:{by}", Trust.UNTRUSTED)


def constant(at: Carry, value: Any, source: str = CONSTANT) -> None:
    """Notes a value that the skill's code says is its own."""
    _note(at, value, source, Trust.TRUSTED)


def label(
    at: Carry, spec: ToolSpec, proposed: Mapping[str, Any], arguments: Mapping[str, Any], shown: Mapping[str, Any]
) -> dict[str, Label]:
    """A label for each argument, and for the paths below it. `proposed`: what was said; the rest are defaults."""
    for value, source, trust, tenant in at.unread:
        at.provenance.note(value, source, trust, tenant=tenant)
    at.unread.clear()
    found = at.provenance.label(cast("dict[str, Any]", _restored(at, dict(arguments))))
    labels = {path: replace(one, sources=tuple(sorted(one.sources))) for path, one in found.items()}
    for name, value in arguments.items():
        if name not in proposed or _is_default(spec, name, value):
            labels = {path: one for path, one in labels.items() if not is_below(path, name)}
            labels[name] = Label(Trust.TRUSTED, (DEFAULT,))
        types = frozenset(kind[1] for token in tokens_in(shown.get(name)) if (kind := _TYPE.match(token)))
        if types:
            labels[name] = replace(labels[name], privacy=labels[name].privacy | types)
    return labels


def stricter(labels: Mapping[str, Label], recorded: Mapping[str, Any] | None) -> dict[str, Label]:
    """INVARIANT: what was recorded as untrusted stays so: branches that run side by side may be carried on in another
    order, and recovery never makes a laxer decision."""
    return {
        path: replace(one, trust=min(one.trust, Trust(said["trust"]), key=_RANK.__getitem__))
        if (said := (recorded or {}).get(path)) is not None
        else one
        for path, one in labels.items()
    }


def without_endorsements(labels: Mapping[str, Label]) -> dict[str, Label]:
    """The labels as they are without anybody's word for the values."""
    return {
        path: replace(
            one,
            trust=Trust.UNTRUSTED if one.trust is Trust.ENDORSED else one.trust,
            sources=tuple(source for source in one.sources if not source.startswith("endorsed:")),
        )
        for path, one in labels.items()
    }


def is_below(path: str, name: str) -> bool:
    """Whether the path is that of the argument, or leads into it, or (`body>payee`) from or to it."""
    return any(part == name or part.startswith((f"{name}.", f"{name}[", f"{name}#")) for part in path.split(">"))


def as_json(labels: Mapping[str, Label]) -> dict[str, Any]:
    """Sources are names of steps and tools: nothing in it is a value."""
    return {path: _shown(one) for path, one in sorted(labels.items())[:MOST_PATHS]}


def origins(action: Action) -> dict[str, Any]:
    """What approvers see: where each argument came from, by itself. Endorsements are not part of it, since one that is
    given while it waits must not void the approval."""
    labels = without_endorsements(action.labels)
    return {
        name: _shown(labels[name]) | ({"consequential": True} if name in action.consequential else {})
        for name in sorted(action.arguments)
        if name in labels
    }


def _note(at: Carry, value: Any, source: str, trust: FieldTrust, tenant: str = "") -> None:
    """Read only when something has to be labelled: a run that only reads has nothing to label, and reading takes longer
    than the rest of a read. A copy, since the skill may change what it was given."""
    at.unread.append((copy.deepcopy(value), source, trust, tenant))


def _shown(one: Label) -> dict[str, Any]:
    shown: dict[str, Any] = {"trust": one.trust.value, "sources": list(one.sources)}
    if one.tenants:
        shown["tenants"] = sorted(one.tenants)
    if one.privacy:
        shown["privacy"] = sorted(one.privacy)
    return shown


def _is_default(spec: ToolSpec, name: str, value: Any) -> bool:
    """Whether it says what would hold anyway."""
    declared: Any = spec.schema.get("properties", {}).get(name, {})
    return value is None or ("default" in declared and canonical(declared["default"]) == canonical(value))


def _restored(at: Carry, value: Any) -> Any:
    """Tokens as the values that they stand for in this run: a model that knows them only quotes what it was shown."""
    if isinstance(value, str):
        return at.masker.opened(value)
    if isinstance(value, dict):
        return {name: _restored(at, inner) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_restored(at, inner) for inner in cast("list[Any]", value)]
    return value
