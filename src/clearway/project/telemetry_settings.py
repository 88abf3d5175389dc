"""`[telemetry]` of `clearway.toml`.

::

    [telemetry]   enabled = true   endpoint = "http://localhost:4318"   service = "acme-support"
                  sampled = 0.1    content = false
                  trace_url = "https://tempo.example.com/trace/{trace_id}"   # the console links there
"""

from clearway.model.telemetry import TelemetrySettings
from clearway.project.located import Table

_TRACE_URL = "https://tempo.example.com/trace/{trace_id}"


def read_telemetry(root: Table) -> TelemetrySettings:
    """Problems are noted in `root.problems`."""
    table = root.table("telemetry")
    sampled = table.number("sampled", None, example=0.1)
    if sampled is not None and sampled > 1:
        table.wrong("sampled", "should be at most 1", "Write sampled = 0.1 to keep one trace in ten.")
        sampled = None
    endpoint = table.text("endpoint", None, example="http://localhost:4318")
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        table.wrong("endpoint", "should begin with http:// or https://", 'Write endpoint = "http://localhost:4318".')
        endpoint = None
    trace_url = table.text("trace_url", None, example=_TRACE_URL)
    if trace_url is not None and not _is_template(trace_url):
        table.wrong("trace_url", "should be an address with {trace_id} in it", f'Write trace_url = "{_TRACE_URL}".')
        trace_url = None
    settings = TelemetrySettings(
        enabled=table.flag("enabled", None),
        endpoint=endpoint,
        service=table.text("service", None, example="acme-support"),
        sampled=None if sampled is None else float(sampled),
        content=table.flag("content", False),
        trace_url=trace_url,
    )
    table.finish()
    return settings


def _is_template(text: str) -> bool:
    return text.startswith(("https://", "http://")) and text.count("{trace_id}") == 1 and text.isprintable()
