"""What a counterexample should look like where it can: a call that the project as it stands would make.

Each wish is held where it can be, the first ones first. A difference that shows only against a wish is a difference
all the same; what the request then has that the project has not is said beside it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from clearway.adapters.z3.facts import wished_of_facts
from clearway.adapters.z3.request import Party, SymbolicRequest
from clearway.adapters.z3.sets import Sets
from clearway.adapters.z3.solving import Term, all_of, any_of, both, either, equal, implies, negated
from clearway.adapters.z3.types import INTEGERS
from clearway.adapters.z3.values import Atom, Name, Record, Value
from clearway.model.identity import Principal
from clearway.model.tool import SkillSpec, ToolSpec

_MOST_WANTED = "prod"
_SMALL = 10**9
_EXACT_DECIMALS = 10**15


@dataclass(frozen=True, slots=True)
class KnownWorld:
    """What a project declares. `people`: each in each environment in which it has roles, users before services."""

    tools: Mapping[str, ToolSpec]
    skills: Mapping[str, SkillSpec]
    environments: Sequence[str]
    tenants: Sequence[str] = ()
    people: Sequence[Principal] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """`otherwise`: what is to be said where it does not hold; empty where it does not matter."""

    term: Term
    otherwise: str = ""


def wishes(request: SymbolicRequest, sets: Sets, world: KnownWorld) -> list[Wish]:
    spec = world.tools[request.tool]
    number, agent, user = request.variables.number, request.actors["agent"], request.actors["user"]
    agent_name, user_name, service_name = agent.entity.options[0][2], *(name for _, _, name in user.entity.options)
    listing = [name for name, skill in world.skills.items() if spec.name in skill.tools]
    arguments = request.context.fields["arguments"][1]
    ((_, _, target),) = request.target.options
    kinds = {"user": ("User", user_name), "service": ("Service", service_name)}
    is_service = user.entity.options[1][0]
    declared = any_of(
        all_of(
            [
                equal(is_service, person.kind == "service"),
                equal(kinds[person.kind][1].parts[0], number(kinds[person.kind][0], person.id)),
                equal(request.tenant.parts[0], number("Tenant", person.scope.tenant)),
                equal(_text(request.context, "environment"), request.variables.texts.index(person.scope.environment)),
                _members(request, "user", person.roles, person.groups),
            ]
        )
        for person in world.people
    )
    return [
        Wish(all_of(negated(one.holds) for one in request.imprecise)),
        Wish(_members(request, "agent", (), ()), "the agent has a role or group, which skills do not have"),
        Wish(_one_of(agent_name, "Agent", world.skills, number), "no skill of the project is called so"),
        Wish(_one_of(agent_name, "Agent", listing, number), "the skill does not list the tool"),
        Wish(all_of(_fitting(arguments, spec.schema, request)), "the tool does not take such arguments"),
        Wish(_one_of(request.tenant, "Tenant", world.tenants, number), "the project has no such tenant"),
        Wish(negated(is_service)),
        Wish(declared, "nobody who is declared has these roles"),
        Wish(request.target_tenant.equals(request.tenant)),
        Wish(both(*(part != empty for part in target.parts for empty in _empty(request)))),
        *(Wish(*wished) for wished in wished_of_facts(request, sets, spec, world.tools)),
        Wish(all_of(_small(arguments))),
        Wish(all_of(_exact(arguments))),
        *(Wish(term) for term in _of_no_account(request, arguments, spec)),
        Wish(any_of(_text(request.context, "environment") == index for index in _index(request, _MOST_WANTED))),
    ]


def texts_of(schema: Mapping[str, Any]) -> Iterator[str]:
    """The texts that a tool's schema names as possible values."""
    for part in _properties(schema).values():
        yield from (value for value in _values(part) or () if isinstance(value, str))


def _one_of(name: Name, type_: str, ids: Collection[str], number: Callable[[str, str], int]) -> Term:
    return any_of(equal(name.parts[0], number(type_, id_)) for id_ in ids)


def _members(request: SymbolicRequest, party: Party, roles: Collection[str], groups: Collection[str]) -> Term:
    """That the party has, of the roles and groups that are named anywhere, exactly these."""
    memberships = request.actors[party].memberships
    return all_of(
        equal(memberships[type_](number), name in held)
        for type_, held in (("Role", roles), ("Group", groups))
        for name, number in request.variables.named(type_).items()
    )


def _text(record: Record, name: str) -> Term:
    value = record.fields[name][1]
    return value.term if isinstance(value, Atom) else None


def _index(request: SymbolicRequest, text: str) -> list[int]:
    indices = request.variables.texts.indices
    return [indices[text]] if text in indices else []


def _empty(request: SymbolicRequest) -> list[int]:
    return _index(request, "")


def _of_no_account(request: SymbolicRequest, arguments: Value, spec: ToolSpec) -> Iterator[Term]:
    """That a free text is none that means something elsewhere: the name of a currency as an account would confuse."""
    texts = request.variables.texts
    ((_, _, target),) = request.target.options
    free = list(target.parts)
    if isinstance(arguments, Record):
        for name, (_, value) in arguments.fields.items():
            if isinstance(value, Atom) and value.kind == "String" and _values(_properties(spec.schema)[name]) is None:
                free.append(value.term)
    yield from (term >= texts.literals for term in free)


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", schema.get("properties") or {})


def _values(part: Mapping[str, Any]) -> list[Any] | None:
    return part.get("enum", [part["const"]] if "const" in part else None)


def _fitting(arguments: Value, schema: Mapping[str, Any], request: SymbolicRequest) -> Iterator[Term]:
    """What the JSON schema says besides the types: values, bounds, and defaults, which are always there."""
    if not isinstance(arguments, Record):
        return
    for name, part in _properties(schema).items():
        there, value = arguments.fields.get(name, (False, None))
        if value is None:
            continue
        if part.get("default") is not None:
            yield there
        if isinstance(value, Record):
            yield from (implies(there, term) for term in _fitting(value, part, request))
        if isinstance(value, Atom):
            yield from (implies(there, term) for term in _bounds(value, part, request))


def _bounds(value: Atom, part: Mapping[str, Any], request: SymbolicRequest) -> Iterator[Term]:
    values = _values(part)
    if values is not None and value.kind == "String":
        known = request.variables.texts.indices
        yield either(*(equal(value.term, known[text]) for text in values if text in known))
    elif values is not None and value.kind == "Long":
        yield either(*(equal(value.term, number) for number in values if isinstance(number, int)))
    elif value.kind == "String":
        if "minLength" in part:
            yield all_of(value.term != empty for empty in _empty(request))
    elif value.kind in ("Long", "decimal"):
        scale = 10_000 if value.kind == "decimal" else 1
        comparisons: dict[str, Callable[[Term, Any], Term]] = {
            "minimum": lambda term, bound: term >= bound,
            "maximum": lambda term, bound: term <= bound,
            "exclusiveMinimum": lambda term, bound: term > bound,
            "exclusiveMaximum": lambda term, bound: term < bound,
        }
        for name, compare in comparisons.items():
            if isinstance(part.get(name), int | float):
                yield compare(value.term, int(part[name] * scale))


def _numbers(value: Value) -> Iterator[Atom]:
    if isinstance(value, Record):
        for _, inner in value.fields.values():
            yield from _numbers(inner)
    elif isinstance(value, Atom) and value.kind in INTEGERS:
        yield value


def _small(value: Value) -> Iterator[Term]:
    for atom in _numbers(value):
        yield both(atom.term <= _SMALL, atom.term >= -_SMALL)


def _exact(value: Value) -> Iterator[Term]:
    """That a decimal is a number with as many digits as a float keeps."""
    for atom in _numbers(value):
        if atom.kind == "decimal":
            yield both(atom.term <= _EXACT_DECIMALS, atom.term >= -_EXACT_DECIMALS)
