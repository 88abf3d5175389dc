"""What the road costs: commits and µs per governed read and per governed effect.

Measured against a bare DBOS step (one async step of one workflow, on the same kind of database) and against the raw
floor (one INSERT and COMMIT through the driver). All interleaved in one run, medians of `CALLS`; the tool itself
does nothing, so what is left is the road. Commits are counted by the database, not by us.
"""

import asyncio
import json
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import sqlalchemy

import clearway
from bench.databases import commits, databases, empty_log
from clearway.adapters.cedar.policies import PolicyFile
from clearway.adapters.cedar.policy import CedarPolicy
from clearway.app import Clearway
from clearway.model.action import ToolCall
from clearway.model.identity import Scope
from clearway.model.outcome import Done
from clearway.model.run_ref import RunRef
from clearway.project.principals import DeclaredPrincipal
from clearway.project.project import Project
from clearway.project.settings import Settings
from clearway.runtime.carry import Carry
from clearway.runtime.passes import begin_pass
from clearway.runtime.run_api import RunContext

CALLS = 300
COUNTED = 40
_SCOPE = Scope("acme", "dev")
_POLICY = """
@id("agents") permit(principal is Agent, action, resource);
@id("support") permit(principal in Role::"support", action, resource) when { context.arguments.amount_minor < 5000 };
"""


@clearway.tool(impact="read", targets="account:{account}")
async def look(account: str, amount_minor: int) -> dict[str, Any]:
    return {"account": account, "balance_minor": amount_minor}


@clearway.tool(impact="external", targets="account:{account}")
async def charge(account: str, amount_minor: int) -> dict[str, Any]:
    return {"account": account, "charged_minor": amount_minor}


@clearway.skill(tools=[look, charge], max_steps=1_000_000, deadline_s=3600.0)
async def desk(run: RunContext) -> None: ...


def run() -> dict[str, float]:
    figures: dict[str, float] = {}
    with databases() as found:
        for kind, url, folder in found:
            figures |= {f"{kind}_{name}": value for name, value in _measure(kind, url, folder).items()}
    return figures


def _measure(kind: str, url: str, folder: Path) -> dict[str, float]:
    tools, skills = {"look": look.spec, "charge": charge.spec}, {"desk": desk.spec}
    people = {"dana": DeclaredPrincipal("user", "dana", "acme", {"dev": frozenset({"support"})})}
    project = Project(
        folder, Settings("bench", url, ("dev",), ("acme",), folder / "keyring.json"), tools, skills, users=people
    )
    policy = CedarPolicy(tools, skills, ["dev"], [PolicyFile("bench.cedar", _POLICY)])
    with Clearway(project, policy=policy) as app:
        run_id = str(app.acting("dana").start("go", skill="desk")["run_id"])
        loaded = app.store.write(_SCOPE, lambda tx: begin_pass(tx, run_id, "bench"))
        assert loaded is not None
        floor, dbos_step = _floor(kind, url, folder), _DbosStep(kind, url, folder)
        try:
            return asyncio.run(_compare(app, loaded, run_id, floor, dbos_step, url))
        finally:
            dbos_step.close()


async def _compare(
    app: Clearway, loaded: Any, run_id: str, floor: Callable[[], None], dbos_step: "_DbosStep", url: str
) -> dict[str, float]:
    at = await app.workflow.loader.load(RunRef("acme", "dev", run_id), loaded)
    assert isinstance(at, Carry)
    number = iter(range(1, 10_000_000))

    async def governed(tool: str) -> None:
        step = f"s{next(number)}"
        outcome = await app.workflow.gate.propose(at, ToolCall(tool, {"account": "9182", "amount_minor": 100}, step))
        assert isinstance(outcome, Done)

    async def raw() -> None:
        floor()

    figures: dict[str, float] = {}
    for tool, name in (("look", "read"), ("charge", "effect")):
        await governed(tool)
        empty_log(url)
        before = commits(url)
        for _ in range(COUNTED):
            await governed(tool)
        figures[f"commits_per_{name}"] = (commits(url) - before) / COUNTED
    samples: dict[str, list[float]] = {"floor": [], "dbos_step": [], "read": [], "effect": []}
    for _ in range(10):
        for name, one in (("floor", raw), ("read", lambda: governed("look")), ("effect", lambda: governed("charge"))):
            samples[name] += [await _timed(one) for _ in range(CALLS // 10)]
        samples["dbos_step"] += dbos_step.times(CALLS // 10)
        at.entries.clear()  # the in-run index of a skill with thousands of steps is not what is measured
    middle = {name: statistics.median(times) for name, times in samples.items()}
    figures |= {f"{name}_us": value for name, value in middle.items()}
    figures["read_to_dbos_step"] = middle["read"] / middle["dbos_step"]
    figures["read_to_floor"] = middle["read"] / middle["floor"]
    figures["effect_to_floor"] = middle["effect"] / middle["floor"]
    figures["effect_to_dbos_step"] = middle["effect"] / middle["dbos_step"]
    return figures


async def _timed(one: Callable[[], Awaitable[None]]) -> float:
    begun = time.perf_counter_ns()
    await one()
    return (time.perf_counter_ns() - begun) / 1000


def _floor(kind: str, url: str, folder: Path) -> Callable[[], None]:
    """One INSERT and COMMIT of a row of a ledger row's size, by the bare driver, with the store's durability."""
    row = "x" * 600
    if kind == "sqlite":
        connection = sqlite3.connect(folder / "floor.db", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")

        def insert() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO t (v) VALUES (?)", (row,))
            connection.execute("COMMIT")

        return insert
    import psycopg

    remote = psycopg.connect(url)
    remote.execute("CREATE TABLE IF NOT EXISTS floor (id bigserial PRIMARY KEY, v text)")
    remote.commit()

    def insert_remote() -> None:
        remote.execute("INSERT INTO floor (v) VALUES (%s)", (row,))
        remote.commit()

    return insert_remote


class _DbosStep:
    """A bare DBOS workflow with one async step after the other, on a database of its own of the same kind."""

    def __init__(self, kind: str, url: str, folder: Path) -> None:
        from dbos import DBOS

        from clearway.adapters.sql.engine import open_engine_for_dbos

        if kind == "sqlite":
            own = f"sqlite:///{folder / 'dbos.db'}"
        else:
            engine = sqlalchemy.create_engine(
                url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
            )
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text("CREATE DATABASE bare_dbos"))
            engine.dispose()
            own = sqlalchemy.make_url(url).set(database="bare_dbos").render_as_string(hide_password=False)
        self._dbos = DBOS
        self._engine = open_engine_for_dbos(own)
        DBOS(
            config={
                "name": "bench",
                "system_database_url": own,
                "system_database_engine": self._engine,
                "serializer": _json_serializer(),
                "log_level": "ERROR",
                "application_version": "bench",
                "enable_otlp": False,
            }
        )
        _, workflow = _dbos_functions()
        self._workflow = workflow
        DBOS.launch()
        self.times(5)

    def times(self, count: int) -> list[float]:
        return self._dbos.start_workflow(self._workflow, count).get_result()

    def close(self) -> None:
        self._dbos.destroy()
        self._engine.dispose()


def _json_serializer() -> Any:
    """Plain JSON. DBOS' own default, pickle, is switched off in any process that has loaded Clearway's engine."""
    from dbos import Serializer

    class Plain(Serializer):
        def name(self) -> str:
            return "plain_json"

        def serialize(self, data: Any) -> str:
            return json.dumps(data)

        def deserialize(self, serialized_data: str) -> Any:
            return json.loads(serialized_data)

    return Plain()


_made: list[Any] = []


def _dbos_functions() -> Any:
    if _made:
        return _made[0]
    from dbos import DBOS

    @DBOS.step()
    async def bare(account: str, amount_minor: int) -> dict[str, Any]:
        return {"account": account, "balance_minor": amount_minor}

    @DBOS.workflow()
    async def steps(count: int) -> list[float]:
        found: list[float] = []
        for _ in range(count):
            begun = time.perf_counter_ns()
            await bare("9182", 100)
            found.append((time.perf_counter_ns() - begun) / 1000)
        return found

    _made.append((bare, steps))
    return _made[0]
