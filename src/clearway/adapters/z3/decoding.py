"""From a model back to the request that it stands for, as the action that Clearway would decide."""

from collections.abc import Sequence
from typing import Any

from clearway.adapters.z3.facts import with_facts
from clearway.adapters.z3.imprecise import put
from clearway.adapters.z3.request import Party, SymbolicRequest
from clearway.adapters.z3.sets import Sets
from clearway.adapters.z3.types import SetOf
from clearway.adapters.z3.values import Address, Atom, Entity, Members, Name, Record, Value
from clearway.adapters.z3.variables import number_of, python_of
from clearway.model.action import Action
from clearway.model.identity import Principal, Scope
from clearway.model.tool import Impact, Target, ToolSpec

_STRANGERS = {"User": "somebody", "Agent": "some-skill", "Service": "some-service", "Tenant": "some-tenant"}


class Decoder:
    """`people`: a request by one of them is shown with all that they have, what no policy asks about included."""

    def __init__(self, request: SymbolicRequest, sets: Sets, model: Any, people: Sequence[Principal] = ()) -> None:
        self._request, self._sets, self._model, self._people = request, sets, model, people

    def action(self, spec: ToolSpec) -> tuple[Action, dict[str, Any]]:
        """The action, and the whole context that policy is to see: with what an action does not hold by itself."""
        request = self._request
        context = {
            name: self._value(value) for name, (there, value) in request.context.fields.items() if self._is(there)
        }
        for one in request.imprecise:
            if self._is(one.holds):
                put(context["arguments"], one)
        scope = Scope(self._name("Tenant", request.tenant), context["environment"])
        ((_, _, target),) = request.target.options
        kind, id_ = (self._text(part) for part in target.parts)
        owner = self._name("Tenant", request.target_tenant)
        targets = (Target(kind, id_, "" if owner == scope.tenant else owner),)
        action = Action(
            scope=scope,
            run_id="policy-diff",
            step_id="s1",
            agent=self._principal("agent", scope),
            user=self._principal("user", scope),
            tool=spec.name,
            tool_digest=spec.digest,
            impact=Impact(context["impact"]),
            arguments=context["arguments"],
            shown=context["arguments"],
            targets=targets,
            shown_targets=targets,
            key="",
            fingerprint="",
            digest="",
            reason="as asked" if context.get("reason_given") else "",
            irreversible=spec.irreversible,
        )
        return with_facts(action, context, spec), context

    def _principal(self, party: Party, scope: Scope) -> Principal:
        actor = self._request.actors[party]
        type_, name = next((type_, name) for guard, type_, name in actor.entity.options if self._is(guard))
        held = {
            parent: frozenset(
                id_ for id_, number in self._request.variables.named(parent).items() if self._is(predicate(number))
            )
            for parent, predicate in actor.memberships.items()
        }
        id_ = self._name(type_, name)
        for person in self._people:
            if (person.kind, person.id, person.scope) == (type_.lower(), id_, scope) and held == {
                parent: has & self._request.variables.named(parent).keys()
                for parent, has in (("Role", person.roles), ("Group", person.groups))
            }:
                return person
        kinds = {"Agent": "agent", "User": "user", "Service": "service"}
        return Principal(kinds[type_], id_, scope, held["Role"], held["Group"])  # pyright: ignore[reportArgumentType]

    def _name(self, type_: str, name: Name) -> str:
        number = python_of(self._model, name.parts[0])
        known = self._request.variables.named(type_)
        for id_, own in known.items():
            if own == number:
                return id_
        stranger = _STRANGERS.get(type_, type_.lower())
        taken = sum(id_.startswith(stranger) for id_ in known)
        place = number - len(known) + taken
        return f"{stranger}-{place}" if place else stranger

    def _text(self, term: Any) -> str:
        return self._request.variables.texts.text(python_of(self._model, term))

    def _is(self, term: Any) -> bool:
        return bool(python_of(self._model, term))

    def _value(self, value: Value) -> Any:
        match value:
            case Atom("Boolean", term):
                return self._is(term)
            case Atom("String", term):
                return self._text(term)
            case Atom(kind, term):
                return number_of(kind, python_of(self._model, term))
            case Record(fields):
                return {name: self._value(inner) for name, (there, inner) in fields.items() if self._is(there)}
            case Members():
                return self._members(value)
            case Entity(options):
                type_, name = next((type_, name) for guard, type_, name in options if self._is(guard))
                return {"__entity": {"type": type_, "id": self._name(type_, name)}}
            case Address(of):
                return str(of)

    def _members(self, members: Members) -> list[Any]:
        found: list[Any] = []
        for guard, variable in members.variables:
            if isinstance(variable.item, SetOf):
                if self._is(guard) and not self._is(self._sets.is_empty_of_sets(variable)):
                    found.append([])
                continue
            for value, holds in self._sets.elements(variable) if self._is(guard) else ():
                decoded = self._value(value) if self._is(holds) else None
                if decoded is not None and decoded not in found:
                    found.append(decoded)
        return found
