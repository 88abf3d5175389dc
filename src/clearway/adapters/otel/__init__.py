"""Telemetry by OpenTelemetry. The API comes with Clearway; SDK and OTLP exporter with `clearway[telemetry]`.

`names` is our own, stable schema; `gen_ai` the one place with names of the GenAI conventions, which still change.
`providers` sets all up; nothing of OpenTelemetry is imported where nobody watches.
"""
