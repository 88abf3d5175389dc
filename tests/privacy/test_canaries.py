"""No byte of anything personal in what is stored, shown, logged or sent. The ways out are told from the code."""

import io
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from clearway.cli.privacy_scan import stand_ins_of
from clearway.operate.canaries import Canaries
from clearway.operate.scan import Scan
from clearway.rules.find import Finder
from tests.privacy import paths
from tests.privacy.canaries import NOTE, PATTERNS, VALUES
from tests.privacy.play import Played, play, surroundings

pytestmark = [pytest.mark.slow]


def places(path: Path) -> list[str]:
    scan = Scan(None, Canaries(VALUES))
    found = [str(place.as_json()) for place in scan.paths([path])]
    assert not scan.unread
    assert scan.bytes > 0
    return found


def sightings(text: str | bytes) -> list[tuple[str, str]]:
    data = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
    return [(VALUES[seen.number][:4] + "…", seen.form) for seen in Canaries(VALUES).sightings(data)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, printed: "Printed") -> Iterator[Played]:
    monkeypatch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("canaries")
    try:
        with surroundings(folder, monkeypatch) as sink:
            yield play(folder, sink, printed, monkeypatch)
    finally:
        monkeypatch.undo()


class Printed:
    """What was written to stdout and stderr since the last asking."""

    def __init__(self) -> None:

        self._streams = [io.StringIO(), io.StringIO()]
        self._saved = (sys.stdout, sys.stderr)
        sys.stdout, sys.stderr = self._streams

    def __call__(self) -> str:
        out, err = (stream.getvalue() for stream in self._streams)
        for stream in self._streams:
            stream.seek(0)
            stream.truncate()
        return out if out.startswith("{") and not err.startswith("{") else out + err

    def restore(self) -> None:

        sys.stdout, sys.stderr = self._saved


@pytest.fixture(scope="module")
def printed() -> Iterator[Printed]:
    made = Printed()
    yield made
    made.restore()


def test_the_tools_were_given_the_real_values(played: Played) -> None:
    assert any(NOTE in text for text in played.received)


def test_no_file_holds_a_canary(played: Played) -> None:
    assert {path.name for path in played.folder.rglob("*")} >= {"clearway.db", "keyring.json", "others.log", "tmp"}
    assert places(played.folder) == []


def test_no_packet_holds_a_canary(played: Played) -> None:
    assert len(played.sink.spans()) > 50
    assert sightings(played.sink.everything()) == []


def test_no_mail_and_nothing_that_a_model_was_asked_holds_a_canary(played: Played) -> None:
    assert played.sent["models"].count("<EMAIL:1") >= 4
    assert "Subject:" in played.sent["mail"]
    assert any(path == "/hook" for path, _ in played.sink.packets)
    assert {name: found for name, text in played.sent.items() if (found := sightings(text))} == {}


def test_nothing_that_was_shown_holds_a_canary(played: Played) -> None:
    leaks = {name: found for name, text in played.outputs.items() if (found := sightings(text))}
    assert leaks == {}


# --- Every way out is exercised ---

#: Tables and columns that this project leaves empty. What fills them is another suite's; that a leak there would be
#: found is shown by `test_planted.py`, column by column.
EMPTY_HERE = {
    "runs.held_for": "a rollback that holds runs under way for people, tests/releases",
    "runs.active_pass": "empty once no pass is at work",
}
#: What speaks to the outside → what of it is exercised, and where.
SPEAKERS = {
    "adapters/dbos_engine/executors.py": "listens on no port: a process' name only",
    "adapters/models/pydantic_ai_client.py": "what a model is asked: the agent of the play",
    "adapters/notify/channels.py": "notices: mail and webhook of the play",
    "adapters/notify/public_http.py": "notices: the webhook of the play",
    "remote/connection.py": "the client of a server: sends what its caller gives it to that server",
    "rules/failure.py": "names of exceptions only",
}
LOG_WRITERS = {"cli/logs.py"}
EXPORTERS = {"ScrubbingSpanExporter", "ScrubbingMetricExporter"}


def test_every_operation_is_exercised(played: Played) -> None:
    assert set(paths.operations()) - played.exercised["operations"] == set()


def test_every_command_is_exercised(played: Played) -> None:
    assert set(paths.typed_commands()) - played.exercised["commands"] == set()


def test_every_route_of_the_server_is_exercised(played: Played) -> None:
    from clearway.server.rights import ROUTES

    assert {f"{method} {path}" for method, path in ROUTES} - played.exercised["routes"] == set()


def test_every_table_and_column_that_can_hold_text_is_exercised_or_named(played: Played) -> None:
    store = played.folder / "project" / ".clearway" / "clearway.db"
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        empty = {
            (table, column)
            for table, column in paths.columns()
            if not connection.execute(f'SELECT 1 FROM "{table}" WHERE "{column}" IS NOT NULL LIMIT 1').fetchone()
        }
    assert {f"{t}.{c}" for t, c in empty if t not in EMPTY_HERE and f"{t}.{c}" not in EMPTY_HERE} == set()
    assert {table for table, _ in paths.columns()} >= {name.partition(".")[0] for name in EMPTY_HERE}
    unneeded = {name for name in EMPTY_HERE if not any(name in (t, f"{t}.{c}") for t, c in empty)}
    assert unneeded == set(), "filled by now"


def test_everything_that_speaks_writes_or_exports_is_known() -> None:
    """A new one has to be exercised, and then named here."""
    assert paths.speakers() - SPEAKERS.keys() == set()
    assert paths.log_writers() == LOG_WRITERS
    assert paths.exporters() == EXPORTERS


def test_people_of_an_identity_provider_signed_in(played: Played) -> None:
    assert played.exercised["sign-in"] == {"opaque", "a letter", "an address", "refused"}
    store = played.folder / "project" / ".clearway" / "clearway.db"
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        users = {row[0] for row in connection.execute("SELECT user_id FROM signed_in_users")}
        open_sessions = connection.execute("SELECT count(*) FROM sessions WHERE ended_at IS NULL").fetchone()[0]
    assert len(users) == 4
    assert {"oidc.u-4711", "oidc.u-4712"} < users
    assert open_sessions >= 1


def test_the_log_of_others_and_the_worker_s_were_written_to(played: Played) -> None:
    text = (played.folder / "others.log").read_text(encoding="utf-8")
    assert text.count("desk.of.the.project") > 10
    assert "<EMAIL>" in text
    assert "<POLICY_NO>" in text
    assert "desk.of.the.project" in (played.folder / "worker.out").read_text(encoding="utf-8")


def test_what_the_detectors_know_is_in_no_cell_of_the_store_either(played: Played) -> None:
    keyring = played.folder / "project" / ".clearway" / "keyring.json"
    scan = Scan(Finder(own_patterns=PATTERNS), Canaries([]), keyring, stand_ins_of(keyring, ["acme", "globex"]))
    found = [place.as_json() for place in scan.paths([played.folder / "project" / ".clearway"])]
    assert found == []
    assert scan.cells > 1000
