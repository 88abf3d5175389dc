"""What the translation says of one given action, to hold it against what Clearway decides: the two have to agree."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.adapters.cedar.schema import impact_group
from clearway.adapters.z3.request import SymbolicRequest, symbolic_request
from clearway.adapters.z3.sets import Sets
from clearway.adapters.z3.solving import Term, equal, negated, z3
from clearway.adapters.z3.texts import Texts
from clearway.adapters.z3.types import DECIMALS, RecordOf, Scalar, SetOf, Type, context_of
from clearway.adapters.z3.values import Atom, Members, Record, Unsupported, Value
from clearway.adapters.z3.variables import Variables
from clearway.adapters.z3.verdicts import SymbolicVerdict, Verdicts, read_policies
from clearway.model.action import Action
from clearway.model.decision import ApprovalRule, Decision, Factor, Verdict
from clearway.model.identity import Principal
from clearway.model.tool import ToolSpec


def translated_decision(
    policies: Sequence[LoadedPolicy],
    schema: Mapping[str, Any],
    spec: ToolSpec,
    environments: Sequence[str],
    action: Action,
    context: Mapping[str, Any],
) -> Decision:
    """The verdict and what it asks for. `action` has one target; `context` is what policy sees of it, as JSON values.

    Errors: `Unsupported` where a policy cannot be translated whole, or the terms leave the verdict open.
    """
    (target,) = action.targets
    type_ = context_of(schema, spec.name)
    known = {*_texts(dict(context)), target.kind, target.id, *environments, "read", "internal_write", "external"}
    concerning = [read for read in read_policies(policies) if _names(read.policy.est["action"], spec)]
    texts = Texts(known | frozenset[str]().union(*(read.texts for read in concerning)))
    variables = Variables(texts)
    names = frozenset({spec.name, impact_group(spec.impact)})
    request = symbolic_request(variables, type_, spec.name, names, environments)
    sets = Sets(variables)
    verdicts = Verdicts(request, sets)
    verdict = verdicts.of(concerning)
    if untranslated := verdicts.not_translated(concerning):
        raise Unsupported(untranslated[0].what)
    fixed = [*_principals(request, action), *_fixed(sets, type_, request.context, context, texts.indices)]
    ((_, _, name),) = request.target.options
    fixed += [equal(name.parts[0], texts.index(target.kind)), equal(name.parts[1], texts.index(target.id))]
    fixed.append(
        equal(request.target_tenant.parts[0], variables.number("Tenant", target.tenant or action.scope.tenant))
    )
    fixed += [equal(one.holds, _is_imprecise(action.arguments, one.path)) for one in request.imprecise]
    solver = z3().Solver()
    for term in (*variables.limits, *sets.axioms(), *fixed):
        solver.add(term)
    return _decision(solver, verdict)


def _decision(solver: Any, verdict: SymbolicVerdict) -> Decision:
    def holds(term: Term) -> bool:
        if isinstance(term, bool):
            return term
        answers = [str(solver.check(one)) for one in (term, negated(term))]
        if sorted(answers) != ["sat", "unsat"]:
            raise Unsupported(f"a verdict that the request leaves open: {answers}")
        return answers[0] == "sat"

    if not holds(verdict.permitted):
        return Decision(Verdict.DENY, "denied")
    if not holds(verdict.asked):
        return Decision(Verdict.ALLOW, "allowed")
    people: dict[str, int] = {}
    for (group, n), asked in verdict.people.items():
        if holds(asked):
            people[group] = max(n, people.get(group, 0))
    rule = ApprovalRule(
        tuple(Factor(group, n) for group, n in sorted(people.items())),
        min(ttl for ttl, term in verdict.decision_ttl.items() if holds(term)),
        min(ttl for ttl, term in verdict.execution_ttl.items() if holds(term)),
        next((group for group, term in verdict.escalation.items() if holds(term)), None),
    )
    return Decision(Verdict.HOLD, "approval_required", approval=rule)


def _is_imprecise(arguments: Any, path: tuple[str, ...]) -> bool:
    if isinstance(arguments, list):
        return any(_is_imprecise(one, path) for one in cast("list[Any]", arguments))
    if path:
        inner = cast("dict[str, Any]", arguments).get(path[0]) if isinstance(arguments, dict) else None
        return _is_imprecise(inner, path[1:])
    return isinstance(arguments, float) and Decimal(repr(arguments)).scaleb(DECIMALS) % 1 != 0


def _names(scope: Mapping[str, Any], spec: ToolSpec) -> bool:
    named = scope["entities"] if "entities" in scope else [scope["entity"]] if "entity" in scope else []
    return scope["op"] == "All" or any(entity["id"] in (spec.name, impact_group(spec.impact)) for entity in named)


def _principals(request: SymbolicRequest, action: Action) -> Iterator[Term]:
    variables = request.variables
    yield equal(request.tenant.parts[0], variables.number("Tenant", action.scope.tenant))
    parties: tuple[tuple[Any, Principal], ...] = (
        (request.actors["agent"], action.agent),
        (request.actors["user"], action.user),
    )
    types = {"agent": "Agent", "user": "User", "service": "Service"}
    for actor, principal in parties:
        for guard, type_, name in actor.entity.options:
            if type_ == types[principal.kind]:
                yield guard
                yield equal(name.parts[0], variables.number(type_, principal.id))
        for type_, held in (("Role", principal.roles), ("Group", principal.groups)):
            for name, number in variables.named(type_).items():
                yield equal(actor.memberships[type_](number), name in held)


def _fixed(sets: Sets, type_: Type, value: Value, given: Any, indices: Mapping[str, int]) -> Iterator[Term]:
    match type_, value:
        case Scalar(), Atom(_, term):
            yield equal(term, _constant(type_, given, indices).term)
        case RecordOf(fields), Record(parts):
            for name, field in fields.items():
                there, inner = parts[name]
                yield equal(there, name in given)
                if name in given:
                    yield from _fixed(sets, field.type, inner, given[name], indices)
        case SetOf(SetOf()), Members(_, ((_, variable),)):
            yield equal(sets.is_empty_of_sets(variable), not given)
        case SetOf(item), Members(_, ((_, variable),)):
            sets.fix(variable, [_lifted(item, element, indices) for element in given])
        case _:
            raise Unsupported("a value that cannot be given")


def _lifted(type_: Type, given: Any, indices: Mapping[str, int]) -> Value:
    if isinstance(type_, Scalar):
        return _constant(type_, given, indices)
    if isinstance(type_, RecordOf):
        return Record(
            {n: (True, _lifted(field.type, given[n], indices)) for n, field in type_.fields.items() if n in given}
        )
    raise Unsupported("a set of sets")


def _constant(type_: Scalar, given: Any, indices: Mapping[str, int]) -> Atom:
    if type_.name == "String":
        return Atom("String", indices[given])
    if type_.name == "decimal":
        return Atom("decimal", int(Decimal(repr(given)).scaleb(DECIMALS)))
    return Atom(type_.name, given)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[str, Any]", value).values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in cast("list[Any]", value):
            yield from _texts(inner)
