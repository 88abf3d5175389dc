"""Budgets of tokens and money: reserved in the transaction that starts a turn, settled to what was really used.

INVARIANT: a turn starts only where its whole reservation (estimated input, most output) fits into what is left of the
run's and of the tenant's day. What may have been billed without an answer (a lost worker, a time-out) stays counted.
Counters of a scope: `tokens:DAY`, `micro_usd:DAY`, and `used|DAY|SKILL|MODEL|what` for who used it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clearway.model.agent import Budget, Cost, DayBudget, ModelUse
from clearway.model.chat import ModelRequest, Usage
from clearway.model.ledger import Entry
from clearway.model.outcome import Refused
from clearway.ports import Prices, Tx
from clearway.rules.turn import estimated_input
from clearway.runtime.limits import DAY_S

#: An answer cut shorter than this is of no use: then the budget counts as used up.
LEAST_OUTPUT = 64
TURN = "turn"


class OverBudget(Exception):
    """Rolls the transaction back: nothing was reserved."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and millionths of a dollar. `unpriced`: turns whose price is not known."""

    tokens: int = 0
    micro_usd: int = 0
    unpriced: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.tokens + other.tokens, self.micro_usd + other.micro_usd, self.unpriced + int(other.unpriced > 0)
        )


@dataclass(frozen=True, slots=True)
class Reserved:
    """`request`: with the output that fits. `day`: what it counts for. `estimated`: tokens, before any stretching."""

    request: ModelRequest
    amount: Spent
    day: int
    estimated: Usage

    def as_json(self) -> dict[str, Any]:
        """What the turn's row keeps of it."""
        estimated = {"input": self.estimated.input_tokens, "output": self.estimated.output_tokens}
        return {"reserved": as_json(self.amount), "day": self.day, "estimated": estimated}


@dataclass(frozen=True, slots=True)
class Budgets:
    """What a reservation is made by."""

    prices: Prices
    day: DayBudget = field(default_factory=DayBudget)

    def reserve(self, tx: Tx, use: ModelUse, request: ModelRequest, entries: Iterable[Entry]) -> "Reserved":
        """Reserves one turn, its output cut to what fits.

        Errors: `OverBudget` (`token_budget`, `cost_budget`, `tenant_token_budget`, `tenant_cost_budget`,
        `price_unknown`)."""
        rows = list(entries)
        day, before, given = int(tx.now // DAY_S), spent(rows), estimated_input(request)
        more_in, more_out = _stretch(rows)
        output = request.max_output_tokens
        while True:
            wanted = self._worth(use.models, Usage(math.ceil(given * more_in), math.ceil(output * more_out)))
            refused = self._in_run(use.budget, before, wanted) or self._in_day(tx, day, wanted)
            if refused is None:
                break
            output //= 2
            if output < LEAST_OUTPUT or refused.code == "price_unknown":
                raise OverBudget(refused)
        _count(tx, day, wanted)
        return Reserved(replace(request, max_output_tokens=output), wanted, day, Usage(given, output))

    def settle(self, tx: Tx, reserved: Spent, day: int, used: Spent) -> None:
        """Replaces a reservation by what was used; nothing, where it was surely not billed."""
        delta = Spent(used.tokens - reserved.tokens, used.micro_usd - reserved.micro_usd)
        _count(tx, day, delta)

    def of(self, model: str, usage: Usage) -> tuple[Spent, Cost]:
        cost = self.prices.cost(model, usage)
        return Spent(usage.total, cost.micro_usd or 0, int(cost.usd is None)), cost

    def _worth(self, models: Iterable[str], usage: Usage) -> Spent:
        """At the dearest of the models that may be asked."""
        costs = [self.prices.cost(model, usage).micro_usd for model in models]
        known = [cost for cost in costs if cost is not None]
        return Spent(usage.total, max(known, default=0), int(len(known) < len(costs)))

    def _in_run(self, budget: Budget, before: Spent, wanted: Spent) -> Refused | None:
        if budget.tokens is not None and before.tokens + wanted.tokens > budget.tokens:
            return Refused("token_budget", f"The run's budget of {budget.tokens} tokens does not cover another turn.")
        if budget.cost_usd is None:
            return None
        if wanted.unpriced:
            return _price_unknown("run")
        if before.micro_usd + wanted.micro_usd > round(budget.cost_usd * 1e6):
            return Refused("cost_budget", f"The run's budget of {budget.cost_usd} USD does not cover another turn.")
        return None

    def _in_day(self, tx: Tx, day: int, wanted: Spent) -> Refused | None:
        most = self.day
        if most.tokens is not None and _at(tx, f"tokens:{day}") + wanted.tokens > most.tokens:
            return Refused("tenant_token_budget", f"The tenant's {most.tokens} tokens of this day are used up.")
        if most.cost_usd is None:
            return None
        if wanted.unpriced:
            return _price_unknown("tenant")
        if _at(tx, f"micro_usd:{day}") + wanted.micro_usd > round(most.cost_usd * 1e6):
            return Refused("tenant_cost_budget", f"The tenant's {most.cost_usd} USD of this day are used up.")
        return None


def spent(entries: Iterable[Entry]) -> Spent:
    """What a run has used, by its rows: answered turns, those under way, and what was lost on the way."""
    total = Spent()
    for entry in entries:
        if entry.kind == TURN:
            detail = entry.detail or {}
            for part in ("spent", "reserved", "lost"):
                total += as_spent(detail.get(part))
    return total


def _stretch(entries: Iterable[Entry]) -> tuple[float, float]:
    """How many times more than reserved a provider of this run has counted so far, input and output: what one turn
    may pass its reservation by, the next one reserves."""
    more_in = more_out = 1.0
    for entry in entries:
        detail = entry.detail or {}
        if entry.kind == TURN and "usage" in detail and detail.get("estimated"):
            usage, estimated = detail["usage"], detail["estimated"]
            more_in = max(more_in, usage["input"] / max(1, estimated["input"]))
            more_out = max(more_out, usage["output"] / max(1, estimated["output"]))
    return more_in, more_out


def as_spent(stored: Mapping[str, Any] | None) -> Spent:
    if not stored:
        return Spent()
    return Spent(int(stored["tokens"]), int(stored["micro_usd"]), int(stored.get("unpriced", 0)))


def lost_of(entry: Entry | None) -> Spent:
    """What asks of this turn that nobody heard the answer of may have cost."""
    detail = (entry.detail or {}) if entry else {}
    return as_spent(detail.get("lost")) + as_spent(detail.get("reserved"))


def as_json(amount: Spent) -> dict[str, int]:
    return {"tokens": amount.tokens, "micro_usd": amount.micro_usd, "unpriced": amount.unpriced}


def used_on(day: int) -> str:
    """What the names of the counters of one UTC day begin with; the skill, the model and what is counted follow."""
    return f"used|{day}|"


def note_use(tx: Tx, day: int, skill: str, model: str, usage: Usage, used: Spent) -> None:
    """For the sums per skill and model; they bind nothing."""
    name = f"{used_on(day)}{skill}|{model}|"
    amounts = {
        "turns": 1,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "micro_usd": used.micro_usd,
        "unpriced_turns": used.unpriced,
    }
    for what, amount in amounts.items():
        if amount:
            tx.limits.add(name + what, amount)


def _count(tx: Tx, day: int, amount: Spent) -> None:
    # Counted also where no budget is set: one that is set later in the day knows what was used.
    for counter, value in ((f"tokens:{day}", amount.tokens), (f"micro_usd:{day}", amount.micro_usd)):
        if value:
            tx.limits.add(counter, value)


def _at(tx: Tx, counter: str) -> int:
    return tx.limits.add(counter, 0) or 0


def _price_unknown(whose: str) -> Refused:
    return Refused(
        "price_unknown",
        f"There is a money budget for the {whose}, and no price is known for a model that may be asked. "
        "Set one under [models.prices] in clearway.toml.",
    )
