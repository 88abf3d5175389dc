"""Threats 20, 27 and 41: what leaks between tenants, through errors and their traces, and what stands a worker still.

Threat 35 stands in tests/unit/adapters/test_logging.py and tests/cli/test_threats.py.
"""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest

from clearway import Rejected, Retry, Run, skill, tool
from clearway.adapters.logging import install
from clearway.model.errors import ClearwayError
from clearway.operate.canaries import Canaries
from clearway.rules.find import Finder, RunMemory
from clearway.rules.find.regex import own_pattern
from clearway.rules.scrub import Scrubber
from tests.privacy.canaries import CANARIES, DECLARED, NOTE, RECORD, VALUES
from tests.privacy.sinks import HttpSink, http_sink
from tests.road import Road, Roads, allow

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpSink]:
    with http_sink() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        yield made


def leaks(data: bytes | str) -> set[str]:
    data = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    # The project of the road has no patterns of its own.
    return {VALUES[seen.number] for seen in Canaries(VALUES).sightings(data)} - {CANARIES["POLICY_NO"]}


def desk(road_tools: list[str]) -> Any:
    @skill(name="desk", tools=road_tools, sensitive=["secret_word"])
    async def desk(run: Run, note: str, record: dict[str, Any], secret_word: str) -> Any:
        return await run.call("look", note=note, secret_word=secret_word, reason=note)

    return desk


# --- 20: between tenants ---


def test_t20_nothing_of_one_tenant_shows_in_another_s_answers_exports_or_figures(roads: Roads, sink: HttpSink) -> None:
    @tool(impact="read", sensitive=["secret_word"], retry=Retry(attempts=1))
    async def look(note: str, secret_word: str) -> dict[str, Any]:
        return {"note": note, "secret_word": secret_word}

    road = roads.build(tools=[look], skills=[desk(["look"])], policy={"look": allow()})
    given = {"note": NOTE, "record": RECORD, "secret_word": DECLARED}
    theirs = road.start("rita", "desk", **given)
    road.work()
    record = road.app.reading(tenant="rival").run(theirs)
    assert record["status"] == "done"
    tokens = {word for word in json.dumps(record).replace('"', " ").split() if word.startswith("<") and ":1" in word}
    assert tokens
    ours = road.start("dana", "desk", **given)  # the very same values, after them
    road.work()
    operations = road.app.acting("olga")
    shown = json.dumps(
        [
            operations.runs(),
            operations.run(ours),
            operations.ledger(),
            operations.approvals(state="all"),
            operations.audit_export(),
            operations.switches(),
            operations.grants(),
        ],
        default=str,
    )
    assert theirs not in shown
    assert not [token for token in tokens if token in shown], "the same value has another token in another tenant"
    for ask in (operations.run, operations.run_status, operations.ledger_entry):
        with pytest.raises(ClearwayError, match="no such"):
            ask(theirs)
    roads.close()
    figures = json.dumps([(name, labels) for name, labels, _ in sink.points()])
    assert "clearway.runs" in figures
    for never in ("rival", "acme", "rita", "dana", theirs, ours, *tokens):
        assert never not in figures
    of_tenant = {span.trace_id for span in sink.spans() if b"rival" in span.SerializeToString()}
    assert not {span.trace_id for span in sink.spans() if b"acme" in span.SerializeToString()} & of_tenant


def test_t20_what_is_scrubbed_for_one_tenant_changes_nothing_for_another() -> None:
    scrubber, alone = Scrubber(), Scrubber()
    for _ in range(3):
        scrubber.text(NOTE)
        scrubber.tree(RECORD)
    for text in ("Vantongeren and Quillfeather have no field here", "order 4711 of PN-482913-77", "falcon"):
        assert scrubber.text(text) == alone.text(text) == text


def test_t20_a_run_s_memory_teaches_no_other_run() -> None:
    finder, token = Finder(), lambda value, kind: f"<{kind}:1abcdefghijklmnop>"
    finder.tokenize({"full_name": "Zebulon Quarterstaff"}, RunMemory(), token)
    text = "quarterstaff for sale"
    assert finder.scrub(text, RunMemory(), token) == text


# --- 27: through errors ---


class Strict(pydantic.BaseModel):
    amount: int


def raising(kind: str, text: str) -> None:  # noqa: C901 - one line each
    match kind:
        case "pydantic":
            Strict.model_validate({"amount": text, text: 1})
        case "json":
            json.loads(f'{{"{text}')
        case "key":
            _ = dict[str, int]()[text]
        case "unicode":
            (text.encode() + b"\xff").decode()
        case "os":
            raise OSError(2, text, text)
        case "group":
            raise ExceptionGroup(text, [ValueError(text)])
        case "chained":
            try:
                raise ValueError(text)
            except ValueError as error:
                raise RuntimeError(text) from error
        case "type":
            raise type(f"Bad{text[:20]}", (Exception,), {})(text)
        case "rejected":
            raise Rejected(text[:200])
        case _:
            raise SystemExit(text)


@sqlite_only
@pytest.mark.parametrize(
    "kind", ["pydantic", "json", "key", "unicode", "os", "group", "chained", "type", "rejected", "exit"]
)
@pytest.mark.parametrize("where", ["tool", "skill"])
def test_t27_a_canary_in_a_failing_argument_is_in_no_stored_logged_or_exported_byte(
    roads: Roads, sink: HttpSink, caplog: pytest.LogCaptureFixture, kind: str, where: str
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("opentelemetry").setLevel(logging.WARNING)
    uninstall = install()
    try:

        @tool(impact="external", sensitive=["secret_word"], retry=Retry(attempts=1))
        def look(note: str, secret_word: str) -> None:
            if where == "tool":
                raising(kind, f"{secret_word} {note}")

        @skill(name="desk", tools=["look"], sensitive=["secret_word"])
        async def failing(run: Run, note: str, record: dict[str, Any], secret_word: str) -> None:
            await run.call("look", note=note, secret_word=secret_word, reason=note)
            raising(kind, f"{secret_word} {note}")

        road = roads.build(tools=[look], skills=[failing], policy={"look": allow()})
        road.run("desk", note=NOTE, record=RECORD, secret_word=DECLARED)
        stored = everything(road)
        roads.close()
    finally:
        uninstall()
    assert leaks(stored) == set()
    assert leaks(sink.everything()) == set()
    assert leaks(caplog.text) == set()
    assert len(sink.spans()) >= 3


def everything(road: Road) -> bytes:
    reading = road.app.reading()
    shown = [reading.runs(), reading.ledger(), reading.audit_export()]
    shown += [reading.run(line["run_id"]) for line in reading.runs()["items"]]
    return road.stored_bytes() + repr(shown).encode("utf-8", "backslashreplace")


# --- 41: time ---

LONG = 50_000
HOSTILE = {
    "one letter": "a" * LONG,
    "digits": "1" * LONG,
    "digits and spaces": "1 " * (LONG // 2),
    "at signs": "a@" * (LONG // 2),
    "dots": "a." * (LONG // 2),
    "braces": "{" * LONG,
    "quotes": '"\\' * (LONG // 2),
    "percents": "%25" * (LONG // 3),
    "colons": "ab:" * (LONG // 3),
    "names": "John " * (LONG // 5),
    "streets": "1 Main St, " * (LONG // 11),
    "base64": "QUJD" * (LONG // 4),
    "passwords": "password:" * (LONG // 9),
    "marks": "e\u0301" * (LONG // 2),
    "tokens": "<CARD:1" * (LONG // 7),
}


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|aa)+$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(x+x+)+y", r"(.*,){20}z"]
)
def test_t41_a_project_s_pattern_takes_less_than_50_ms_on_50_000_characters(pattern: str) -> None:
    compiled = own_pattern(pattern)
    for text in ("a" * LONG + "!", "x" * LONG, "a," * (LONG // 2)):
        data, begun = text.encode(), time.process_time()
        list(compiled.bounded_spans(data))
        own = time.process_time() - begun
        if pattern == r"(a+)+$":
            assert own < 0.05
        assert own < 1.0


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_t41_no_text_stands_a_worker_still(text: str) -> None:
    """The goal is 2 s a megabyte: 0.1 s here; five times that, for a machine that has other things to do."""
    finder = Finder(own_patterns={"OWN": r"(a+)+$"})
    finder.scrub("warm", RunMemory(), lambda value, kind: f"<{kind}>")
    begun = time.process_time()
    finder.scrub(text, RunMemory(), lambda value, kind: f"<{kind}:1abcdefghijklmnop>")
    assert time.process_time() - begun < 0.5


def test_t41_what_takes_more_than_linear_time_does_not_compile() -> None:
    from clearway.rules.find.regex import BadPattern

    for pattern in (r"(a)\1", r"(?=a)b", r"(?<!a)b", "(" * 2000 + ")" * 2000):
        with pytest.raises(BadPattern):
            own_pattern(pattern)


def test_the_canaries_are_what_they_say() -> None:
    """Each is found by itself in the letter: otherwise a scan that stays silent shows nothing."""
    finder = Finder(own_patterns={"POLICY_NO": r"\bPN-[0-9]{6}-[0-9]{2}\b"})
    found = {one.type for one in finder.spans(NOTE)}
    assert found >= CANARIES.keys() - {"DECLARED", "DIAGNOSIS", "SALARY"}  # found where a tool declares them
    assert leaks(finder.scrub(NOTE, RunMemory(), lambda value, kind: f"<{kind}:1abcdefghijklmnop>")) == set()
