"""A request as terms: whoever acts, for whomever, on one target, with any context that the schema knows.

One target is enough. A decision over several denies where one of them would be denied alone, and unites what the
others ask for: what NEW allows and OLD does not, it allows on the one target at which OLD denied, held or asked more.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from clearway.adapters.z3.imprecise import Imprecise, imprecise_of
from clearway.adapters.z3.solving import Term, any_of, both, either, equal, negated, z3
from clearway.adapters.z3.texts import one_of
from clearway.adapters.z3.types import RecordOf
from clearway.adapters.z3.values import Atom, Entity, Name, Record, Unsupported, Value
from clearway.adapters.z3.variables import Variables
from clearway.model.tool import Impact
from clearway.rules.changes.patterns import WITH_COLON

Party = Literal["agent", "user"]
PARTIES: tuple[Party, ...] = ("agent", "user")
_GROUPED = {"Role": "roles", "Group": "groups"}


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """`memberships`: type of the parent → predicate on its number."""

    entity: Entity
    memberships: dict[str, Callable[[Term], Term]]


@dataclass(frozen=True, slots=True, eq=False)
class SymbolicRequest:
    """Both parties are of the tenant of the action, as every decision checks first."""

    variables: Variables
    actors: dict[Party, Actor]
    tenant: Name
    target: Entity
    target_tenant: Name
    context: Record
    action_names: frozenset[str]
    tool: str
    imprecise: tuple[Imprecise, ...] = ()

    def principal_in(self, option: tuple[Term, str, Name], parent: tuple[Term, str, Name]) -> Term:
        """Whether one entity is the other or in it. Of all entities only the two parties have parents."""
        guard, type_, name = option
        other_guard, other_type, other = parent
        if type_ == "Action":
            return False
        same = name.equals(other) if type_ == other_type else False
        above = [
            both(is_party, self._has_parent(actor, other_type, other))
            for actor in self.actors.values()
            for is_party in (self._is(actor, type_, name),)
        ]
        return both(guard, other_guard, either(same, *above))

    def _is(self, actor: Actor, type_: str, name: Name) -> Term:
        return any_of(both(g, name.equals(own)) for g, own_type, own in actor.entity.options if own_type == type_)

    def _has_parent(self, actor: Actor, type_: str, name: Name) -> Term:
        if type_ == "Tenant":
            return name.equals(self.tenant)
        return actor.memberships[type_](name.parts[0]) if type_ in actor.memberships else False

    def attribute(self, entity: Entity, name: str) -> tuple[Value, Term]:
        """The value of an entity's attribute, and whether there is none."""
        if entity is self.target and name in ("kind", "id", "tenant"):
            ((_, _, own),) = self.target.options
            kind, id_ = own.parts
            tenant = Entity(((True, "Tenant", self.target_tenant),))
            return {"kind": Atom("String", kind), "id": Atom("String", id_), "tenant": tenant}[name], False
        acting = {type_ for actor in self.actors.values() for _, type_, _ in actor.entity.options}
        if name == "tenant" and all(type_ in acting for _, type_, _ in entity.options):
            known = [
                both(guard, either(*(self._is(actor, type_, own) for actor in self.actors.values())))
                for guard, type_, own in entity.options
            ]
            missing = False if any(entity is a.entity for a in self.actors.values()) else negated(any_of(known))
            return Entity(((True, "Tenant", self.tenant),)), missing
        raise Unsupported(f"the attribute {name} of an entity")

    def impact_is(self, impact: Impact) -> Term:
        return equal(self._context_text("impact"), self.variables.texts.index(impact.value))

    def _context_text(self, name: str) -> Term:
        value = self.context.fields[name][1]
        return value.term if isinstance(value, Atom) else None


def symbolic_request(
    variables: Variables, context: RecordOf, tool: str, action_names: Collection[str], environments: Collection[str]
) -> SymbolicRequest:
    solver, texts = z3(), variables.texts
    tenant, target_tenant = Name((variables.identity("tenant"),)), Name((variables.identity("target tenant"),))
    # No tenant is called "": a target with it belongs to the run's own.
    unnamed = variables.number("Tenant", "")
    variables.limits += [tenant.parts[0] != unnamed, target_tenant.parts[0] != unnamed]
    kind, id_ = variables.text("target kind"), variables.text("target id")
    # INVARIANT: as `cedar.entities`, a kind holds no colon, so that kind and id are what the uid says.
    variables.limits.append(negated(texts.like(kind, WITH_COLON)))
    agent, user = Name((variables.identity("agent"),)), Name((variables.identity("user"),))
    service, is_service = Name((variables.identity("service"),)), solver.Bool("user is a service")
    actors: dict[Party, Actor] = {
        "agent": Actor(Entity(((True, "Agent", agent),)), _memberships("agent")),
        "user": Actor(
            Entity(((negated(is_service), "User", user), (is_service, "Service", service))), _memberships("user")
        ),
    }
    given = variables.fresh(context, "context")
    if not isinstance(given, Record):
        raise Unsupported("a context that is no record")
    imprecise, limits = imprecise_of(given.fields["arguments"][1], context.fields["arguments"].type)
    variables.limits += limits
    made = SymbolicRequest(
        variables,
        actors,
        tenant,
        Entity(((True, "Target", Name((kind, id_))),)),
        target_tenant,
        given,
        frozenset(action_names),
        tool,
        tuple(imprecise),
    )
    environment = given.fields["environment"][1]
    if isinstance(environment, Atom):
        variables.limits.append(one_of(environment.term, sorted(texts.index(name) for name in environments)))
    variables.limits.append(either(*(made.impact_is(impact) for impact in Impact)))
    return made


def _memberships(party: str) -> dict[str, Callable[[Term], Term]]:
    return {type_: _predicate(f"{party} {name}") for type_, name in _GROUPED.items()}


def _predicate(name: str) -> Callable[[Term], Term]:
    solver = z3()
    predicate = solver.Function(name, solver.IntSort(), solver.BoolSort())
    known: dict[int, Term] = {}

    def applied(number: Term) -> Term:
        if not isinstance(number, int):
            return predicate(number)
        if number not in known:
            known[number] = predicate(number)
        return known[number]

    return applied
