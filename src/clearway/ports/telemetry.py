"""Spans and figures for whoever watches."""

from contextlib import AbstractContextManager
from typing import Any, Protocol


class Span(Protocol):
    """A piece of work under way, as whoever watches is told of it."""

    def note(self, **facts: Any) -> None:
        """Adds facts: JSON values, shown (tokenized) ones only."""
        ...

    def fail(self, error_type: str) -> None:
        """It went wrong. `error_type`: a code, or the name of a type; never a text."""
        ...


class Telemetry(Protocol):
    """Tells whoever watches, and decides nothing. INVARIANT: it is given shown values only. Never raises."""

    def span(
        self, kind: str, name: str, *, parent: str | None = None, waited_s: float = 0.0, **facts: Any
    ) -> AbstractContextManager[Span]:
        """Opens a span until the `with` ends. `kind`: workflow, agent, chat, tool, route, decision, approval.
        `parent`: W3C traceparent; None is the span at hand. `waited_s`: it began so long ago."""
        ...

    def current(self) -> Span:
        """The innermost open span."""
        ...

    def count(self, metric: str, amount: float = 1.0, **labels: str) -> None:
        """Labels take few values each: no ids of requests, runs or people."""
        ...

    def observe(self, metric: str, value: float, **labels: str) -> None: ...

    def traceparent(self) -> str | None:
        """Of the span at hand, for whoever goes on with it elsewhere."""
        ...

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        ...
