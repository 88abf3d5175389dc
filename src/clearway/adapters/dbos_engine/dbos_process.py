"""DBOS itself: a process-global singleton, so module-level state mirrors it here and nowhere else."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy
from dbos import DBOS, DBOSClient, DBOSConfig
from dbos._dbos import _get_dbos_instance  # pyright: ignore[reportPrivateUsage]
from dbos._error import DBOSInitializationError
from dbos._sys_db import SystemDatabase

from clearway.adapters.dbos_engine.executors import SCHEMA
from clearway.adapters.dbos_engine.logs import scrub_engine_logs
from clearway.adapters.dbos_engine.passes import Passes
from clearway.adapters.dbos_engine.serializer import SealedJsonSerializer, disable_other_serializers
from clearway.model.errors import Conflict, Unavailable

APPLICATION = "clearway"
#: Constant as long as a pass is: one argument, no step. DBOS starts only the passes of its own version.
VERSION = "clearway-1"
WORKFLOW = "clearway_pass"
POLL_S = 0.1

# Outcome writes and what handlers send to threads share this pool; DBOS' default has no bound.
_THREADS = 64
_QUEUES_END_S = 5.0

_serving: Passes | None = None

disable_other_serializers()
scrub_engine_logs()


@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)  # None: a pass is recovered as often as it takes
async def _clearway_pass(ref: str) -> None:
    passes, pass_id = _serving, DBOS.workflow_id
    if passes is None or pass_id is None:
        await asyncio.Event().wait()  # claimed while the engine ends: left to be recovered
        return
    await passes.carry_out(ref, pass_id)


def migrate(engine: sqlalchemy.Engine, serializer: SealedJsonSerializer) -> None:
    """Makes or updates DBOS' tables through `engine` (begun as DBOS expects). Errors: `SQLAlchemyError`."""
    url = "sqlite:///" if engine.dialect.name == "sqlite" else "postgresql://"
    # As `DBOS.migrate` does, which takes a URL only, so not our pragmas, functions and hidden parameters.
    database = SystemDatabase.create(
        system_database_url=url,
        engine_kwargs={},
        engine=engine,
        schema=SCHEMA,
        serializer=serializer,
        executor_id=None,
        use_listen_notify=False,
    )
    database.run_migrations()
    database.destroy()


def client(engine: sqlalchemy.Engine, serializer: SealedJsonSerializer) -> DBOSClient:
    """A client that connects only when used. `engine` is ours: what it begins is BEGIN IMMEDIATE on SQLite."""
    return DBOSClient(
        system_database_engine=engine,
        dbos_system_schema=SCHEMA,
        serializer=serializer,
        lazy=True,
        application_name=APPLICATION,
        retry_connection_errors=False,
    )


def register(client: DBOSClient, queues: Sequence[str]) -> None:
    """Makes queues known; again is no error. A queue that is not known is not taken from."""
    for queue in queues:
        client.register_queue(queue, polling_interval_sec=POLL_S)


def launch(
    engine: sqlalchemy.Engine,
    serializer: SealedJsonSerializer,
    executor_id: str,
    queues: Sequence[str],
    passes: Passes,
) -> None:
    """Starts DBOS, which takes passes from `queues` and no others.

    Errors: `Conflict` (`served`) where it runs already; `Unavailable` (`engine_unprepared`)."""
    global _serving
    if _serving is not None:
        raise Conflict("This process carries out runs already.", code="served", remedy="Stop that engine first.")
    config = DBOSConfig(
        name=APPLICATION,
        system_database_engine=engine,
        dbos_system_schema=SCHEMA,
        serializer=serializer,
        application_version=VERSION,
        executor_id=executor_id,
        run_migrations=False,
        use_listen_notify=False,
        enable_otlp=False,
        log_level="WARNING",
        max_executor_threads=_THREADS,
        notification_listener_polling_interval_sec=0.25,
    )  # it has nothing to listen to; bounds how long a stop takes
    _serving = passes
    try:
        _off_loop(lambda: (DBOS(config=config), DBOS.listen_queues(list(queues)), DBOS.launch()))
    except BaseException as error:
        destroy()
        if isinstance(error, DBOSInitializationError):
            raise Unavailable(
                "The store is not prepared for this version of the engine.",
                code="engine_unprepared",
                remedy="Migrate it first.",
            ) from None
        raise


def take_no_more() -> None:
    """Ends DBOS' queue threads, and waits for them: a pass that they claim while its event loop ends would be lost
    from sight until the next recovery, with a coroutine never awaited."""
    for event in _get_dbos_instance().background_thread_stop_events:
        event.set()
    deadline = time.monotonic() + _QUEUES_END_S
    while time.monotonic() < deadline and any(t.name.startswith("queue-worker-") for t in threading.enumerate()):
        threading.Event().wait(0.005)


def destroy() -> None:
    """Ends DBOS: cancels the passes at work, which stay PENDING and are recovered. May be called again."""
    global _serving
    _off_loop(DBOS.destroy)
    _serving = None


def at_work() -> set[str]:
    """The ids of the passes that this process has taken and not yet recorded the outcome of."""
    return set(_get_dbos_instance()._active_workflows_set.activeList())  # pyright: ignore[reportPrivateUsage]


def recover(executor_id: str) -> int:
    """Puts the passes of a dead executor back on the queue, under the same ids. Returns how many.

    An executor that still lives runs on beside the new one; what it records of the outcome is then refused.
    """
    return len(DBOS._recover_pending_workflows([executor_id]))  # pyright: ignore[reportPrivateUsage]


def has_pending(client: DBOSClient, executor_id: str) -> bool:
    """Whether passes are still in the hands of `executor_id`, of whatever version."""
    return bool(
        client.list_workflows(status="PENDING", executor_id=executor_id, load_input=False, load_output=False, limit=1)
    )


def delete_finished(client: DBOSClient, before: str, at_most: int) -> int:
    """Deletes up to `at_most` passes that ended before `before` (ISO 8601). Returns how many."""
    found = client.list_workflows(
        name=WORKFLOW,
        completed_before=before,
        limit=at_most,
        load_input=False,
        load_output=False,
        status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
    )
    ids = [row.workflow_id for row in found]
    if ids:
        client.delete_workflows(ids)
    return len(ids)


def _off_loop(act: Callable[[], Any]) -> None:
    # DBOS would adopt the caller's event loop, and block it when it ends: passes have a loop of their own.
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        act()
        return
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="clearway-engine")
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
