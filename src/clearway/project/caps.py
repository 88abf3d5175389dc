"""The project's budgets over those that its skills declare: the smaller one holds."""

from dataclasses import replace
from typing import TypeVar

from clearway.model.agent import DayBudget
from clearway.model.tool import SkillSpec
from clearway.project.settings import Budget, Settings

N = TypeVar("N", int, float)


def capped(skill: SkillSpec, most: Budget) -> SkillSpec:
    """`skill` within `[limits.budgets] run`."""
    use = skill.models
    if use is not None:
        budget = replace(
            use.budget,
            tokens=_smaller(use.budget.tokens, most.tokens),
            cost_usd=_smaller(use.budget.cost_usd, most.cost_usd),
        )
        use = replace(use, budget=budget)
    return replace(skill, models=use, max_steps=_smaller(skill.max_steps, most.steps) or skill.max_steps)


def day_budget(settings: Settings) -> DayBudget:
    """Tokens and money of `[limits.budgets] tenant_day`; its steps are the gate's."""
    return DayBudget(settings.limits.tenant_day_budget.tokens, settings.limits.tenant_day_budget.cost_usd)


def _smaller(one: N | None, other: N | None) -> N | None:
    known = [value for value in (one, other) if value is not None]
    return min(known, default=None)
