"""Two sets of policies at one tool: every way in which they can differ, each with a request that shows it, or the proof
that they do not.

INVARIANT: "no difference" only where the solver says that there is no request; where it gives up, or a policy's part
stands for an unknown, what is not proved is named.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clearway.adapters.cedar.expressions import attributes_read
from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.adapters.cedar.schema import impact_group
from clearway.adapters.z3.decoding import Decoder
from clearway.adapters.z3.facts import limits_of_facts
from clearway.adapters.z3.plausible import KnownWorld, texts_of, wishes
from clearway.adapters.z3.request import SymbolicRequest, symbolic_request
from clearway.adapters.z3.sets import Sets
from clearway.adapters.z3.solving import Term, any_of, both, either, equal, implies, negated, z3
from clearway.adapters.z3.types import RecordOf, context_of
from clearway.adapters.z3.variables import Variables
from clearway.adapters.z3.verdicts import NotTranslated, ReadPolicy, SymbolicVerdict, Verdicts, read_policies
from clearway.adapters.z3.vocabulary import read as read_vocabulary
from clearway.model.action import Action
from clearway.model.tool import Impact, ToolSpec
from clearway.rules.changes.kinds import Change, Direction

TOO_MANY = "`like`: more patterns at once than can be told apart; other texts than those that were looked at may differ"
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
    read = attributes_read(policy.policy.est for policy in policies)
    if read is None:
        return context
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
        self._spec, self._is_over, self._people = spec, is_over, world.people
        either_set = list({read.meaning: read for read in (*pair.old, *pair.new)}.values())
        impacts = [impact.value for impact in Impact]
        known = {*impacts, *world.environments, *texts_of(spec.schema)}
        texts = read_vocabulary(read.policy.est for read in either_set).universe(pair.context, known)
        variables = Variables(texts)
        self._request: SymbolicRequest = symbolic_request(
            variables, pair.context, spec.name, pair.names, world.environments
        )
        self._sets = Sets(variables)
        verdicts = Verdicts(self._request, self._sets)
        self._old, self._new = verdicts.of(pair.old), verdicts.of(pair.new)
        variables.limits += limits_of_facts(self._request, self._sets)
        self._wishes = wishes(self._request, self._sets, world)
        self._not_translated = tuple(verdicts.not_translated(either_set))
        self._gave_up = [] if texts.is_whole else [TOO_MANY]
        self._solver = z3().Solver()
        self._solver.set("timeout", max(1, int(timeout_s * 1000)))
        for limit in (*variables.limits, *self._sets.axioms()):
            self._solver.add(limit)
        self._switches = [z3().Bool(f"wish {n}") for n in range(len(self._wishes))]
        for switch, wish in zip(self._switches, self._wishes, strict=True):
            self._solver.add(implies(switch, wish.term))

    def compared(self) -> Compared:
        differences = _differences(self._old, self._new)
        candidates: list[Candidate] = []
        for direction in Direction:
            wanted = {change: term for change, term in differences.items() if change.direction is direction}
            if self._can_be(any_of(wanted.values()), direction.value):
                for change, term in wanted.items():
                    candidates += self._candidates(change, term)
        return Compared(self._spec.name, tuple(candidates), self._not_translated, tuple(dict.fromkeys(self._gave_up)))

    def _candidates(self, change: Change, term: Term) -> Iterable[Candidate]:
        """One for each impact that calls of the tool can have, and where there is none, one of any other impact."""
        if not self._can_be(term, change.value):
            return
        reachable = [impact for impact in Impact if _is_reachable(self._spec, impact)]
        found = False
        for impact in sorted(reachable, key=lambda impact: impact is not self._spec.impact):
            for candidate in self._candidate(change, both(term, self._request.impact_is(impact)), ()):
                found = True
                yield candidate
        if not found:
            beyond = [self._request.impact_is(impact) for impact in Impact if impact not in reachable]
            yield from self._candidate(change, both(term, any_of(beyond)), ("no call of the tool has this impact",))

    def _candidate(self, change: Change, term: Term, remarks: tuple[str, ...]) -> Iterable[Candidate]:
        """The request that fulfils most wishes."""
        if term is False:
            return
        self._solver.push()
        self._solver.add(term)
        held = self._granted() if self._check(change.value, []) else None
        if held is not None and self._check(change.value, held):
            action, context = self._decoder().action(self._spec)
            unfulfilled = [wish.otherwise for n, wish in enumerate(self._wishes) if n not in held and wish.otherwise]
            yield Candidate(change, action, context, (*remarks, *unfulfilled))
        self._solver.pop()

    def _decoder(self) -> Decoder:
        return Decoder(self._request, self._sets, self._solver.model(), self._people)

    def _granted(self) -> list[int]:
        """The wishes that are held together: of those that contradict each other the last ones are given up."""
        held = [wish for wish in range(len(self._wishes)) if self._wishes[wish].term is not False]
        while held and not self._check("", held):
            names = {str(term) for term in self._solver.unsat_core()}
            against = [wish for wish in held if str(self._switches[wish]) in names]
            held.remove((against or held)[-1])
        return held

    def _can_be(self, term: Term, what: str) -> bool:
        """Whether some request makes it true; False too where that is not known, which is then noted."""
        if term is False:
            return False
        self._solver.push()
        self._solver.add(term)
        answer = self._check(what, [])
        self._solver.pop()
        return answer

    def _check(self, what: str, held: Sequence[int]) -> bool:
        """Whether there is a request. `what` is noted where that is not known; empty where it need not be."""
        if self._is_over():
            problem = "the time for the whole comparison was up"
        else:
            answer = self._solver.check(*(self._switches[wish] for wish in held))
            if answer != z3().unknown:
                return answer == z3().sat
            problem = str(self._solver.reason_unknown())
        if what:
            self._gave_up.append(f"{what}: {problem}")
        return False


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
