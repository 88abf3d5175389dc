"""The engine's port on DBOS, on both stores. Also the contract with what DBOS keeps private: run at each upgrade."""

import asyncio
import base64
import contextlib
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import text

from clearway.adapters.dbos_engine import DbosEngine, is_served
from clearway.adapters.dbos_engine.executors import SCHEMA
from clearway.adapters.dbos_engine.passes import LONGEST_RETRY_S, backoff_s
from clearway.adapters.keyring import Keyring
from clearway.adapters.sql.engine import open_engine
from clearway.model.errors import Conflict, Internal, Invalid, Unavailable
from clearway.model.run_ref import RunRef

CANARY = "canary-4111111111111111"
RUN = RunRef("acme", "prod", "run-1")

Eventually = Callable[..., None]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


class Site:
    """A store with an engine on it, and what its passes did."""

    def __init__(self, url: str, keyring: Keyring) -> None:
        self.url = url
        self.keyring = keyring
        self.store = open_engine(url)
        self.engine = DbosEngine(url, self.store, keyring, beat_every_s=0.1, dead_after_s=1.0)
        self.engine.prepare()
        self.started: list[tuple[str, str]] = []
        self.workers: list[subprocess.Popen[str]] = []
        with self.store.begin() as connection:
            connection.execute(text("CREATE TABLE ours (id text PRIMARY KEY)"))

    @property
    def prefix(self) -> str:
        return "" if self.store.dialect.name == "sqlite" else f"{SCHEMA}."

    async def note(self, ref: RunRef, pass_id: str) -> None:
        self.started.append((str(ref), pass_id))

    def wake(self, wake_id: str, ref: RunRef = RUN, delay_s: float = 0) -> None:
        with self.store.begin() as connection:
            self.engine.wake(connection, ref, wake_id=wake_id, delay_s=delay_s)

    def query(self, sql: str, **values: Any) -> list[Any]:
        with self.store.begin() as connection:
            found = connection.execute(text(sql.replace("@", self.prefix)), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    def status(self, pass_id: str) -> str:
        return self.query("SELECT status FROM @workflow_status WHERE workflow_uuid = :id", id=pass_id)[0][0]

    def statuses(self) -> set[str]:
        return {row[0] for row in self.query("SELECT status FROM @workflow_status")}

    def worker(self, mode: str) -> "subprocess.Popen[str]":
        program = Path(__file__).with_name("engine_worker.py")
        worker = subprocess.Popen(
            [sys.executable, "-W", "error", str(program), self.url, str(self.keyring.path), mode],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
        )
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        self.engine.stop(drain_s=0)
        for worker in self.workers:
            worker.kill()
            worker.communicate()
        self.store.dispose()


@pytest.fixture
def site(url: str, keyring: Keyring) -> Iterator[Site]:
    made = Site(url, keyring)
    yield made
    made.close()


@pytest.fixture
def sqlite_site(sqlite_url: str, keyring: Keyring) -> Iterator[Site]:
    made = Site(sqlite_url, keyring)
    yield made
    made.close()


@pytest.fixture
def pg_site(pg_url: str, keyring: Keyring) -> Iterator[Site]:
    made = Site(pg_url, keyring)
    yield made
    made.close()


def says(worker: "subprocess.Popen[str]", *words: str) -> None:
    assert worker.stdout is not None
    assert worker.stdout.readline().split()[: len(words)] == list(words)


class Held:
    """Carries passes out that are at work until `release`."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._let_go: list[Callable[[], object]] = []

    async def __call__(self, _ref: RunRef, _pass_id: str) -> None:
        released = asyncio.Event()
        self._let_go.append(partial(asyncio.get_running_loop().call_soon_threadsafe, released.set))
        self.begun.set()
        await released.wait()

    def release(self) -> None:
        for let_go in self._let_go:
            let_go()


def work_on(site: Site, wake_id: str) -> Held:
    """Wakes a pass and returns when it is at work."""
    held = Held()
    site.engine.serve(held)
    site.wake(wake_id)
    assert held.begun.wait(60)
    return held


# --- Waking ----------------------------------------------------------------------------------------------------------


def test_a_wake_that_commits_with_our_own_rows_becomes_one_pass(site: Site, eventually: Eventually) -> None:
    site.engine.serve(site.note)
    with site.store.begin() as connection:
        connection.execute(text("INSERT INTO ours VALUES ('before')"))
        site.engine.wake(connection, RUN, wake_id="run-1:start")
        connection.execute(text("INSERT INTO ours VALUES ('after')"))
    eventually(lambda: site.statuses() == {"SUCCESS"})
    assert site.started == [("acme/prod/run-1", "run-1:start")]
    assert site.query("SELECT id FROM ours ORDER BY id") == [("after",), ("before",)]


def test_a_wake_that_rolls_back_leaves_nothing(site: Site) -> None:
    connection = site.store.connect()
    connection.execute(text("INSERT INTO ours VALUES ('x')"))
    site.engine.wake(connection, RUN, wake_id="run-1:start")
    connection.rollback()
    connection.close()
    assert site.query("SELECT * FROM ours") == []
    for table in ("workflow_status", "workflow_input"):
        assert site.query(f"SELECT * FROM @{table}") == []


def test_the_same_wake_id_again_is_the_same_pass_and_the_transaction_goes_on(
    site: Site, eventually: Eventually
) -> None:
    site.engine.serve(site.note)
    with site.store.begin() as connection:
        for delay_s in (0, 5, 0):
            site.engine.wake(connection, RUN, wake_id="w", delay_s=delay_s)
        connection.execute(text("INSERT INTO ours VALUES ('x')"))
    eventually(lambda: site.statuses() == {"SUCCESS"})
    site.wake("w")  # also after its end
    site.wake("next")
    eventually(lambda: len(site.started) == 2)
    assert [pass_id for _, pass_id in site.started] == ["w", "next"]
    assert site.query("SELECT * FROM ours") == [("x",)]


def test_two_transactions_that_wake_with_one_id_at_once_make_one_pass(pg_site: Site, eventually: Eventually) -> None:
    with pg_site.store.begin() as connection:
        pg_site.engine.wake(connection, RUN, wake_id="w")
        second = threading.Thread(target=pg_site.wake, args=("w",))
        second.start()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        eventually(lambda: pg_site.query(waiting))
    second.join()
    pg_site.engine.serve(pg_site.note)
    eventually(lambda: pg_site.statuses() == {"SUCCESS"})
    assert len(pg_site.started) == 1


def test_a_wake_works_on_a_connection_whose_own_tables_have_a_schema(pg_site: Site) -> None:
    pg_site.query("CREATE SCHEMA clearway")
    ours = sqlalchemy.Table("runs", sqlalchemy.MetaData(), sqlalchemy.Column("id", sqlalchemy.Text))
    store = pg_site.store.execution_options(schema_translate_map={None: "clearway"})
    with store.begin() as connection:
        ours.create(connection)
        connection.execute(ours.insert(), {"id": "before"})
        pg_site.engine.wake(connection, RUN, wake_id="w")
        connection.execute(ours.insert(), {"id": "after"})
    assert pg_site.query("SELECT count(*) FROM clearway.runs") == [(2,)]
    assert pg_site.status("w") == "ENQUEUED"


def test_a_timer_waits_its_time(site: Site, eventually: Eventually) -> None:
    site.engine.serve(site.note)
    begun = time.monotonic()
    site.wake("later", delay_s=1)
    site.wake("now")
    eventually(lambda: len(site.started) == 2)
    assert [pass_id for _, pass_id in site.started] == ["now", "later"]
    assert 1.0 <= time.monotonic() - begun < 5


@pytest.mark.parametrize("wake_id", ["", "jane@example.org", "Jane Doe", "x" * 201, "a\nb"])
def test_a_wake_id_has_no_room_for_anything_personal(sqlite_site: Site, wake_id: str) -> None:
    with pytest.raises(Invalid) as raised:
        sqlite_site.wake(wake_id)
    assert raised.value.code == "wake_id"


def test_a_wake_into_a_store_that_was_not_prepared_says_so_without_the_statement(url: str, keyring: Keyring) -> None:
    store = open_engine(url)
    shown = r"The database refused a statement \(\w+( 42P01)?\)\."
    with pytest.raises(Internal, match=shown), store.begin() as connection:
        DbosEngine(url, store, keyring).wake(connection, RUN, wake_id="w")
    store.dispose()


# --- Passes ----------------------------------------------------------------------------------------------------------


def test_a_pass_that_finds_the_store_gone_is_tried_until_it_is_back(
    site: Site, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    async def carry_out(ref: RunRef, pass_id: str) -> None:
        await site.note(ref, pass_id)
        if len(site.started) < 5:  # more often than a defect is tried
            raise Unavailable(CANARY, code="store_full")

    site.engine.serve(carry_out)
    site.wake("w")
    eventually(lambda: site.statuses() == {"SUCCESS"})
    assert site.started == [(str(RUN), "w")] * 5
    assert "store_full" in caplog.text
    assert CANARY not in caplog.text


def test_a_defect_is_tried_three_times_and_no_text_of_it_is_stored_or_logged(
    site: Site, eventually: Eventually, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)

    async def carry_out(ref: RunRef, pass_id: str) -> None:
        await site.note(ref, pass_id)
        raise ValueError(CANARY)

    site.engine.serve(carry_out)
    site.wake("w")
    eventually(lambda: site.statuses() == {"ERROR"})
    assert len(site.started) == 3
    assert "ValueError" in caplog.text
    rows = site.query("SELECT * FROM @workflow_status") + site.query("SELECT * FROM @workflow_output")
    for shown in (caplog.text, repr(rows), *capfd.readouterr()):
        assert CANARY not in shown
        assert "Traceback" not in shown


def test_the_engine_holds_nothing_but_sealed_references(site: Site, eventually: Eventually) -> None:
    ref = RunRef("acme", "prod", CANARY)
    site.engine.serve(site.note)
    site.wake("w", ref)
    eventually(lambda: site.statuses() == {"SUCCESS"})
    rows = [site.query(f"SELECT * FROM @{table}") for table in ("workflow_status", "workflow_input", "workflow_output")]
    assert CANARY not in repr(rows)
    assert "v1.seal-" in repr(rows[1])
    assert site.query("SELECT * FROM @operation_outputs") == []


def test_a_pass_whose_key_is_not_here_yet_waits_for_it(site: Site, tmp_path: Path, eventually: Eventually) -> None:
    copied = tmp_path / "host-b"
    copied.mkdir(0o700)
    (copied / "keyring.json").write_bytes(site.keyring.path.read_bytes())
    (copied / "keyring.json").chmod(0o600)
    site.keyring.rotate("seal")
    late = DbosEngine(site.url, site.store, Keyring.open(copied / "keyring.json"))
    late.serve(site.note)
    try:
        site.wake("w")
        eventually(lambda: site.statuses() == {"PENDING"})
        (copied / "keyring.json").write_bytes(site.keyring.path.read_bytes())
        eventually(lambda: site.statuses() == {"SUCCESS"})
        assert site.started == [(str(RUN), "w")]
    finally:
        late.stop()


def test_passes_run_on_a_loop_of_their_own_also_when_served_from_a_running_one(
    site: Site, eventually: Eventually
) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def carry_out(_ref: RunRef, _pass_id: str) -> None:
        loops.append(asyncio.get_running_loop())

    async def program() -> None:
        site.engine.serve(carry_out)
        site.wake("w")
        await asyncio.to_thread(eventually, lambda: loops)
        assert loops[0] is not asyncio.get_running_loop()
        site.engine.stop()

    asyncio.run(program())


def test_waits_double_up_to_a_limit() -> None:
    assert all(0.1 <= backoff_s(1) <= 0.2 for _ in range(50))
    assert all(LONGEST_RETRY_S / 2 <= backoff_s(1000) <= LONGEST_RETRY_S for _ in range(50))


# --- Starting and stopping -------------------------------------------------------------------------------------------


def test_it_can_stop_and_serve_again(site: Site, eventually: Eventually) -> None:
    for wake_id in ("one", "two", "three"):
        site.engine.serve(site.note)
        site.wake(wake_id)
        eventually(lambda: site.statuses() == {"SUCCESS"})
        site.engine.stop()
        site.engine.stop()
    assert [pass_id for _, pass_id in site.started] == ["one", "two", "three"]


def test_a_wake_while_nobody_serves_is_carried_out_later(site: Site, eventually: Eventually) -> None:
    site.wake("w")
    assert site.status("w") == "ENQUEUED"
    site.engine.serve(site.note)
    eventually(lambda: site.statuses() == {"SUCCESS"})


def test_stopping_waits_for_the_passes_at_work_and_takes_no_other(site: Site, eventually: Eventually) -> None:
    held = work_on(site, "at-work")
    stopper = threading.Thread(target=site.engine.stop)
    stopper.start()
    site.wake("too-late")
    held.release()
    stopper.join()
    assert site.status("at-work") == "SUCCESS"
    assert site.status("too-late") in ("ENQUEUED", "PENDING")
    site.engine.serve(site.note)
    eventually(lambda: site.statuses() == {"SUCCESS"})


def test_what_a_stop_cancels_is_carried_out_by_the_next(site: Site, eventually: Eventually) -> None:
    work_on(site, "w")
    site.engine.stop(drain_s=0)
    assert site.status("w") == "PENDING"
    site.engine.serve(site.note)
    eventually(lambda: site.statuses() == {"SUCCESS"})
    assert site.started == [(str(RUN), "w")]


def test_one_process_serves_one_store(site: Site, tmp_path: Path) -> None:
    site.engine.serve(site.note)
    with pytest.raises(Conflict):
        site.engine.serve(site.note)
    other = Site(f"sqlite:///{tmp_path / 'other.db'}", site.keyring)
    with pytest.raises(Conflict, match="This process"):
        other.engine.serve(other.note)
    site.engine.stop()
    other.engine.serve(other.note)  # what it had taken of the store, it gave back
    other.close()


def test_whether_somebody_serves_can_be_asked(site: Site, eventually: Eventually) -> None:
    assert not is_served(site.url)
    worker = site.worker("finish")
    says(worker, "ready")
    assert is_served(site.url)
    assert site.engine.is_served()
    worker.kill()
    eventually(lambda: not site.engine.is_served())


def test_a_store_that_was_not_prepared_is_not_served(url: str, keyring: Keyring, sqlite_url: str) -> None:
    store = open_engine(url)
    engine = DbosEngine(url, store, keyring)

    async def carry_out(_ref: RunRef, _pass_id: str) -> None: ...

    with pytest.raises((Unavailable, Internal)):
        engine.serve(carry_out)
    engine.prepare()
    engine.prepare()
    engine.serve(carry_out)
    engine.stop()
    store.dispose()


def test_on_sqlite_a_second_process_is_told_who_serves(sqlite_site: Site) -> None:
    sqlite_site.engine.serve(sqlite_site.note)
    worker = sqlite_site.worker("finish")
    says(worker, "error", "served", "Process", str(os.getpid()))


def test_t42_the_lock_is_private_whatever_the_umask(tmp_path: Path, keyring: Keyring) -> None:
    before = os.umask(0o000)
    try:
        made = Site(f"sqlite:///{tmp_path / 'new' / 'clearway.db'}", keyring)
        made.engine.serve(made.note)
        found = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
        made.close()
    finally:
        os.umask(before)
    assert found == dict.fromkeys(("clearway.db", "clearway.db-wal", "clearway.db-shm", "clearway.db.lock"), 0o600)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_dbos_is_imported_at_first_use_only() -> None:
    program = (
        "import sys; from clearway.adapters.dbos_engine import DbosEngine, is_served\n"
        "sys.exit(any(name.split('.')[0] == 'dbos' for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=environment())


# --- Crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.crash
def test_a_pass_of_a_process_that_was_killed_is_carried_out_by_the_next(site: Site, eventually: Eventually) -> None:
    worker = site.worker("block")
    says(worker, "ready")
    site.wake("w")
    says(worker, "start", "w", str(RUN))
    worker.kill()
    worker.wait()
    assert site.status("w") == "PENDING"
    site.engine.serve(site.note)
    eventually(lambda: site.statuses() == {"SUCCESS"})
    assert site.started == [(str(RUN), "w")]


@pytest.mark.crash
@pytest.mark.postgres
def test_a_living_executor_takes_over_from_one_that_was_killed(pg_site: Site, eventually: Eventually) -> None:
    worker = pg_site.worker("block")
    says(worker, "ready")
    pg_site.wake("w")
    says(worker, "start", "w", str(RUN))
    other = pg_site.worker("finish")
    says(other, "ready")
    worker.kill()
    says(other, "start", "w", str(RUN))
    says(other, "end", "w")
    eventually(lambda: pg_site.statuses() == {"SUCCESS"})
    eventually(lambda: len(pg_site.query("SELECT * FROM @clearway_executors")) == 1)


@pytest.mark.crash
@pytest.mark.postgres
def test_reaping_takes_the_dead_only_and_once(pg_site: Site, eventually: Eventually) -> None:
    pg_site.engine = DbosEngine(pg_site.url, pg_site.store, pg_site.keyring, beat_every_s=60, dead_after_s=1)
    dead = pg_site.worker("block")
    says(dead, "ready")
    for number in range(5):
        pg_site.wake(f"w{number}")
        says(dead, "start", f"w{number}")
    assert pg_site.engine.reap() == 0  # it does not serve
    pg_site.engine.serve(pg_site.note)
    assert pg_site.engine.reap() == 0  # nobody is dead
    dead.kill()
    found: list[int] = []
    eventually(lambda: found.append(pg_site.engine.reap()) or found[-1])
    assert found[-1] == 5
    assert pg_site.engine.reap() == 0
    eventually(lambda: pg_site.statuses() == {"SUCCESS"})
    assert sorted(pass_id for _, pass_id in pg_site.started) == [f"w{number}" for number in range(5)]


@pytest.mark.postgres
def test_a_zombie_runs_beside_its_successor_under_the_same_pass_and_records_nothing(
    pg_site: Site, eventually: Eventually
) -> None:
    held = work_on(pg_site, "w")
    first = pg_site.query("SELECT executor_id FROM @workflow_status")[0][0]
    pg_site.query("INSERT INTO @clearway_executors VALUES ('dead', 'elsewhere', 1, to_timestamp(0))")
    # As if this process had been frozen and another had claimed the pass, which is now at work on it.
    pg_site.query("UPDATE @workflow_status SET executor_id = 'dead', owner_xid = 'anothers'")
    assert first != "dead"
    eventually(lambda: pg_site.query("SELECT executor_id FROM @workflow_status") == [(first,)])  # reaped, claimed
    assert not pg_site.query("SELECT 1 FROM @clearway_executors WHERE executor_id = 'dead'")
    assert pg_site.status("w") == "PENDING"
    held.release()
    eventually(lambda: pg_site.statuses() == {"SUCCESS"})
    assert pg_site.query("SELECT count(*) FROM @workflow_status") == [(1,)]


@pytest.mark.postgres
def test_an_executor_that_was_taken_for_dead_beats_again(pg_site: Site, eventually: Eventually) -> None:
    pg_site.engine.serve(pg_site.note)
    pg_site.query("DELETE FROM @clearway_executors")
    eventually(lambda: pg_site.engine.is_served())


@pytest.mark.postgres
def test_what_a_stopped_executor_left_is_taken_over_at_once(pg_site: Site, eventually: Eventually) -> None:
    pg_site.engine = DbosEngine(pg_site.url, pg_site.store, pg_site.keyring, beat_every_s=0.1, dead_after_s=3600)
    work_on(pg_site, "w")
    pg_site.engine.stop(drain_s=0)
    pg_site.engine.serve(pg_site.note)
    eventually(lambda: pg_site.statuses() == {"SUCCESS"})


def test_finished_passes_are_pruned_and_others_kept(site: Site, eventually: Eventually) -> None:
    site.engine.serve(site.note)
    for number in range(3):
        site.wake(f"w{number}")
    eventually(lambda: site.statuses() == {"SUCCESS"})
    site.wake("later", delay_s=3600)
    assert site.engine.prune(time.time() - 3600) == 0
    assert site.engine.prune(time.time() + 60) == 3
    assert site.query("SELECT workflow_uuid FROM @workflow_status") == [("later",)]
    assert site.query("SELECT workflow_uuid FROM @workflow_input") == [("later",)]
    assert site.query("SELECT workflow_uuid FROM @workflow_output") == []


# --- Threat 39 -------------------------------------------------------------------------------------------------------


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


@pytest.fixture
def payload(tmp_path: Path) -> Iterator[str]:
    executed = tmp_path / "executed"
    planted = base64.b64encode(pickle.dumps(Payload(executed))).decode()
    pickle.loads(base64.b64decode(planted))
    executed.rmdir()  # it works; from here on it must not
    yield planted
    assert not executed.exists()


def plant(site: Site, payload: str, tag: str | None) -> None:
    """Puts the payload into each column that DBOS decodes, of a pass that waits and of one that is over."""
    site.wake("waiting")
    site.wake("over")
    site.query(
        "UPDATE @workflow_status SET inputs = :p, output = :p, error = :p, serialization = :tag", p=payload, tag=tag
    )
    site.query("UPDATE @workflow_status SET status = 'ERROR' WHERE workflow_uuid = 'over'")
    site.query("UPDATE @workflow_input SET inputs = :p", p=payload)
    site.query("INSERT INTO @workflow_output (workflow_uuid, output, error) VALUES ('over', :p, :p)", p=payload)
    for column in ("output", "error"):
        site.query(
            "INSERT INTO @operation_outputs (workflow_uuid, function_id, function_name, serialization, "
            f"{column}) VALUES ('over', :n, 'step', :tag, :p)",
            n=len(column),
            p=payload,
            tag=tag,
        )
    site.query(
        "INSERT INTO @workflow_events (workflow_uuid, key, value, serialization) VALUES ('over', 'key', :p, :tag)",
        p=payload,
        tag=tag,
    )
    site.query(
        'INSERT INTO @streams (workflow_uuid, key, value, "offset", function_id, serialization) '
        "VALUES ('over', 'key', :p, 0, 1, :tag)",
        p=payload,
        tag=tag,
    )
    site.query(
        "INSERT INTO @workflow_schedules (schedule_id, schedule_name, workflow_name, schedule, status, context) "
        "VALUES ('s', 's', 'clearway_pass', '* * * * * *', 'PAUSED', :p)",
        p=payload,
    )


def read_all(site: Site) -> None:
    """Reads those columns by every way that DBOS has."""
    client: Any = site.engine._client()
    assert len(client.list_workflows()) == 2
    for read in (
        lambda: client.list_workflow_steps("over"),
        lambda: client.get_event("over", "key", 0),
        lambda: client.get_all_events("over"),
        lambda: list(client.read_stream("over", "key")),
        lambda: client.retrieve_workflow("over").get_result(),
        client.list_schedules,
    ):
        with contextlib.suppress(Internal, Invalid, TypeError, AttributeError):
            assert "Payload" not in repr(read())


@pytest.mark.parametrize("tag", ["py_pickle", "portable_json", "clearway_sealed_json", None])
def test_t39_a_pickle_in_any_column_is_not_executed(
    site: Site, payload: str, tag: str | None, eventually: Eventually
) -> None:
    plant(site, payload, tag)
    read_all(site)
    site.engine.serve(site.note)
    eventually(lambda: site.status("waiting") in ("ERROR", "PENDING"))
    read_all(site)
    site.wake("sound")
    eventually(lambda: site.status("sound") == "SUCCESS")
    assert site.started == [(str(RUN), "sound")]


def test_t39_plain_json_is_not_taken_for_arguments(site: Site, eventually: Eventually) -> None:
    site.wake("w")
    planted = '{"positionalArgs": ["acme/prod/other"], "namedArgs": {}}'
    site.query("UPDATE @workflow_status SET serialization = 'portable_json'")
    site.query("UPDATE @workflow_input SET inputs = :p", p=planted)
    site.engine.serve(site.note)
    site.wake("sound")
    eventually(lambda: site.status("sound") == "SUCCESS")
    assert site.started == [(str(RUN), "sound")]


def test_t39_only_our_own_workflow_can_be_started_by_a_row(site: Site) -> None:
    from dbos._dbos import _get_or_create_dbos_registry

    site.engine.prepare()
    assert set(_get_or_create_dbos_registry().workflow_info_map) == {"clearway_pass"}
