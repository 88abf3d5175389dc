"""Texts of a request as numbers. Policies see texts through equality and `like` only.

A text that stands in a policy has its place in the list of literals; any other has a number beyond them, the same
number for the same text. What patterns say of those is a predicate for each pattern, of which the solver at first knows
nothing. A model of the solver is held against real texts: where no text is like that, the solver is told so (a lemma),
and asked again. So "there is none" holds whatever was not told yet, and every text of a counterexample is a real one.

INVARIANT: only what is true of all texts is told.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearway.adapters.z3.solving import Term, all_of, both, either, equal, negated, z3
from clearway.rules.changes.patterns import Pattern, matches
from clearway.rules.changes.witnesses import (
    Contradiction,
    TooHard,
    contradicting_pairs,
    names,
    text_or_contradiction,
)


@dataclass(slots=True, eq=False)
class _Asked:
    """A term, and what patterns it was held against."""

    term: Term
    patterns: dict[Pattern, Term] = field(default_factory=dict[Pattern, Term])


@dataclass(slots=True, eq=False)
class _Other:
    """A number beyond the literals that a model gives to terms, and what it says of patterns."""

    terms: list[_Asked]
    said: dict[Pattern, bool]

    def those(self, said: bool) -> list[Pattern]:
        return [pattern for pattern, truth in self.said.items() if truth is said]


class Texts:
    """`indices`: of the literals. `literals`: how many there are; a greater number is another text."""

    def __init__(self, literals: Iterable[str]) -> None:
        self._texts = sorted({"", *literals})
        self.indices = {text: index for index, text in enumerate(self._texts)}
        self.literals = len(self._texts)
        self._predicates: dict[Pattern, Any] = {}
        self._matching: dict[Pattern, list[int]] = {}
        self._asked: dict[int, _Asked] = {}
        self._found: dict[int, str] = {}

    def index(self, text: str) -> int:
        return self.indices[text]

    def like(self, term: Term, pattern: Pattern) -> Term:
        """Whether a text matches."""
        if isinstance(term, int):
            return matches(pattern, self._texts[term])
        if pattern and all(part is None for part in pattern):
            return True
        known = self._matching.get(pattern)
        if known is None:
            known = self._matching[pattern] = [n for n, text in enumerate(self._texts) if matches(pattern, text)]
        if None not in pattern and known:
            return equal(term, known[0])
        asked = self._asked.setdefault(term.get_id(), _Asked(term))
        if pattern not in asked.patterns:
            asked.patterns[pattern] = self._said(pattern, term)
        return either(one_of(term, known), both(term >= self.literals, asked.patterns[pattern]))

    def text(self, number: int) -> str:
        """The text of a number, in the model that was looked at last."""
        if number < self.literals:
            return self._texts[number]
        if number not in self._found:
            self._found[number] = next(names({*self.indices, *self._found.values()}))
        return self._found[number]

    def lemmas(self, model: Any) -> list[Term]:
        """What the model says of texts and no texts fulfil; nothing where there are such texts. Errors: `TooHard`."""
        others = self._others(model)
        found = [
            lemma
            for other in others.values()
            for pair in contradicting_pairs(other.those(True), other.those(False))
            for lemma in self._lemmas_of(pair)
        ]
        return found or self._assign(others)

    def _said(self, pattern: Pattern, term: Term) -> Term:
        predicate = self._predicates.get(pattern)
        if predicate is None:
            solver = z3()
            name = f"like {len(self._predicates)}"
            predicate = self._predicates[pattern] = solver.Function(name, solver.IntSort(), solver.BoolSort())
        return predicate(term)

    def _others(self, model: Any) -> dict[int, _Other]:
        found: dict[int, _Other] = {}
        for asked in self._asked.values():
            number = model.eval(asked.term, model_completion=True).as_long()
            if number >= self.literals:
                other = found.setdefault(number, _Other([], {}))
                other.terms.append(asked)
                for pattern, said in asked.patterns.items():
                    other.said[pattern] = z3().is_true(model.eval(said, model_completion=True))
        return found

    def _assign(self, others: dict[int, _Other]) -> list[Term]:
        """Finds each its text. One that is left without, as others took the few that there are, is served first."""
        order = list(others)
        for _ in range(1 + len(order)):
            self._found = {}
            for number in order:
                other = others[number]
                text = text_or_contradiction(
                    other.those(True), other.those(False), self.indices, set(self._found.values())
                )
                if isinstance(text, str):
                    self._found[number] = text
                    continue
                if not text.taken:
                    return list(self._lemmas_of(text))
                if lemma := self._too_few(text, number, others):
                    return lemma
                order.remove(number)
                order.insert(0, number)
                break
            else:
                return []
        raise TooHard

    def _too_few(self, contradiction: Contradiction, number: int, others: dict[int, _Other]) -> list[Term]:
        """That so many texts, and one more, are not all different; nothing where a rival may have another."""
        rivals = [n for n, text in self._found.items() if text in contradiction.taken]
        if not all(_is_so(contradiction, others[rival]) for rival in rivals):
            return []
        terms = [others[n].terms[0].term for n in (*rivals, number)]
        all_so = all_of(self._is_so(contradiction, term) for term in terms)
        return [negated(both(all_so, z3().Distinct(*terms)))]

    def _lemmas_of(self, contradiction: Contradiction) -> Iterator[Term]:
        """Of each term of which one of the patterns was asked; of others they follow."""
        patterns = contradiction.matching | contradiction.others
        for asked in self._asked.values():
            if not patterns or not patterns.isdisjoint(asked.patterns):
                yield negated(self._is_so(contradiction, asked.term))

    def _is_so(self, contradiction: Contradiction, term: Term) -> Term:
        return both(
            term >= self.literals,
            *(self._said(pattern, term) for pattern in sorted(contradiction.matching, key=str)),
            *(negated(self._said(pattern, term)) for pattern in sorted(contradiction.others, key=str)),
        )


def _is_so(contradiction: Contradiction, other: _Other) -> bool:
    return all(other.said.get(pattern) is True for pattern in contradiction.matching) and all(
        other.said.get(pattern) is False for pattern in contradiction.others
    )


def one_of(term: Term, numbers: Sequence[int]) -> Term:
    """That a number is one of these, which ascend."""
    return either(*(_between(term, first, last) for first, last in _runs(numbers)))


def _between(term: Term, first: int, last: int) -> Term:
    if isinstance(term, int):
        return first <= term <= last
    return equal(term, first) if first == last else both(term >= first, term <= last)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    begin = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield numbers[begin], numbers[place - 1]
            begin = place
