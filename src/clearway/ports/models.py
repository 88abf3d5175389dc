"""Language models, and what they cost."""

from collections.abc import Callable
from typing import Protocol

from clearway.model.agent import Cost
from clearway.model.chat import ModelAnswer, ModelRequest, Usage


class ModelClient(Protocol):
    async def prepare(self, model: str) -> None:
        """Loads what asking `model` needs, which takes seconds the first time; awaited before `ask`, outside of the
        request's time-out. Errors: `ConfigError`."""
        ...

    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        """One turn. `on_text` is handed the answer's text piece by piece, as it comes.

        Errors: `Unavailable` (busy, away, slow: asking again may help), `ModelFailed` (the provider will not answer
        this), `ConfigError` (a provider that is not known here, a key that is not set)."""
        ...


class Prices(Protocol):
    def cost(self, model: str, usage: Usage) -> Cost:
        """What `usage` of `model` (`provider:name`) costs. An unknown model's is unknown, never 0. No network."""
        ...
