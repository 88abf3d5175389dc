"""A leak planted on each way out is caught: with the guard of that way taken off, the same scan turns red there."""

import base64
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from clearway import Run, skill, tool
from clearway.adapters.dbos_engine.serializer import SealedJsonSerializer
from clearway.adapters.keyring import Keyring
from clearway.adapters.logging import Hygiene, install
from clearway.adapters.otel.scrubbing import Cleaner
from clearway.adapters.sql.cells import postgres_cells
from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.tables import metadata
from clearway.cli.main import main
from clearway.operate.canaries import Canaries
from clearway.operate.scan import Place, Scan
from clearway.operate.sqlite_cells import Cell
from clearway.rules.find import RunMemory
from clearway.rules.redact import Masker
from clearway.rules.scrub import Scrubber
from tests.privacy import paths
from tests.privacy.canaries import CANARIES, DECLARED, NOTE, RECORD, VALUES
from tests.privacy.sinks import HttpSink, http_sink
from tests.road import Roads, hold

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
EMAIL = CANARIES["EMAIL"]


def found_in(data: str | bytes) -> bool:
    data = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    return any(VALUES[seen.number] != CANARIES["POLICY_NO"] for seen in Canaries(VALUES).sightings(data))


# --- Tables and columns ---


def test_a_leak_in_any_column_of_any_table_is_found_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "planted.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    with engine.begin() as connection:
        for table in metadata.tables.values():
            row = {c.name: f"{EMAIL} {n}" if c.type.python_type is str else 1 for n, c in enumerate(table.columns)}
            connection.execute(table.insert().values(**row))
    engine.dispose()
    for scan in (Scan(None, Canaries([EMAIL])), Scan(_finder(), Canaries([]))):
        found = {(place.table, place.column) for place in scan.paths([path]) if place.table}
        assert found == paths.columns()


def test_a_leak_in_any_column_of_the_engine_s_is_found_too(tmp_path: Path) -> None:
    from clearway.adapters.dbos_engine import DbosEngine

    url = f"sqlite:///{tmp_path}/engine.db"
    engine = open_engine(url)
    DbosEngine(url, engine, Keyring.open_or_create(tmp_path / "keys" / "keyring.json")).prepare()
    engine.dispose()
    with closing(sqlite3.connect(tmp_path / "engine.db")) as connection:
        tables = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        planted: set[tuple[str, str]] = set()
        with closing(sqlite3.connect(tmp_path / "planted.db")) as other:
            other.execute("PRAGMA ignore_check_constraints = ON")
            for name, statement in tables.fetchall():
                other.execute(statement)
                described = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
                texts = {column[1] for column in described if "INT" not in column[2] and "REAL" not in column[2]}
                row = [f"{EMAIL} {column[1]}" if column[1] in texts else 1 for column in described]
                other.execute(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(row))})', row)
                planted |= {(name, column) for column in texts}
            other.commit()
    assert len(planted) > 40
    found = {(p.table, p.column) for p in Scan(None, Canaries([EMAIL])).paths([tmp_path / "planted.db"]) if p.table}
    assert found >= planted


@pytest.mark.postgres
def test_a_leak_in_a_column_of_postgres_is_found_with_its_place(postgres_server: Any) -> None:
    url = postgres_server.create()
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql('CREATE SCHEMA other; CREATE TABLE other."odd ""name" (a text, b json, c bytea)')
            connection.exec_driver_sql(
                'INSERT INTO other."odd ""name" VALUES (%s, %s, %s)',
                (f"x {EMAIL}", f'{{"k": "{EMAIL}"}}', EMAIL.encode("utf-16-le")),
            )
        scan = Scan(None, Canaries([EMAIL]))
        places = list(scan.table_cells(Cell(*cell) for cell in postgres_cells(engine)))
        assert {(place.table, place.column, place.form) for place in places} == {
            ('other.odd "name', "a", "plain"),
            ('other.odd "name', "b", "plain"),
            ('other.odd "name', "c", "utf-16"),
        }
        assert all(place.row == "(0,1)" for place in places)
        detected = {p.type for p in Scan(_finder(), Canaries([])).table_cells(Cell(*c) for c in postgres_cells(engine))}
        assert detected == {"EMAIL"}
    finally:
        engine.dispose()
        postgres_server.drop(url)


# --- What guards each way ---


class Out:
    """What came out of a small run, by way."""

    def __init__(self) -> None:
        self.by_way: dict[str, str | bytes] = {}

    @property
    def leaking(self) -> set[str]:
        return {way for way, data in self.by_way.items() if found_in(data)}


class Raw(logging.Handler):
    """Somebody else's handler."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"


@pytest.fixture
def carry_out(
    roads: Roads, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Callable[[], Out]]:
    with http_sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        yield lambda: _carry_out(roads, sink, capsys, tmp_path)


def _carry_out(roads: Roads, sink: HttpSink, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Out:
    @tool(impact="external", sensitive=["secret_word"], targets="customer:{customer}")
    def charge(customer: str, note: str, secret_word: str) -> dict[str, Any]:
        return {"note": note, "echo": secret_word}

    @skill(tools=["charge"], sensitive=["secret_word"])
    async def desk(run: Run, note: str, record: dict[str, Any], secret_word: str) -> Any:
        logging.getLogger("the.project").warning("asked: %s", note)
        return await run.call("charge", customer="c-1", note=note, secret_word=secret_word, reason=note)

    out, handler = Out(), Raw()
    logging.getLogger().addHandler(handler)
    uninstall = install()
    try:
        road = roads.build(tools=[charge], skills=[desk], policy={"charge": hold()})
        given = {"note": NOTE, "record": RECORD, "secret_word": DECLARED}
        run_id = road.start("dana", "desk", **given)
        road.work()
        telemetry: Any = road.app.telemetry
        with telemetry.span("tool", f"x {NOTE}", owner=NOTE):
            telemetry.count("routes", router=NOTE)
        road.vote("amir", comment=NOTE)
        road.work()
        assert road.status(run_id) == "done"
        reading = road.app.reading()
        shown = [reading.run(run_id), reading.ledger(), reading.approvals(state="all"), reading.audit_export()]
        out.by_way["shown"] = repr(shown)
        out.by_way["store"] = road.stored_bytes()
        roads.close()
        capsys.readouterr()
        main(["kill", "engage", EMAIL, "--reason", "x"])
        written = capsys.readouterr()
        out.by_way["command line"] = written.out + written.err
    finally:
        uninstall()
        logging.getLogger().removeHandler(handler)
    out.by_way["logs"] = handler.text
    out.by_way["spans"] = b"".join(body for path, body in sink.bodies if path == "/v1/traces")
    out.by_way["figures"] = b"".join(body for path, body in sink.bodies if path == "/v1/metrics")
    assert all(out.by_way.values())
    return out


@SQLITE
def test_with_its_guards_on_nothing_leaks(carry_out: Callable[[], Out]) -> None:
    assert carry_out().leaking == set()


def _same(_: Any, value: Any, *__: Any, **___: Any) -> Any:
    return value


def _unsealed(_: Any, plaintext: bytes, *__: Any) -> str:
    return f"v1.k.{base64.urlsafe_b64encode(plaintext).decode()}"


#: Guard → (where it stands, what stands there instead, the ways that must turn red).
GUARDS: dict[str, tuple[list[tuple[type, str]], Callable[..., Any], set[str]]] = {
    "the masker, of values": ([(Masker, "mask")], _same, {"store", "shown"}),
    "the masker, of texts": ([(Masker, "scrub")], _same, {"store", "shown"}),
    "the log filter": ([(Hygiene, "clean")], lambda *_: None, {"logs"}),
    "the exporter of spans": ([(Cleaner, "span")], _same, {"spans"}),
    "the exporter of figures": ([(Cleaner, "metrics")], _same, {"figures"}),
    "the last net": ([(Scrubber, "text")], _same, {"logs", "spans", "figures", "command line"}),
}


@SQLITE
@pytest.mark.parametrize("guard", list(GUARDS))
def test_with_one_guard_off_the_scan_turns_red_on_its_way(
    carry_out: Callable[[], Out], monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    places, instead, ways = GUARDS[guard]
    for owner, name in places:
        monkeypatch.setattr(owner, name, instead)
    leaking = carry_out().leaking
    assert ways <= leaking


def test_the_engine_s_values_without_their_seal_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keyring = Keyring.open_or_create(tmp_path / "keys" / "keyring.json")
    value = {"args": (NOTE,), "kwargs": {}}
    assert not found_in(SealedJsonSerializer(keyring).serialize(value))
    monkeypatch.setattr(Keyring, "seal", _unsealed)
    assert found_in(SealedJsonSerializer(keyring).serialize(value))


# --- Files ---


@pytest.mark.parametrize("value", VALUES)
def test_every_canary_is_found_in_every_form_of_file(tmp_path: Path, value: str) -> None:
    import gzip
    import zipfile
    from urllib.parse import quote

    (tmp_path / "plain.log").write_text(f"{'x' * 1_100_000}{value}", encoding="utf-8")
    (tmp_path / "border.log").write_bytes(b"y" * ((1 << 20) - len(value) // 2) + value.encode() + b"z" * 3000)
    (tmp_path / "upper.log").write_text(value.upper())
    (tmp_path / "wide.txt").write_text(value, encoding="utf-16")
    (tmp_path / "base64.txt").write_bytes(base64.b64encode(b"a" + value.encode() + b"bc"))
    (tmp_path / "hex.txt").write_text(f"0a{value.encode().hex()}".upper())
    (tmp_path / "url.txt").write_text(quote(value, safe=""))
    (tmp_path / "reversed.txt").write_text(value[::-1])
    with gzip.open(tmp_path / "log.gz", "wt") as file:
        file.write(value)
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/inner.jsonl", value)
        archive.write(tmp_path / "log.gz", "inner.gz")
    scan = Scan(None, Canaries([value]))
    places = list(scan.paths([tmp_path]))
    assert {Path(place.path.partition("!")[0]).name for place in places} == {p.name for p in tmp_path.iterdir()}
    assert value not in repr(places)
    inside = {place.path.partition("!")[2] for place in places if place.path.partition("!")[0].endswith(".zip")}
    assert inside >= {"a/inner.jsonl", "inner.gz!"}


def test_what_was_deleted_from_a_database_is_found_in_its_free_pages_and_its_log(tmp_path: Path) -> None:
    for name, checkpoint in (("free.db", True), ("log.db", False)):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA secure_delete = OFF")  # some builds overwrite what is deleted
            connection.execute("CREATE TABLE t (a)")
            connection.executemany("INSERT INTO t VALUES (?)", [(f"{EMAIL} {n} {'x' * 500}",) for n in range(100)])
            connection.commit()
            connection.execute("DELETE FROM t")
            connection.commit()
            if checkpoint:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            scan = Scan(_finder(), Canaries([EMAIL]))
            places = list(scan.paths(sorted(tmp_path.glob(f"{name}*"))))
            assert {place.type for place in places} == {"CANARY", "EMAIL"}
            assert not any(place.table for place in places)
            # This process has it open: its locks are still there, and it still writes.
            connection.execute("INSERT INTO t VALUES (1)")
            connection.commit()


@pytest.mark.parametrize("number", [64, 0x4040, -192, 1_795_000_000_576, 1 << 48 | 64])
def test_a_number_between_two_columns_is_no_at_sign_wherever_the_row_stands(tmp_path: Path, number: int) -> None:
    assert 0x40 in number.to_bytes(8, "big", signed=True)
    for way in ("wal", "delete"):
        with closing(sqlite3.connect(tmp_path / f"{way}.db")) as connection:
            connection.execute(f"PRAGMA journal_mode = {way}")
            connection.execute("PRAGMA secure_delete = ON")  # as in our own stores
            connection.execute("CREATE TABLE t (name TEXT, error TEXT, took INTEGER, kind TEXT, note TEXT)")
            connection.execute("CREATE INDEX i ON t (name, took, kind)")
            rows = [(f"worker{n}", None, number, "approval.decided", "x" * (n % 90)) for n in range(300)]
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
            connection.commit()
            connection.execute("DELETE FROM t WHERE length(note) % 7 = 0")  # rows move
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows[:99])
            connection.commit()
            assert b"worker1" in b"".join(path.read_bytes() for path in tmp_path.glob(f"{way}.db*"))
            assert list(Scan(_finder(), Canaries([])).paths(sorted(tmp_path.glob(f"{way}.db*")))) == []


def test_an_address_in_a_row_with_such_numbers_is_found_still(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "rows.db")) as connection:
        connection.execute("CREATE TABLE t (name TEXT, took INTEGER, mail TEXT, again INTEGER, kind TEXT)")
        rows = [(f"worker{n}", 64, EMAIL, 64, "approval.decided") for n in range(50)]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
        connection.commit()
    places = list(Scan(_finder(), Canaries([])).paths([tmp_path / "rows.db"]))
    assert len([place for place in places if place.type == "EMAIL" and not place.table]) == 50


def test_the_middle_of_a_sealed_value_is_no_key_however_a_page_s_border_cuts_it(tmp_path: Path) -> None:
    key = "AKC" + "pm3K8wAzZqXI2PIC7X" * 4
    with closing(sqlite3.connect(tmp_path / "sealed.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (?)", (f"v1.k1.{'Ab_9-zQ' * 3000}-{key}",))
        connection.execute("INSERT INTO t VALUES (?)", (f"the key: {key}",))
        connection.commit()
    bare, whole = ([f.value for f in _finder().spans(text, RunMemory())] for text in (f"{'Ab_9-zQ' * 5}-{key}", key))
    assert bare == whole == [key]
    places = list(Scan(_finder(), Canaries([])).paths([tmp_path / "sealed.db"]))
    assert [(place.type, place.row) for place in places] == [("API_KEY", ""), ("API_KEY", "2")]


def test_what_is_sealed_is_no_key_among_the_columns_of_a_row(tmp_path: Path) -> None:
    key = "AKC" + "pm3K8wAzZqXI2PIC7X" * 4
    with closing(sqlite3.connect(tmp_path / "sealed.db")) as connection:
        connection.execute("CREATE TABLE t (kind, sealed, at)")
        connection.execute("INSERT INTO t VALUES ('IP', ?, 1.5)", (f"v2.{key}",))
        connection.execute("INSERT INTO t VALUES ('start', ?, 1.5)", (f"v1.seal-1a76b4f7.NO__-{key}",))
        connection.execute("INSERT INTO t VALUES ('IP', ?, 1.5)", (f"v3.{key}",))
        connection.commit()
    places = list(Scan(_finder(), Canaries([])).paths([tmp_path / "sealed.db"]))
    assert [(place.type, place.row) for place in places] == [("API_KEY", ""), ("API_KEY", "3")]


def test_a_key_behind_a_long_name_or_id_is_found_among_bytes(tmp_path: Path) -> None:
    found: list[str] = []
    for before in (
        "order-reference-number-is-",
        "run-0123456789abcdef0123-0123456789abcdef0123-",
        "CUSTOMER_ACCOUNT_SESSION_TOKEN_OF_THE_LAST_RUN-",
        "customer_account_session-token_of_the_very_last_run-",
    ):
        path = tmp_path / "bytes"
        path.write_bytes(b"\0\1\2" + f"{before}{CANARIES['API_KEY']}".encode() + b"\0" * 9000)
        found += [place.type for place in Scan(_finder(), Canaries([])).paths([path])]
    assert found == ["API_KEY"] * 4


def test_a_value_that_a_page_s_border_cuts_is_found(tmp_path: Path) -> None:
    path = tmp_path / "overflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE t (a)")
        for shift in range(0, 4100, 20):
            connection.execute("INSERT INTO t VALUES (?)", ("x" * (4000 + shift) + EMAIL + "y" * (9000 - shift),))
        connection.commit()
        connection.execute("DELETE FROM t")
        connection.commit()
    forms = [place.form for place in Scan(None, Canaries([EMAIL])).paths([path])]
    assert "over a page's border" in forms


def test_tokens_and_sealed_values_are_no_findings(tmp_path: Path) -> None:
    keyring = Keyring.open_or_create(tmp_path / "keys" / "keyring.json")
    cells = [
        Cell("t", "a", "1", keyring.seal(NOTE.encode(), b"x")),
        Cell("t", "d", "1", f"v2.{'Ab_9-zQ' * 9}-AKC{'pm3K8wAzZqXI2PIC7X' * 4}"),
        Cell("t", "b", "1", "<EMAIL:1abcdefghijklmnop> <CARD:1234567abcdefghi>"),
        Cell("t", "c", "1", '{"email": "<EMAIL:1abcdefghijklmnop>"}'),
    ]
    assert list(Scan(_finder(), Canaries(VALUES)).table_cells(cells)) == []
    (tmp_path / "log").write_text("<EMAIL:1abcdefghijklmnop>\n")
    scan = Scan(_finder(), Canaries(VALUES), tmp_path / "keys" / "keyring.json")
    assert list(scan.paths([tmp_path])) == []
    assert {place.type for place in Scan(_finder(), Canaries([])).paths([tmp_path])} == {"API_KEY"}


def test_what_cannot_be_looked_through_is_named(tmp_path: Path) -> None:
    import gzip

    packed = gzip.compress(b"x" * 10_000)
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    scan = Scan(None, Canaries([EMAIL]))
    assert list(scan.paths([tmp_path])) == []
    assert [Path(path).name for path, _ in scan.unread] == ["cut.gz"]


def test_a_scan_of_a_large_file_keeps_little_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    with (tmp_path / "large.log").open("wb") as file:
        for _ in range(48):
            file.write(b"nothing to see here, move along please\n" * 27_000)
    tracemalloc.start()
    list(Scan(None, Canaries(VALUES)).paths([tmp_path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_a_place_says_no_value() -> None:
    shown = Place("EMAIL", "x.log", offset=5).as_json()
    assert shown == {"type": "EMAIL", "path": "x.log", "offset": 5}


def _finder() -> Any:
    from clearway.rules.find import Finder

    return Finder()
