"""What a set of policies decides on a request, as terms: the rules of `cedar.weighing`.

INVARIANT: the same as there. Any error of any policy whose scope fits, for either party, denies; so does any forbid,
a party without a permit, and a permit whose annotations are faulty. What the permits of both parties ask for is united.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from clearway.adapters.cedar.expressions import Est, attributes_read
from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.adapters.z3.expressions import Translator
from clearway.adapters.z3.request import PARTIES, Party, SymbolicRequest
from clearway.adapters.z3.sets import Sets
from clearway.adapters.z3.solving import Term, all_of, any_of, both, either, negated
from clearway.adapters.z3.values import Entity
from clearway.adapters.z3.vocabulary import texts_of


@dataclass(frozen=True, slots=True, eq=False)
class SymbolicVerdict:
    """`permitted`: not denied. `asked`: some permit asks for approval. `people`: (group, n) → asked of at least n.
    `decision_ttl`, `execution_ttl`: seconds → at most so long. `escalation`: group → told at half time."""

    permitted: Term
    asked: Term
    people: dict[tuple[str, int], Term]
    decision_ttl: dict[float, Term]
    execution_ttl: dict[float, Term]
    escalation: dict[str, Term]

    @property
    def denied(self) -> Term:
        return negated(self.permitted)

    @property
    def allowed(self) -> Term:
        return both(self.permitted, negated(self.asked))

    @property
    def held(self) -> Term:
        return both(self.permitted, self.asked)


@dataclass(frozen=True, slots=True)
class NotTranslated:
    """What of a policy lies outside the supported operators."""

    policy: str
    file: str
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """`meaning` is the same text for two policies that decide an action alike, whatever their ids. `texts`: that stand
    in it. `attributes`: as `attributes_read`. `conditions`: each with a key that is the same for either party where it
    does not ask who that is."""

    policy: LoadedPolicy
    meaning: str
    texts: frozenset[str]
    attributes: frozenset[str] | None
    conditions: tuple[tuple[Est, str, bool], ...]


#: As it stands in Cedar's JSON form; a text that holds the same only makes a condition be translated twice.
_WHO = '{"Var": "principal"}'
#: (satisfied, in error)
_Outcome = tuple[Term, Term]
#: (true, in error, what was not translated)
_Condition = tuple[Term, Term, tuple[str, ...]]


class Verdicts:
    """Translates policies over one request; each of them once, in whichever sets it stands."""

    def __init__(self, request: SymbolicRequest, sets: Sets) -> None:
        self._request = request
        self._translators = {party: Translator(request, sets, party) for party in PARTIES}
        self._kept: dict[tuple[str, Party], _Outcome] = {}
        self._conditions: dict[str, _Condition] = {}
        self._untranslated: dict[str, list[str]] = {}

    def of(self, policies: Sequence[ReadPolicy]) -> SymbolicVerdict:
        outcomes = {party: [(read.policy, *self._outcome(read, party)) for read in policies] for party in PARTIES}
        both_parties = [outcome for party in PARTIES for outcome in outcomes[party]]
        denied = any_of(
            [
                *(error for _, _, error in both_parties),
                *(met for policy, met, _ in both_parties if policy.effect == "forbid" or policy.fault is not None),
            ]
        )
        denied = either(denied, *self._unseen(policies))
        permitted = all_of(
            any_of(met for policy, met, _ in outcomes[party] if policy.effect == "permit") for party in PARTIES
        )
        asking = [(policy.rule, met) for policy, met, _ in both_parties if policy.rule and policy.effect == "permit"]
        counts = {(factor.group, factor.n) for rule, _ in asking for factor in rule.factors}
        return SymbolicVerdict(
            both(permitted, negated(denied)),
            any_of(met for _, met in asking),
            {
                (group, n): any_of(
                    met for rule, met in asking if any(f.group == group and f.n >= n for f in rule.factors)
                )
                for group, n in sorted(counts)
            },
            {
                ttl: any_of(met for rule, met in asking if rule.decision_ttl_s <= ttl)
                for ttl in sorted({rule.decision_ttl_s for rule, _ in asking})
            },
            {
                ttl: any_of(met for rule, met in asking if rule.execution_ttl_s <= ttl)
                for ttl in sorted({rule.execution_ttl_s for rule, _ in asking})
            },
            _escalation([((r.decision_ttl_s, r.escalate_to), met) for r, met in asking if r.escalate_to is not None]),
        )

    def _unseen(self, policies: Sequence[ReadPolicy]) -> Iterator[Term]:
        """That a number which no decimal can hold stands where a policy reads it (`cedar.values.as_record`)."""
        reading: dict[str, Term] = {}
        for name in {name for one in self._request.imprecise for name in one.path}:
            readers = [read.policy.est for read in policies if read.attributes is None or name in read.attributes]
            actors = self._request.actors.values()
            reading[name] = any_of(self._scope(est["principal"], actor.entity) for est in readers for actor in actors)
        for one in self._request.imprecise:
            yield both(one.holds, *(reading[name] for name in one.path))

    def not_translated(self, policies: Sequence[ReadPolicy]) -> list[NotTranslated]:
        """Of these, what could not be, each once."""
        return [
            NotTranslated(read.policy.id, read.policy.file, read.policy.line, what)
            for read in policies
            for what in dict.fromkeys(self._untranslated.get(read.meaning, []))
        ]

    def _outcome(self, read: ReadPolicy, party: Party) -> _Outcome:
        key = (read.meaning, party)
        if key not in self._kept:
            self._kept[key] = self._translate(read, party)
        return self._kept[key]

    def _translate(self, read: ReadPolicy, party: Party) -> _Outcome:
        est = read.policy.est
        in_scope = both(
            self._scope(est["principal"], self._request.actors[party].entity),
            self._scope(est["resource"], self._request.target),
        )
        if in_scope is False:
            return False, False
        # All conditions are one conjunction, in their order: what stands behind one that fails is not evaluated.
        met: Term = True
        error: Term = False
        for condition, key, asks_who in read.conditions:
            true, wrong, unsupported = self._condition(condition["body"], f"{party} {key}" if asks_who else key, party)
            self._untranslated.setdefault(read.meaning, []).extend(unsupported)
            holds = both(negated(true), negated(wrong)) if condition["kind"] == "unless" else true
            error = either(error, both(met, wrong))
            met = both(met, holds)
        return both(in_scope, met), both(in_scope, error)

    def _condition(self, expression: Est, key: str, party: Party) -> _Condition:
        """Of those with the same key only the first is translated: the terms are the same."""
        found = self._conditions.get(key)
        if found is None:
            translator = self._translators[party]
            translator.unsupported.clear()
            true, wrong = translator.condition(expression)
            found = self._conditions[key] = true, wrong, tuple(translator.unsupported)
        return found

    def _scope(self, scope: Est, entity: Entity) -> Term:
        request = self._request
        if scope["op"] == "All":
            return True
        if scope["op"] == "is":
            fits = any_of(guard for guard, type_, _ in entity.options if type_ == scope["entity_type"])
            return (
                both(fits, self._scope({"op": "in", **scope["in"]}, entity))
                if "in" in scope and fits is not False
                else fits
            )
        named = request.variables.literal(scope["entity"]["type"], scope["entity"]["id"])
        if scope["op"] == "==":
            return any_of(
                both(guard, name.equals(other))
                for guard, type_, name in entity.options
                for _, other_type, other in named.options
                if type_ == other_type
            )
        return any_of(request.principal_in(option, parent) for option in entity.options for parent in named.options)


def read_policies(policies: Iterable[LoadedPolicy]) -> list[ReadPolicy]:
    return [_read(policy) for policy in policies]


def _read(policy: LoadedPolicy) -> ReadPolicy:
    parts = [policy.est[part] for part in ("effect", "principal", "resource")]
    bodies = [json.dumps(condition["body"], sort_keys=True) for condition in policy.est["conditions"]]
    kinds = [condition["kind"] for condition in policy.est["conditions"]]
    return ReadPolicy(
        policy,
        json.dumps([*parts, kinds, bodies, repr(policy.rule), policy.fault is not None], sort_keys=True),
        frozenset(texts_of([policy.est])),
        attributes_read([policy.est]),
        tuple((c, body, _WHO in body) for c, body in zip(policy.est["conditions"], bodies, strict=True)),
    )


def _escalation(asking: Sequence[tuple[tuple[float, str], Term]]) -> dict[str, Term]:
    """Group → whether its rule has the shortest clock of those that name one (`obligations.unite`)."""
    found: dict[str, Term] = {}
    earlier: Term = False
    for key in sorted({key for key, _ in asking}):
        here = any_of(met for other, met in asking if other == key)
        found[key[1]] = either(found.get(key[1], False), both(here, negated(earlier)))
        earlier = either(earlier, here)
    return found
