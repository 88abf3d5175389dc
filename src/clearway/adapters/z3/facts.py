"""What stands beside the arguments in a request: labels and history (`cedar.context`), and the way back to an action.

An attribute of the context that is not known here is translated all the same; a request that depends on it cannot be
made, so it is not confirmed and nothing is claimed of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from clearway.adapters.cedar.argument_types import arguments_type
from clearway.adapters.cedar.context import OTHER_SOURCES, paths_of
from clearway.adapters.z3.request import SymbolicRequest
from clearway.adapters.z3.sets import Sets
from clearway.adapters.z3.solving import Term, all_of, equal, negated
from clearway.adapters.z3.texts import one_of
from clearway.adapters.z3.types import Scalar
from clearway.adapters.z3.values import Atom, Members, Record, Value
from clearway.model.action import Action
from clearway.model.history import History
from clearway.model.label import Label, Trust
from clearway.model.tool import ToolSpec
from clearway.rules.changes.patterns import WITH_COLON

_MOST_TIMES = 10**9
_NOT_STEPS = {*OTHER_SOURCES, "endorsed"}


def limits_of_facts(request: SymbolicRequest, sets: Sets) -> list[Term]:
    """What holds of every action: an argument has one trust, and a source stands behind its argument's name."""
    found: list[Term] = []
    if "untrusted_consequential" in (asked := _asked(request, sets)):
        found.append(sets.includes(_set(request, "untrusted"), asked["untrusted_consequential"]))
    # Asked for anew: the line above asks about `untrusted`.
    if "endorsed" in asked and "untrusted" in (asked := _asked(request, sets)):
        found.append(negated(sets.overlaps(asked["untrusted"], asked["endorsed"])))
    if "sources" in asked:
        texts = request.variables.texts
        found.append(
            sets.every(asked["sources"], lambda v: isinstance(v, Atom) and texts.like(v.term, WITH_COLON)),
        )
    return found


def wished_of_facts(
    request: SymbolicRequest, sets: Sets, spec: ToolSpec, tools: Mapping[str, ToolSpec]
) -> Iterator[tuple[Term, str]]:
    """What holds of the actions of this project, and what is to be said where it does not."""
    asked, indices_of = _asked(request, sets), request.variables.texts.indices
    paths = list(paths_of(arguments_type(spec.schema)))
    known = {
        "untrusted": (paths, "the tool has no such argument"),
        "endorsed": (paths, "the tool has no such argument"),
        "untrusted_consequential": (list(spec.consequential), "the tool does not declare that argument consequential"),
        **dict.fromkeys(
            ("done", "done_on_target", "begun"), (list(tools), "the project has no such tool in its history")
        ),
    }
    for name, (texts, otherwise) in known.items():
        if name in asked:
            indices = sorted(indices_of[text] for text in texts if text in indices_of)
            yield sets.every(asked[name], lambda v, i=indices: _one_of(v, i)), otherwise
    if "untrusted_consequential" in asked:
        whole = Members(
            tuple(
                (True, Atom("String", request.variables.texts.index(text)))
                for text in spec.consequential
                if text in request.variables.texts.indices
            )
        )
        untrusted = _set(request, "untrusted")
        both_ways = [
            equal(sets.contains(asked["untrusted_consequential"], item), sets.contains(untrusted, item))
            for _, item in whole.known
        ]
        yield all_of(both_ways), "the tool does not declare that argument consequential"
    for part, whole_name in (("done", "begun"), ("done_on_target", "done")):
        if part in asked and whole_name in asked:
            yield sets.includes(asked[whole_name], asked[part]), "no run has such a history"
    yield all_of(_counters(request)), "no run has such a history"


def with_facts(action: Action, context: Mapping[str, Any], spec: ToolSpec) -> Action:
    """The action to which policy sees this context."""
    untrusted = frozenset[str](context.get("untrusted", ()))
    trusts = dict.fromkeys([*spec.schema.get("properties", {}), *action.arguments], Trust.TRUSTED)
    trusts |= dict.fromkeys(context.get("endorsed", ()), Trust.ENDORSED) | dict.fromkeys(untrusted, Trust.UNTRUSTED)
    sources: dict[str, list[str]] = {}
    for text in context.get("sources", ()):
        path, _, source = text.partition(":")
        trusts.setdefault(path, Trust.TRUSTED)
        sources.setdefault(path, []).append(source if source in _NOT_STEPS or not source else f"s1:{source}")
    labels = {path: Label(trust, tuple(sources.get(path, ()))) for path, trust in trusts.items()}
    private, tenants = frozenset(context.get("private", ())), frozenset(context.get("other_tenants", ()))
    if private or tenants:
        path, label = next(iter(labels.items()), ("input", Label(Trust.TRUSTED)))
        labels[path] = replace(label, privacy=private, tenants=tenants)
    sets = {name: frozenset(context.get(name, ())) for name in ("done", "done_on_target", "begun")}
    return replace(
        action,
        labels=labels,
        consequential=frozenset(context.get("untrusted_consequential", ())) | (spec.consequential - untrusted),
        history=History(**sets, counts=context.get("count", {}), sums=context.get("sum", {})),
    )


def _set(request: SymbolicRequest, name: str) -> Members:
    value = request.context.fields[name][1]
    return value if isinstance(value, Members) else Members()


def _asked(request: SymbolicRequest, sets: Sets) -> dict[str, Members]:
    """The sets of texts beside the arguments that a policy asks about."""
    return {
        name: value
        for name, (_, value) in request.context.fields.items()
        if isinstance(value, Members)
        and any(variable.item == Scalar("String") and sets.is_asked(variable) for _, variable in value.variables)
    }


def _one_of(value: Value, indices: list[int]) -> Term:
    return one_of(value.term, indices) if isinstance(value, Atom) else False


def _counters(request: SymbolicRequest) -> Iterator[Term]:
    todo = [request.context.fields[name][1] for name in ("count", "sum") if name in request.context.fields]
    while todo:
        value = todo.pop()
        if isinstance(value, Record):
            todo += [inner for _, inner in value.fields.values()]
        elif isinstance(value, Atom):
            yield value.term >= 0
            yield value.term <= _MOST_TIMES
