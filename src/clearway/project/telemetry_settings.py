"""`[telemetry]` of `clearway.toml`.

::

    [telemetry]   enabled = true   endpoint = "http://localhost:4318"   service = "acme-support"
                  sampled = 0.1    content = false
"""

from clearway.model.telemetry import TelemetrySettings
from clearway.project.located import Table


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
    settings = TelemetrySettings(
        enabled=_flag(table, "enabled"),
        endpoint=endpoint,
        service=table.text("service", None, example="acme-support"),
        sampled=None if sampled is None else float(sampled),
        content=_flag(table, "content") or False,
    )
    table.finish()
    return settings


def _flag(table: Table, key: str) -> bool | None:
    table.known.add(key)
    value = table.values.get(key)
    if value is None or isinstance(value, bool):
        return value
    table.wrong(key, "should be true or false", f"Write {key} = true.")
    return None
