"""Two sets of policies at one tool: every way in which they can differ, each with a request that shows it, or the proof
that they do not.

INVARIANT: "no difference" only where the solver says that there is no request; where it gives up, or a policy's part
stands for an unknown, what is not proved is named.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.adapters.cedar.schema import impact_group
from clearway.adapters.z3.decoding import Decoder
from clearway.adapters.z3.facts import limits_of_facts
from clearway.adapters.z3.plausible import KnownWorld, texts_of, wishes
from clearway.adapters.z3.refining import RefiningSolver
from clearway.adapters.z3.request import SymbolicRequest, symbolic_request
from clearway.adapters.z3.sets import Sets
from clearway.adapters.z3.solving import Term, any_of, both, either, equal, negated
from clearway.adapters.z3.texts import Texts
from clearway.adapters.z3.types import RecordOf, context_of
from clearway.adapters.z3.variables import Variables
from clearway.adapters.z3.verdicts import NotTranslated, ReadPolicy, SymbolicVerdict, Verdicts, read_policies
from clearway.model.action import Action
from clearway.model.tool import Impact, ToolSpec
from clearway.rules.changes.kinds import Change, Direction

#: What every request is made of.
_ALWAYS = frozenset({"arguments", "environment", "impact"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A request that shows a change, before Clearway's own decision has confirmed it. `context` is all that policy
    sees; `remarks` say what it has that the project has not."""

    change: Change
    action: Action
    context: dict[str, Any]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """Of one tool: for each kind of change a request, or that there is none. `not_translated`: parts of policies that
    stood for unknowns. `gave_up`: what the solver could not answer in time, so that nothing is proved of it."""

    tool: str
    candidates: tuple[Candidate, ...] = ()
    not_translated: tuple[NotTranslated, ...] = ()
    gave_up: tuple[str, ...] = ()


class PolicyComparison:
    """Compares two sets. `old` and `new` are None where a set cannot be put in force, hence denies everything."""

    def __init__(
        self,
        old: Sequence[LoadedPolicy] | None,
        new: Sequence[LoadedPolicy] | None,
        schema: Mapping[str, Any],
        world: KnownWorld,
        *,
        query_timeout_s: float,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """`query_timeout_s`: for one question to the solver. `until`: whether the time for all of them is up."""
        self._old, self._new = read_policies(old or ()), read_policies(new or ())
        self._schema, self._world = schema, world
        self._timeout_s, self._is_over = query_timeout_s, until

    def tool(self, name: str) -> Compared:
        spec = self._world.tools[name]
        names = frozenset({name, impact_group(spec.impact)})
        old = [read for read in self._old if _concerns(read, names)]
        new = [read for read in self._new if _concerns(read, names)]
        if {read.meaning for read in old} == {read.meaning for read in new}:
            return Compared(name)
        pair = _Pair(old, new, names, _as_read(context_of(self._schema, name), [*old, *new]))
        return _OneTool(spec, pair, self._world, self._timeout_s, self._is_over).compared()


def _concerns(read: ReadPolicy, names: frozenset[str]) -> bool:
    scope = read.policy.est["action"]
    if scope["op"] == "All":
        return True
    named = scope["entities"] if "entities" in scope else [scope["entity"]]
    return any(entity["type"] == "Action" and entity["id"] in names for entity in named)


def _as_read(context: RecordOf, policies: Sequence[ReadPolicy]) -> RecordOf:
    """The context without the attributes that no policy asks for, as they cannot matter."""
    read: set[str] = set()
    for policy in policies:
        if policy.attributes is None:
            return context
        read |= policy.attributes
    # What is untrusted and consequential is untrusted, and so not endorsed.
    kept = {*_ALWAYS, *read, *(["untrusted"] if "untrusted_consequential" in read else [])}
    return RecordOf({name: field for name, field in context.fields.items() if name in kept})


@dataclass(frozen=True, slots=True)
class _Pair:
    """What concerns one tool. `names`: its action's and that of its group."""

    old: Sequence[ReadPolicy]
    new: Sequence[ReadPolicy]
    names: frozenset[str]
    context: RecordOf


class _OneTool:
    def __init__(
        self, spec: ToolSpec, pair: _Pair, world: KnownWorld, timeout_s: float, is_over: Callable[[], bool]
    ) -> None:
        self._spec, self._people = spec, world.people
        either_set = list({read.meaning: read for read in (*pair.old, *pair.new)}.values())
        impacts = [impact.value for impact in Impact]
        known = {*impacts, *world.environments, *texts_of(spec.schema)}
        variables = Variables(Texts(known | frozenset[str]().union(*(read.texts for read in either_set))))
        self._request: SymbolicRequest = symbolic_request(
            variables, pair.context, spec.name, pair.names, world.environments
        )
        self._sets = Sets(variables)
        verdicts = Verdicts(self._request, self._sets)
        self._old, self._new = verdicts.of(pair.old), verdicts.of(pair.new)
        variables.limits += limits_of_facts(self._request, self._sets)
        self._wishes = wishes(self._request, self._sets, world)
        self._not_translated = tuple(verdicts.not_translated(either_set))
        self._solver = RefiningSolver(
            (*variables.limits, *self._sets.axioms()),
            [wish.term for wish in self._wishes],
            variables.texts,
            timeout_s,
            is_over,
        )
        self._impacts = {impact: self._solver.assumption(self._request.impact_is(impact)) for impact in Impact}

    def compared(self) -> Compared:
        differences = _differences(self._old, self._new)
        candidates: list[Candidate] = []
        for direction in Direction:
            wanted = {change: term for change, term in differences.items() if change.direction is direction}
            assumed = {change: self._solver.assumption(term) for change, term in wanted.items()}
            if self._solver.is_possible(direction.value, [self._solver.assumption(any_of(assumed.values()))]):
                for change, assumption in assumed.items():
                    candidates += self._candidates(change, assumption)
        gave_up = tuple(dict.fromkeys(self._solver.gave_up))
        return Compared(self._spec.name, tuple(candidates), self._not_translated, gave_up)

    def _candidates(self, change: Change, assumption: Term) -> Iterable[Candidate]:
        """One for each impact that calls of the tool can have, and where there is none, one of any other impact."""
        if not self._solver.is_possible(change.value, [assumption]):
            return
        reachable = [impact for impact in Impact if _is_reachable(self._spec, impact)]
        found = False
        for impact in sorted(reachable, key=lambda impact: impact is not self._spec.impact):
            for candidate in self._candidate(change, [assumption, self._impacts[impact]], ()):
                found = True
                yield candidate
        if not found:
            beyond = any_of(term for impact, term in self._impacts.items() if impact not in reachable)
            assumed = [assumption, self._solver.assumption(beyond)]
            yield from self._candidate(change, assumed, ("no call of the tool has this impact",))

    def _candidate(self, change: Change, assumed: Sequence[Term], remarks: tuple[str, ...]) -> Iterable[Candidate]:
        """The request that fulfils most wishes."""
        if not self._solver.is_possible(change.value, assumed):
            return
        held = self._solver.most_held(assumed)
        if self._solver.is_possible(change.value, assumed, held):
            action, context = self._decoder().action(self._spec)
            unfulfilled = [wish.otherwise for n, wish in enumerate(self._wishes) if n not in held]
            yield Candidate(change, action, context, (*remarks, *filter(None, unfulfilled)))

    def _decoder(self) -> Decoder:
        return Decoder(self._request, self._sets, self._solver.model(), self._people)


def _is_reachable(spec: ToolSpec, impact: Impact) -> bool:
    """Whether a call can have it: the declared one, or where the tool has a rule that raises it, any above."""
    return impact is spec.impact or (spec.raises is not None and impact.rank > spec.impact.rank)


def _differences(old: SymbolicVerdict, new: SymbolicVerdict) -> dict[Change, Term]:
    held = both(old.held, new.held)
    weaker, stricter = _weaker(old, new), _weaker(new, old)
    return {
        Change.DENY_TO_ALLOW: both(old.denied, new.allowed),
        Change.HOLD_TO_ALLOW: both(old.held, new.allowed),
        Change.DENY_TO_HOLD: both(old.denied, new.held),
        Change.WEAKER_APPROVAL: both(held, weaker),
        Change.ALLOW_TO_DENY: both(old.allowed, new.denied),
        Change.ALLOW_TO_HOLD: both(old.allowed, new.held),
        Change.HOLD_TO_DENY: both(old.held, new.denied),
        Change.STRICTER_APPROVAL: both(held, stricter),
        Change.OTHER_ESCALATION: both(held, negated(weaker), negated(stricter), _other_escalation(old, new)),
    }


def _weaker(old: SymbolicVerdict, new: SymbolicVerdict) -> Term:
    """Of two holds: that the new one asks for fewer people of some group, or leaves more time."""
    people = [both(asked, negated(_at_least(new.people, *wanted))) for wanted, asked in old.people.items()]
    times = [
        both(short, negated(_at_most(after, ttl)))
        for before, after in ((old.decision_ttl, new.decision_ttl), (old.execution_ttl, new.execution_ttl))
        for ttl, short in before.items()
    ]
    return either(*people, *times)


def _at_least(people: Mapping[tuple[str, int], Term], group: str, n: int) -> Term:
    return any_of(term for (other, count), term in people.items() if other == group and count >= n)


def _at_most(ttls: Mapping[float, Term], ttl: float) -> Term:
    return any_of(term for other, term in ttls.items() if other <= ttl)


def _other_escalation(old: SymbolicVerdict, new: SymbolicVerdict) -> Term:
    return any_of(
        negated(equal(old.escalation.get(group, False), new.escalation.get(group, False)))
        for group in {**old.escalation, **new.escalation}
    )
