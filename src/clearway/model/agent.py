"""What a skill that asks a model declares of it: which model, within which limits, with which words."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: What an agent gets where it declares nothing.
DEFAULT_TURNS = 20
DEFAULT_STEPS = 50
DEFAULT_TOKENS = 200_000
DEFAULT_WALL_S = 300.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Most that one run may use; None: the default of an agent, no limit of its own for a Python skill.

    `turns`: answers asked of a model. `steps`: tool calls. `tokens`: input and output, summed over all turns.
    `cost_usd`: in dollars, by the price data at hand. `wall_s`: working time; waiting for people is not counted."""

    turns: int | None = None
    steps: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    wall_s: float | None = None


@dataclass(frozen=True, slots=True)
class DayBudget:
    """Of a tenant and environment in one UTC day; None: no limit."""

    tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class ModelUse:
    """`model` and `fallbacks`: `provider:name`, in the order in which they are asked. `prompt`: name of a text below
    `prompts/`; empty for a Python skill, which brings its own words. `raw_fields`: names of fields whose values the
    model is shown as they are; everything else that is sensitive reaches it as a token. `budget.steps` and
    `budget.wall_s` stand in the skill's `max_steps` and `deadline_s`. `pending`: whether an agent's model is told at
    once that a call waits for people, or the run waits before it is asked again."""

    model: str
    fallbacks: tuple[str, ...] = ()
    prompt: str = ""
    budget: Budget = Budget()
    raw_fields: frozenset[str] = frozenset()
    max_output_tokens: int = 4096
    timeout_s: float = 60.0
    temperature: float | None = None
    pending: Literal["tell", "wait"] = "tell"

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model, *self.fallbacks)


@dataclass(frozen=True, slots=True)
class Cost:
    """`usd` is None where no price is known. INVARIANT: unknown is never 0. `basis`: whose price, of when."""

    usd: float | None
    basis: str

    @property
    def micro_usd(self) -> int | None:
        """In millionths of a dollar, rounded up, so that counters add up exactly."""
        return None if self.usd is None else -int(-self.usd * 1_000_000 // 1)


@dataclass(frozen=True, slots=True)
class ModelProvider:
    """Where models are asked. `base_url`: an OpenAI-compatible server; `api_key_env`: the variable that holds its key
    (none: no key is sent). `script`: a file of answers, instead of a server."""

    base_url: str = ""
    api_key_env: str = ""
    script: Path | None = None


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """Dollars for a million tokens, and of when."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    as_of: str
