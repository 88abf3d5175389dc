"""A solver that is asked again until its model speaks of real texts, or there is none."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from clearway.adapters.z3.solving import Term, implies, z3
from clearway.adapters.z3.texts import Texts
from clearway.rules.changes.witnesses import TooHard

TOO_MANY = "`like`: the patterns are too many at once for finding a text, or that there is none"
OVER = "the time for the whole comparison was up"
_MOST_ROUNDS = 300


class RefiningSolver:
    """`wishes` are terms that hold where they are asked for by their number. `gave_up`: what was not found out."""

    def __init__(
        self,
        limits: Iterable[Term],
        wishes: Sequence[Term],
        texts: Texts,
        timeout_s: float,
        is_over: Callable[[], bool],
    ) -> None:
        """`timeout_s`: for one question. `is_over`: whether the time for all of them is up."""
        self._texts, self._is_over = texts, is_over
        self._solver = z3().Solver()
        self._solver.set("timeout", max(1, int(timeout_s * 1000)))
        for limit in limits:
            self._solver.add(limit)
        self._switches = [z3().Bool(f"wish {n}") for n in range(len(wishes))]
        self._wishes = wishes
        for switch, wish in zip(self._switches, wishes, strict=True):
            self._solver.add(implies(switch, wish))
        self._assumptions = 0
        self._core: set[str] = set()
        self.gave_up: list[str] = []

    def assumption(self, term: Term) -> Term:
        """Stands for the term in `is_possible`. The solver reads a term once, however often it is asked about it."""
        if isinstance(term, bool):
            return term
        switch = z3().Bool(f"assumed {self._assumptions}")
        self._assumptions += 1
        self._solver.add(implies(switch, term))
        return switch

    def is_possible(self, what: str, assumed: Sequence[Term], held: Sequence[int] = ()) -> bool:
        """Whether there is a request of which all assumptions are true, and these wishes; False too where that is not
        known. `what` is noted then; empty where it need not be."""
        if any(term is False for term in assumed):
            return False
        switches = [*(term for term in assumed if term is not True), *(self._switches[wish] for wish in held)]
        problem = OVER
        self._core = set()
        for _ in range(_MOST_ROUNDS):
            if self._is_over():
                break
            answer = self._solver.check(*switches)
            if answer == z3().unsat:
                self._core = {str(term) for term in self._solver.unsat_core()}
                return False
            if answer == z3().unknown:
                problem = str(self._solver.reason_unknown())
                break
            problem = TOO_MANY
            try:
                lemmas = self._texts.lemmas(self._solver.model())
            except TooHard:
                break
            if not lemmas:
                return True
            self._solver.add(*lemmas)
        if what:
            self.gave_up.append(f"{what}: {problem}")
        return False

    def most_held(self, assumed: Sequence[Term]) -> list[int]:
        """The wishes that are held together: of those that contradict each other the last ones are given up."""
        held = [number for number, wish in enumerate(self._wishes) if wish is not False]
        while held and not self.is_possible("", assumed, held):
            against = [wish for wish in held if str(self._switches[wish]) in self._core]
            held.remove((against or held)[-1])
        return held

    def model(self) -> Any:
        """Of what was asked last, where it is possible."""
        return self._solver.model()
