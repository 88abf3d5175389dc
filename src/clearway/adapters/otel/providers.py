"""Sets tracing and metrics up as the project and the standard `OTEL_*` variables say; silent where neither does."""

import contextlib
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from clearway.model.errors import ConfigError
from clearway.model.telemetry import TelemetrySettings

if TYPE_CHECKING:
    from clearway.adapters.otel.telemetry import OtelTelemetry

#: For the last spans and figures, when a process ends. More would make every command wait for an absent collector.
CLOSE_S = 1.0
_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


def is_on(settings: TelemetrySettings, environ: Mapping[str, str]) -> bool:
    """`enabled` decides; where it is not set, an OTLP endpoint does. OTEL_SDK_DISABLED=true is always off."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if settings.enabled is not None:
        return settings.enabled
    return bool(settings.endpoint) or any(environ.get(name) for name in _ENDPOINTS)


def open_telemetry(
    settings: TelemetrySettings, name: str, environ: Mapping[str, str] = os.environ
) -> "OtelTelemetry | None":
    """Telemetry over OTLP (HTTP, protobuf); None where it is off. `name`: of the service, where nothing else says it.

    Errors: `ConfigError` where it is on and `clearway[telemetry]` is not installed."""
    if not is_on(settings, environ):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise ConfigError(
            "Telemetry is on, and OpenTelemetry's SDK is not installed.",
            remedy="pip install 'clearway[telemetry]', or set OTEL_SDK_DISABLED=true.",
        ) from None
    base = settings.endpoint.rstrip("/") if settings.endpoint else None
    return build(
        settings,
        name,
        OTLPSpanExporter(endpoint=f"{base}/v1/traces" if base else None),
        OTLPMetricExporter(endpoint=f"{base}/v1/metrics" if base else None),
        environ,
    )


def build(
    settings: TelemetrySettings, name: str, spans: Any, figures: Any, environ: Mapping[str, str] = os.environ
) -> "OtelTelemetry":
    """The same over any exporters of the SDK; both are wrapped, so that nothing is sent unscrubbed."""
    from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    from clearway.adapters.otel.scrubbing import Cleaner, ScrubbingMetricExporter, ScrubbingSpanExporter
    from clearway.adapters.otel.telemetry import OtelTelemetry

    cleaner = Cleaner()
    service = settings.service or environ.get("OTEL_SERVICE_NAME") or name
    resource = Resource.create({"service.name": service, "service.version": version("clearway")})
    # Without it the SDK reads OTEL_TRACES_SAMPLER.
    sampler = None if settings.sampled is None else ParentBased(TraceIdRatioBased(settings.sampled))
    tracers = TracerProvider(sampler, resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(ScrubbingSpanExporter(spans, cleaner)))
    reader = PeriodicExportingMetricReader(ScrubbingMetricExporter(figures, cleaner))
    meters = MeterProvider([reader], resource, AlwaysOffExemplarFilter(), shutdown_on_exit=False)
    return OtelTelemetry(
        tracers,
        meters,
        content=settings.content,
        parent=environ.get("TRACEPARENT"),
        shut_down=_ending(tracers, meters),
    )


def _ending(tracers: Any, meters: Any) -> Callable[[], None]:
    def end() -> None:
        with contextlib.suppress(Exception):
            meters.shutdown(CLOSE_S * 1000)
        with contextlib.suppress(Exception):
            tracers.force_flush(int(CLOSE_S * 1000))
        tracers.shutdown()

    return end
