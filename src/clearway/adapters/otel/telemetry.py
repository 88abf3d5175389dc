"""The port on the OpenTelemetry API: whatever providers it is given, or the program's global ones."""

import contextlib
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from clearway.adapters.otel import gen_ai, names
from clearway.model.errors import ClearwayError
from clearway.ports import Span

_propagator = TraceContextTextMapPropagator()
_TRACEPARENT = "traceparent"
_LONGEST_ERROR_TYPE = 120


class _Span:
    """`clearway.ports.Span` on one of OpenTelemetry's."""

    __slots__ = ("_kind", "_spoken", "_with_content")

    def __init__(self, spoken: trace.Span, kind: str, with_content: bool) -> None:
        self._spoken, self._kind, self._with_content = spoken, kind, with_content

    def note(self, **facts: Any) -> None:
        if not self._spoken.is_recording():
            return
        if not self._with_content:
            facts = {fact: value for fact, value in facts.items() if fact not in names.CONTENT}
        facts = {fact: _attribute(value) for fact, value in facts.items() if value is not None}
        self._spoken.set_attributes(names.attributes(facts) | gen_ai.view(self._kind, facts))

    def fail(self, error_type: str) -> None:
        self._spoken.set_attribute(names.ERROR_TYPE, error_type[:_LONGEST_ERROR_TYPE] or "_OTHER")
        self._spoken.set_status(Status(StatusCode.ERROR))


class OtelTelemetry:
    """`clearway.ports.Telemetry`. `content`: arguments and results of tools, tokenized, go into spans too.

    `parent`: W3C traceparent of whoever started this process; the root of what begins here. `shut_down`: called by
    `close`."""

    def __init__(
        self,
        tracers: trace.TracerProvider | None = None,
        meters: metrics.MeterProvider | None = None,
        *,
        content: bool = False,
        parent: str | None = None,
        shut_down: Callable[[], None] = lambda: None,
    ) -> None:
        self._tracer = (tracers or trace.get_tracer_provider()).get_tracer(names.SCOPE)
        self._meter = (meters or metrics.get_meter_provider()).get_meter(names.SCOPE)
        self._content, self._parent, self._shut_down = content, parent, shut_down
        self._counters = {
            name: self._meter.create_counter(f"clearway.{name}", unit=metric.unit, description=metric.says)
            for name, metric in names.METRICS.items()
            if metric.kind == "counter"
        }
        self._histograms = {
            name: self._meter.create_histogram(
                f"clearway.{name}",
                unit=metric.unit,
                description=metric.says,
                explicit_bucket_boundaries_advisory=names.BUCKETS,
            )
            for name, metric in names.METRICS.items()
            if metric.kind == "histogram"
        }

    def begin_at_zero(self, children: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
        """Makes counters known before they count: a rate over what was never there is no number. Metric → labels."""
        for name, labels in children.items():
            for one in labels:
                self._counters[name].add(0, dict(one))

    def read_gauges(self, read: Callable[[str], Sequence[tuple[float, Mapping[str, str]]]]) -> None:
        """`read(name)` gives the values and labels of a gauge (`names.GAUGES`) when they are collected."""
        for name, says in names.GAUGES.items():
            self._meter.create_observable_gauge(f"clearway.{name}", [_observer(read, name)], description=says)

    @contextlib.contextmanager
    def _span(
        self, kind: str, name: str, parent: str | None, waited_s: float, facts: dict[str, Any]
    ) -> Generator[Span]:
        title = names.SPANS[kind] if kind in names.UNNAMED or not name else f"{names.SPANS[kind]} {name}"
        begun = time.time_ns() - int(waited_s * 1e9) if waited_s else None
        spoken = self._tracer.start_span(
            title,
            self._context(parent),
            SpanKind.CLIENT if kind in names.CLIENTS else SpanKind.INTERNAL,
            start_time=begun,
            attributes=gen_ai.operation(kind),
            record_exception=False,  # its text and its traceback may hold anything
            set_status_on_exception=False,
        )
        span = _Span(spoken, kind, self._content)
        span.note(**facts)
        with trace.use_span(spoken, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except Exception as error:
                span.fail(error.code if isinstance(error, ClearwayError) else type(error).__name__)
                raise

    def span(
        self, kind: str, name: str, *, parent: str | None = None, waited_s: float = 0.0, **facts: Any
    ) -> AbstractContextManager[Span]:
        return self._span(kind, name, parent, waited_s, facts)

    def current(self) -> Span:
        return _Span(trace.get_current_span(), "workflow", self._content)

    def count(self, metric: str, amount: float = 1.0, **labels: str) -> None:
        self._counters[metric].add(amount, labels)

    def observe(self, metric: str, value: float, **labels: str) -> None:
        self._histograms[metric].record(value, labels)

    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get(_TRACEPARENT)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._shut_down()

    def _context(self, parent: str | None) -> Context | None:
        """None: the context at hand."""
        if parent is None and trace.get_current_span().get_span_context().is_valid:
            return None
        parent = parent or self._parent
        return None if parent is None else _propagator.extract({_TRACEPARENT: parent}, Context())


@contextlib.contextmanager
def joined(traceparent: str | None) -> Generator[None]:
    """What happens within belongs to the trace that a request's `traceparent` header names; a wrong one is ignored."""
    from opentelemetry import context

    if traceparent is None:
        yield
        return
    token = context.attach(_propagator.extract({_TRACEPARENT: traceparent}, Context()))
    try:
        yield
    finally:
        context.detach(token)


def _observer(
    read: Callable[[str], Sequence[tuple[float, Mapping[str, str]]]], name: str
) -> Callable[[metrics.CallbackOptions], list[metrics.Observation]]:
    def observe(_: metrics.CallbackOptions) -> list[metrics.Observation]:
        try:
            return [metrics.Observation(value, dict(labels)) for value, labels in read(name)]
        except Exception:  # the store is away: no value is better than a wrong one
            return []

    return observe


def _attribute(value: Any) -> Any:
    """OpenTelemetry takes plain values and lists of texts; anything else is JSON."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):  # pyright: ignore[reportUnknownVariableType]
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return json.dumps(value, ensure_ascii=False, default=lambda one: f"<{type(one).__name__}>")
