"""Telemetry: spans and figures as they reach an OTLP collector."""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clearway import Retry, Run, skill, tool
from clearway.adapters.otel import gen_ai, names
from clearway.adapters.otel.providers import build, is_on, open_telemetry
from clearway.adapters.otel.scrubbing import Cleaner, ScrubbingSpanExporter
from clearway.adapters.otel.telemetry import OtelTelemetry, joined
from clearway.model.errors import ConfigError
from clearway.model.telemetry import TelemetrySettings
from clearway.runtime.tracing import SILENT
from tests.privacy.sinks import HttpSink, attributes, http_sink
from tests.road import Roads, allow, hold

SOURCES = Path(names.__file__).parents[2]
EMAIL = "jane.doe@example.com"
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpSink]:
    with http_sink() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        yield made


def of_kind(sink: HttpSink, beginning: str) -> list[dict[str, Any]]:
    return [attributes(span) for span in sink.spans() if span.name.startswith(beginning)]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
class TestOfARun:
    """One run that is held, approved, and whose second call fails."""

    @pytest.fixture
    def told(self, roads: Roads, sink: HttpSink) -> HttpSink:
        @tool(impact="external", sensitive=["card"], owner="billing")
        async def refund(card: str, amount_minor: int) -> str:
            return "done"

        @tool(impact="read", retry=Retry(attempts=1))
        async def look(card: str) -> str:
            raise ValueError(f"no such card {card}")

        @skill(tools=["refund", "look"], sensitive=["card"], owner="desk-team")
        async def desk(run: Run, card: str) -> None:
            await run.call("refund", card=card, amount_minor=5)
            await run.call("look", card=card)

        road = roads.build(tools=[refund, look], skills=[desk], policy={"refund": hold(), "look": allow()})
        with joined(CALLER):
            run_id = road.start("dana", "desk", card="4111-CANARY")
        road.work()
        road.vote("amir")
        road.work()
        assert road.status(run_id) == "failed"
        roads.close()
        return sink

    def test_every_pass_hangs_on_the_trace_of_the_request(self, told: HttpSink) -> None:
        traces = {span.trace_id.hex() for span in told.spans()}
        assert traces == {CALLER.split("-")[1]}
        passes = of_kind(told, "invoke_workflow desk")
        assert [one["clearway.pass"] for one in passes] == [1, 2]
        assert [one["clearway.status"] for one in passes] == ["waiting", "failed"]
        assert len({one["clearway.run_id"] for one in passes}) == 1

    def test_a_run_says_who_owns_the_fix_and_how_it_ended(self, told: HttpSink) -> None:
        last = of_kind(told, "invoke_workflow desk")[-1]
        assert last["clearway.owner"] == "desk-team"
        assert last["error.type"] == "ValueError"
        assert last["gen_ai.operation.name"] == "invoke_workflow"
        assert last["clearway.skill.name"] == last["gen_ai.workflow.name"] == "desk"
        assert {"clearway.request_id", "clearway.correlation_id", "clearway.release.digest"} <= last.keys()

    def test_decisions_approvals_and_calls_have_spans_of_their_own(self, told: HttpSink) -> None:
        decided = of_kind(told, "clearway.policy_decision")
        assert [(one["clearway.tool.name"], one["clearway.decision.verdict"]) for one in decided] == [
            ("refund", "hold"),
            ("refund", "hold"),
            ("look", "allow"),
        ]
        asked, answered = of_kind(told, "clearway.approval")
        assert (asked["clearway.status"], answered["clearway.status"]) == ("pending", "approved")
        assert answered["clearway.approval.approvers"][0].startswith("<APPROVER:")
        calls = {span.name: span for span in told.spans() if span.name.startswith("execute_tool")}
        assert set(calls) == {"execute_tool refund", "execute_tool look"}
        assert attributes(calls["execute_tool look"])["error.type"] == "ValueError"
        assert of_kind(told, "clearway.route")[0]["clearway.outcome"] == "matched"

    def test_no_value_and_no_text_of_an_exception_is_sent(self, told: HttpSink) -> None:
        everything = told.everything()
        assert b"execute_tool refund" in everything
        for never in (b"CANARY", b"no such card", b"exception.message", b"gen_ai.tool.call.arguments", b"dana"):
            assert never not in everything

    def test_figures_count_it_and_hold_no_ids(self, told: HttpSink) -> None:
        figures = {(name, tuple(sorted(labels.items()))): point for name, labels, point in told.points()}
        assert figures["clearway.runs", (("skill", "desk"), ("status", "failed"))].as_double == 1
        assert figures["clearway.runs", (("skill", "desk"), ("status", "done"))].as_double == 0
        assert figures["clearway.decisions", (("tool", "look"), ("verdict", "deny"))].as_double == 0
        assert figures["clearway.decisions", (("tool", "look"), ("verdict", "allow"))].as_double == 1
        assert figures["clearway.approvals.pending", (("environment", "dev"),)].as_int == 0
        assert figures["clearway.step.duration", (("outcome", "succeeded"), ("tool", "refund"))].count == 1
        labels = {label for _, pairs in figures for label, _ in pairs}
        assert labels <= {"skill", "status", "verdict", "tool", "environment", "outcome", "router"}


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_an_approval_that_waits_and_an_effect_in_doubt_show_in_the_gauges(
    roads: Roads,
    sink: HttpSink,
) -> None:
    @tool(impact="external")
    async def refund(amount_minor: int) -> str:
        raise TimeoutError

    @skill(tools=["refund"])
    async def desk(run: Run) -> None:
        await run.call("refund", amount_minor=1)

    road = roads.build(tools=[refund], skills=[desk], policy={"refund": hold()})
    road.start("dana", "desk")
    road.work()
    road.start("dana", "desk")
    road.work()
    road.vote("amir", approval_id=road.pending()[0]["approval_id"])
    road.work()
    roads.close()
    gauges = {
        (name, labels["environment"]): point.as_int
        for name, labels, point in sink.points()
        if "effects" in name or "pending" in name
    }
    assert gauges == {
        ("clearway.approvals.pending", "dev"): 1,
        ("clearway.approvals.pending", "prod"): 0,
        ("clearway.effects.unknown", "dev"): 1,
        ("clearway.effects.unknown", "prod"): 0,
    }


# --- The last net ---


def test_the_exporter_s_wrapper_cleans_every_part_of_anybody_s_span() -> None:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.trace import Link, SpanContext, Status, StatusCode

    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"host": EMAIL, "process.command_line": EMAIL}))
    provider.add_span_processor(SimpleSpanProcessor(ScrubbingSpanExporter(kept, Cleaner())))
    tracer = provider.get_tracer("anybody")
    link = Link(SpanContext(1, 1, False), {"to": EMAIL})
    with contextlib.suppress(ValueError), tracer.start_as_current_span(f"mail {EMAIL}", links=[link]) as span:
        span.set_attribute(f"about {EMAIL}", ["x", EMAIL])
        span.set_attribute("card", 4111111111111111)
        span.set_attribute("json", f'{{"phone": "+49 30 901820", "mail": "{EMAIL}"}}')
        span.add_event(f"event {EMAIL}", {"text": f"to {EMAIL}"})
        span.set_status(Status(StatusCode.ERROR, f"no mail for {EMAIL}"))
        raise ValueError(EMAIL)
    (sent,) = kept.get_finished_spans()
    shown = sent.to_json() + str(sent.resource.attributes)
    assert EMAIL not in shown
    assert "4111111111111111" not in shown
    assert "901820" not in shown
    assert sent.name == "mail <EMAIL>"
    assert sent.attributes is not None
    assert sent.attributes["about <EMAIL>"] == ["x", "<EMAIL>"]
    assert [event.name for event in sent.events] == ["event <EMAIL>", "exception"]
    assert dict(sent.events[1].attributes or {}).keys() == {"exception.type", "exception.escaped"}
    assert sent.status.description is None
    assert "process.command_line" not in sent.resource.attributes


def test_labels_of_figures_are_cleaned_and_exemplars_dropped() -> None:
    from opentelemetry.sdk.metrics import MeterProvider

    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("anybody")
    meter.create_counter("sent").add(1, {"to": EMAIL})
    meter.create_histogram("took").record(0.1, {"to": EMAIL})
    data = reader.get_metrics_data()
    assert data is not None
    assert EMAIL in data.to_json()
    assert EMAIL not in Cleaner().metrics(data).to_json()


# --- Whether, and how much ---


@pytest.mark.parametrize(
    ("settings", "environ", "on"),
    [
        ({}, {}, False),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"enabled": False}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"endpoint": "http://x"}, {}, True),
        ({"enabled": True}, {}, True),
        ({"enabled": True}, {"OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_settings_decide_then_the_standard_variables(
    settings: dict[str, Any], environ: dict[str, str], on: bool
) -> None:
    assert is_on(TelemetrySettings(**settings), environ) is on


def test_telemetry_that_is_on_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=re.escape("clearway[telemetry]")):
        open_telemetry(TelemetrySettings(enabled=True), "x", {})


def test_arguments_are_sent_as_tokens_where_the_project_asks_for_content() -> None:
    for content, expected in ((False, None), (True, '{"card": "<CARD:1abcdefghijklmnop>"}')):
        kept = InMemorySpanExporter()
        telemetry = build(TelemetrySettings(content=content), "x", kept, _NoFigures(), {})
        with telemetry.span("tool", "refund", tool="refund", arguments={"card": "<CARD:1abcdefghijklmnop>"}):
            pass
        telemetry.close()
        attributes = dict(kept.get_finished_spans()[-1].attributes or {})
        assert attributes.get("gen_ai.tool.call.arguments") == expected


def test_without_anybody_who_watches_nothing_of_opentelemetry_s_sdk_is_imported() -> None:
    import subprocess

    script = (
        "import sys, clearway.app\n"
        "from clearway.adapters.otel.providers import open_telemetry\n"
        "from clearway.model.telemetry import TelemetrySettings\n"
        "assert open_telemetry(TelemetrySettings(), 'x', {}) is None\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_span_without_a_parent_begins_in_the_trace_of_whoever_started_the_process() -> None:
    kept = InMemorySpanExporter()
    telemetry = build(TelemetrySettings(), "x", kept, _NoFigures(), {"TRACEPARENT": CALLER})
    with telemetry.span("route", ""):
        assert (telemetry.traceparent() or "").split("-")[1] == CALLER.split("-")[1]
    with joined("no traceparent at all"), telemetry.span("route", ""):
        pass
    telemetry.close()
    assert len(kept.get_finished_spans()) == 2


def test_silence_takes_everything() -> None:
    with SILENT.span("tool", "x", a=1) as span:
        span.note(b=2)
        span.fail("c")
    SILENT.count("runs", status="done")
    SILENT.observe("step.duration", 1.0)
    assert SILENT.traceparent() is None


# --- Names ---


def test_names_of_the_conventions_stand_in_one_module() -> None:
    holding = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if re.search(r"[\"'`]gen_ai\.", path.read_text(encoding="utf-8"))
    }
    assert holding <= {
        "adapters/otel/gen_ai.py",
        "adapters/otel/scrubbing.py",  # what needs no cleaning
        "model/chat.py",  # where its words are from
    }


def test_every_attribute_and_metric_is_documented() -> None:
    page = (SOURCES.parents[1] / "docs" / "reference" / "telemetry.md").read_text(encoding="utf-8")
    wanted = {f"clearway.{name}" for name in (*names.METRICS, *names.GAUGES)}
    wanted |= set(names._ATTRIBUTES.values())
    wanted |= {attribute for of_kind in gen_ai.ATTRIBUTES.values() for attribute in of_kind.values()}
    wanted |= {prefix for prefix in names.SPANS.values()}
    missing = {name for name in wanted if f"`{name}" not in page}
    assert not missing


class _NoFigures:
    """An exporter of metrics that drops them."""

    _preferred_temporality = None
    _preferred_aggregation = None

    def export(self, *_: Any, **__: Any) -> None: ...

    def force_flush(self, *_: Any, **__: Any) -> bool:
        return True

    def shutdown(self, *_: Any, **__: Any) -> None: ...


def test_the_port_is_what_the_adapter_offers() -> None:
    from clearway.ports import Telemetry

    offered: Telemetry = OtelTelemetry()
    assert offered.traceparent() is None
