"""The last net before anything is sent: spans and metrics are built anew with clean texts.

A span is frozen when a processor sees it end, so only an exporter's wrapper can clean its name, attributes, events
(`exception.message`, `exception.stacktrace`), links and status. Others' spans on our provider pass here too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

from clearway.rules.scrub import NET, Scrubber

#: Random and ours: not to be taken for anything else, and costly to look at.
_OURS = frozenset({"clearway.run_id", "clearway.approval.id", "gen_ai.conversation.id"})
#: Never sent: what an exception said, and how a process was called.
_DROPPED = frozenset(
    {
        "exception.message",
        "exception.stacktrace",
        "process.command",
        "process.command_args",
        "process.command_line",
    }
)
_CACHED = 4096


class Cleaner:
    """Cleans names and attributes. Remembers short texts it has cleaned; what it answers depends on the text alone."""

    def __init__(self, scrubber: Scrubber | None = None) -> None:
        self._scrubber = scrubber or NET
        self._short = lru_cache(maxsize=_CACHED)(self._scrubber.text)

    def text(self, text: str) -> str:
        return self._short(text) if len(text) <= 80 else self._scrubber.text(text)

    def attributes(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            self.text(name): value if name in _OURS else self._value(value)
            for name, value in (attributes or {}).items()
            if name not in _DROPPED
        }

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return "<BYTES>"
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**11:
            return self._scrubber.tree(value)
        if isinstance(value, Sequence):
            return [self._value(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        return value

    def resource(self, resource: Resource) -> Resource:
        return Resource(self.attributes(resource.attributes), resource.schema_url)

    def span(self, span: ReadableSpan) -> ReadableSpan:
        return ReadableSpan(
            name=self.text(span.name),
            context=span.get_span_context(),
            parent=span.parent,
            resource=self.resource(span.resource),
            attributes=self.attributes(span.attributes),
            events=[Event(self.text(e.name), self.attributes(e.attributes), e.timestamp) for e in span.events],
            links=[Link(link.context, self.attributes(link.attributes)) for link in span.links],
            kind=span.kind,
            # A status' text is an exception's text, where others set it.
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def metrics(self, sent: MetricsData) -> MetricsData:
        return replace(
            sent,
            resource_metrics=[
                replace(
                    of_resource,
                    resource=self.resource(of_resource.resource),
                    scope_metrics=[
                        replace(of_scope, metrics=[self._metric(metric) for metric in of_scope.metrics])
                        for of_scope in of_resource.scope_metrics
                    ],
                )
                for of_resource in sent.resource_metrics
            ],
        )

    def _metric(self, metric: Any) -> Any:
        points = [
            # No exemplars: they hold the attributes that a view has left out.
            replace(point, attributes=self.attributes(point.attributes), exemplars=[])
            for point in metric.data.data_points
        ]
        return replace(metric, name=self.text(metric.name), data=replace(metric.data, data_points=points))


class ScrubbingSpanExporter(SpanExporter):
    """Hands clean copies on to `exporter`."""

    def __init__(self, exporter: SpanExporter, cleaner: Cleaner) -> None:
        self._exporter, self._cleaner = exporter, cleaner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([self._cleaner.span(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class ScrubbingMetricExporter(MetricExporter):
    """Hands clean copies on to `exporter`."""

    def __init__(self, exporter: MetricExporter, cleaner: Cleaner) -> None:
        super().__init__(
            preferred_temporality=exporter._preferred_temporality,
            preferred_aggregation=exporter._preferred_aggregation,
        )
        self._exporter: Any = exporter
        self._cleaner = cleaner

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        return self._exporter.export(self._cleaner.metrics(metrics_data), timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        self._exporter.shutdown(timeout_millis, **kwargs)
