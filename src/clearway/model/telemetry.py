"""How a process is watched."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """`enabled`: None leaves it to `endpoint` and the variables OTEL_*, which also say what is not set here.

    `sampled`: share of traces that are kept, 0 to 1. `content`: spans of tool calls hold arguments, tokenized.
    `trace_url`: where people look at a trace, with `{trace_id}` in it."""

    enabled: bool | None = None
    endpoint: str | None = None
    service: str | None = None
    sampled: float | None = None
    content: bool = False
    trace_url: str | None = None
