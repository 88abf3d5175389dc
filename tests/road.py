"""The whole road in one process, with nothing in it that waits: a real store, real keys and real tools over a remote
that does as it is told; the test owns the time, the queue, the policy, and when a worker dies.

::

    road = roads.build(tools=[refund], skills=[desk])
    run_id = road.start("dana", "desk", account="9182", amount_minor=500)
    road.work()                        # carries out what is due
    road.vote("amir", "approve")       # on the one approval that is pending
    road.work()
    assert road.status(run_id) == "done"

A worker is killed with `road.die_at("started")` (a probe of the gate) or `road.die_on_write(3)` (the third write from
now, before or after its commit): it raises `Died` and writes and sends nothing more. `road.restart()` is its successor.
"""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from clearway import InDoubt, NotSent, Rejected, TryLater
from clearway.adapters.keyring import Keyring
from clearway.adapters.sql.cells import postgres_cells
from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.row_security import enter, of_scope
from clearway.app import Acting, Clearway
from clearway.model.action import Action
from clearway.model.approval import Approval, Vote
from clearway.model.decision import ApprovalRule, Decision, Factor, Verdict
from clearway.model.errors import Unavailable
from clearway.model.identity import Scope
from clearway.model.ledger import Entry
from clearway.model.run import Run
from clearway.model.run_ref import RunRef
from clearway.project.declare import Skill, Tool
from clearway.project.model_settings import ModelSettings
from clearway.project.notification_settings import NotificationSettings
from clearway.project.principals import DeclaredPrincipal, Delegation, Ownership
from clearway.project.privacy import PrivacySettings, RetentionSettings
from clearway.project.project import Project
from clearway.project.settings import LimitSettings, Settings

Json = dict[str, Any]

BEGINNING = 1_800_000_000.0
SCOPE = Scope("acme", "dev")


class Died(BaseException):
    """The worker is dead: what is raised where a process would simply be gone."""


class Time:
    """The store's time and the process' own, moved by hand. A sleep moves both at once."""

    def __init__(self) -> None:
        self.now = BEGINNING
        self.slept: list[float] = []
        self._up = 0.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self._up

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self._up += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


# --- The other side ------------------------------------------------------------------------------------------------


class HttpError(Exception):
    """As HTTP clients raise it."""

    def __init__(self, status: int, retry_after: str | None = None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = {} if retry_after is None else {"Retry-After": retry_after}


#: What the remote does with a call: (does it happen, what is raised).
BEHAVIOURS: dict[str, tuple[bool, Callable[[], Exception | None]]] = {
    "succeed": (True, lambda: None),
    "commit then time out": (True, TimeoutError),
    "commit then 500": (True, lambda: HttpError(500)),
    "500 before": (False, lambda: HttpError(500)),
    "time out before": (False, TimeoutError),
    "refuse connection": (False, ConnectionRefusedError),
    "not sent": (False, lambda: NotSent("gateway_closed")),
    "bad request": (False, lambda: HttpError(400)),
    "conflict": (False, lambda: HttpError(409)),
    "rejected": (False, lambda: Rejected("card_declined")),
    "throttle": (False, lambda: HttpError(429, "3")),
    "throttle for long": (False, lambda: HttpError(429, "1800")),
    "try later": (False, lambda: TryLater("busy", retry_after_s=2.0)),
    "unavailable": (False, lambda: HttpError(503)),
    "in doubt": (True, lambda: InDoubt("gateway_unclear")),
}


@dataclass(frozen=True)
class Effect:
    """What really happened on the other side."""

    key: str
    tool: str
    arguments: Json
    tenant: str
    at: float


class Remote:
    """The real system behind the tools. Its `effects` are the truth that invariants are checked against."""

    def __init__(self, time: Time) -> None:
        self.effects: list[Effect] = []
        self.calls: list[tuple[str, str]] = []
        self.will: list[str] = []
        self.otherwise = "succeed"
        self.ignores_keys_of: set[str] = set()
        self.lookup_works = True
        self.lookups = 0
        self.before: Callable[[str, Json], None] = lambda tool, arguments: None
        self.witness: Callable[[Effect], None] = lambda effect: None
        self._time = time
        self._answers: dict[str, Json] = {}

    def do(self, *behaviours: str, then: str = "succeed") -> None:
        """What happens to the next calls, and to all after them."""
        assert {*behaviours, then} <= BEHAVIOURS.keys()
        self.will, self.otherwise = list(behaviours), then

    def call(self, ctx: Any, tool: str, **arguments: Any) -> Json:
        self.calls.append((tool, ctx.idempotency_key))
        self.before(tool, arguments)
        happens, error = BEHAVIOURS[self.will.pop(0) if self.will else self.otherwise]
        if tool not in self.ignores_keys_of and ctx.idempotency_key in self._answers:
            happens = False
        if happens and not tool.startswith("read"):
            self.effects.append(Effect(ctx.idempotency_key, tool, arguments, ctx.tenant, self._time.now))
            self.witness(self.effects[-1])
        if happens:
            self._answers[ctx.idempotency_key] = {"ref": f"re_{len(self.effects)}", **arguments}
        raised = error()
        if raised is not None:
            raise raised
        return self._answers[ctx.idempotency_key]

    def has(self, key: str) -> Json | None:
        """What a lookup by key finds. Errors: `TimeoutError` while lookups don't work."""
        self.lookups += 1
        if not self.lookup_works:
            raise TimeoutError
        return self._answers.get(key)

    def done(self, tool: str) -> list[Json]:
        return [effect.arguments for effect in self.effects if effect.tool == tool]


# --- Policy --------------------------------------------------------------------------------------------------------


def allow() -> Decision:
    return Decision(Verdict.ALLOW, "allowed", ("test-allow",))


def deny(code: str = "forbidden") -> Decision:
    return Decision(Verdict.DENY, code, ("test-deny",), None, "The policy forbids it.")


def hold(
    *factors: tuple[str, int],
    decision_ttl_s: float = 1800.0,
    execution_ttl_s: float = 300.0,
    escalate_to: str | None = None,
) -> Decision:
    asked = tuple(Factor(group, n) for group, n in factors or (("finance", 1),))
    return Decision(
        Verdict.HOLD,
        "approval_required",
        ("test-hold",),
        ApprovalRule(asked, decision_ttl_s, execution_ttl_s, escalate_to),
    )


Answer = Decision | Callable[[Action], Decision]


class Rules:
    """A policy that tests write in Python: by tool, deny by default."""

    def __init__(self) -> None:
        self.by_tool: dict[str, Answer] = {}
        self.asked: list[Action] = []

    def set(self, tool: str, answer: Answer) -> None:
        self.by_tool[tool] = answer

    def decide(self, action: Action) -> Decision:
        self.asked.append(action)
        return self.answer(action)

    def labels_read(self, tool: str) -> bool:
        return False

    def history_read(self, tool: str) -> frozenset[str]:
        return frozenset()

    def answer(self, action: Action) -> Decision:
        answer = self.by_tool.get(action.tool, deny("no_permit"))
        return answer if isinstance(answer, Decision) else answer(action)


# --- The road ------------------------------------------------------------------------------------------------------

DEV = "dev"


def user(
    name: str,
    *groups: str,
    tenant: str = "acme",
    roles: Sequence[str] = ("support",),
    person: str = "",
) -> DeclaredPrincipal:
    return DeclaredPrincipal(
        "user", name, tenant, {DEV: frozenset(roles), "prod": frozenset(roles)}, frozenset(groups), person
    )


PEOPLE: tuple[DeclaredPrincipal, ...] = (
    user("dana"),
    user("eli"),
    user("amir", "finance"),
    user("bo", "finance"),
    user("cleo", "finance", "security"),
    user("sid", "security"),
    user("sue", "security"),
    user("olga", roles=("operator", "system_operator")),
    user("omar", roles=("operator", "system_operator")),
    user("gus", roles=("break_glass",)),
    user("rita", tenant="rival", roles=("support", "operator")),
    user("rolf", "finance", tenant="rival"),
    DeclaredPrincipal("service", "nightly", "acme", {DEV: frozenset({"support"})}),
)

_QUEUE = """CREATE TABLE IF NOT EXISTS road_queue (
    wake_id VARCHAR(300) PRIMARY KEY, ref VARCHAR(300) NOT NULL, due DOUBLE PRECISION NOT NULL,
    state VARCHAR(10) NOT NULL, number INTEGER NOT NULL, owner INTEGER NOT NULL)"""


class Queue:
    """Stands in for the engine: passes are rows of the same database, and live and die with its transactions."""

    def __init__(self, engine: Engine, time: Time) -> None:
        self._engine, self._time = engine, time
        self._numbers = itertools.count()
        with engine.begin() as connection:
            connection.execute(text(_QUEUE))

    def wake(self, connection: Any, ref: RunRef, *, wake_id: str, delay_s: float) -> None:
        connection.execute(
            text("INSERT INTO road_queue VALUES (:id, :ref, :due, 'queued', :n, 0) ON CONFLICT DO NOTHING"),
            {
                "id": wake_id,
                "ref": str(ref),
                "due": self._time.now + delay_s if delay_s > 0 else 0.0,
                "n": next(self._numbers),
            },
        )

    def take(self, owner: int = 0) -> tuple[RunRef, str] | None:
        """The next pass that is due, as the engine starts it."""
        with self._engine.begin() as connection:
            row = connection.execute(
                text(
                    "SELECT ref, wake_id FROM road_queue WHERE state = 'queued' AND due <= :now "
                    "ORDER BY due, number LIMIT 1"
                ),
                {"now": self._time.now},
            ).first()
            if row is None:
                return None
            connection.execute(
                text("UPDATE road_queue SET state = 'running', owner = :owner WHERE wake_id = :id"),
                {"id": row[1], "owner": owner},
            )
            return RunRef.parse(row[0]), row[1]

    def finish(self, pass_id: str, owner: int) -> None:
        """Of a pass that went to somebody else meanwhile, the end is not ours to note."""
        with self._engine.begin() as connection:
            connection.execute(
                text("UPDATE road_queue SET state = 'done' WHERE wake_id = :id AND owner = :owner"),
                {"id": pass_id, "owner": owner},
            )

    def recover(self) -> int:
        """Puts what dead workers were at back, under the ids that it had."""
        with self._engine.begin() as connection:
            return connection.execute(
                text("UPDATE road_queue SET state = 'queued', due = 0 WHERE state = 'running'")
            ).rowcount

    def drop(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(text("DROP TABLE IF EXISTS road_queue"))

    def next_due(self) -> float | None:
        with self._engine.connect() as connection:
            return connection.execute(text("SELECT min(due) FROM road_queue WHERE state = 'queued'")).scalar()


class Worker:
    """One process of Clearway, as far as its memory and its death are concerned."""

    def __init__(self, road: "Road", number: int) -> None:
        self.road, self.number = road, number
        Keyring.open_or_create(road.project.settings.keyring)  # the database is a migrated template
        self.app = Clearway(
            road.project,
            now=road.time,
            clock=road.time,
            probe=self._probe,
            policy=road.policy,
            calm_for_s=0.0,
            models=road.models,
        )
        self.dead = False
        self.writes = 0
        self._die_before: int | None = None
        self._die_after: int | None = None
        self._at: dict[str, tuple[int, Callable[[], None]]] = {}
        store: Any = self.app.store
        store._wake = road.queue.wake
        self._awrite, self._aread = store.awrite, store.aread
        store.awrite, store.aread = self._write, self._read

    def die(self) -> None:
        self.dead = True
        raise Died

    def at(self, probe: str, do: Callable[[], None], nth: int = 1) -> None:
        """Runs `do` the `nth` time that the gate reaches `probe`: held, started, sent or settled."""
        self._at[probe] = (nth, do)

    def die_on_write(self, number: int, *, committed: bool) -> None:
        if committed:
            self._die_after = self.writes + number
        else:
            self._die_before = self.writes + number

    def close(self) -> None:
        store: Any = self.app.store
        self.app.workflow.gate.executor.close()
        store.close()
        self.app.close()

    def _probe(self, name: str) -> None:
        if self.dead:
            raise Died
        if name in self._at:
            nth, do = self._at[name]
            if nth == 1:
                del self._at[name]
                do()
            else:
                self._at[name] = (nth - 1, do)

    async def _write(self, scope: Scope, work: Callable[[Any], Any]) -> Any:
        if self.dead:
            raise Died
        self.writes += 1
        number = self.writes
        if number == self._die_before:
            self.die()
        done = await self._awrite(scope, work)
        if number == self._die_after:
            self.die()
        if self.dead:
            raise Died
        return done

    async def _read(self, scope: Scope, work: Callable[[Any], Any]) -> Any:
        if self.dead:
            raise Died
        return await self._aread(scope, work)


class Road:
    """A project on one store, its workers, and the world around it."""

    def __init__(
        self,
        folder: Path,
        store_url: str,
        time: Time,
        remote: Remote,
        *,
        tools: Sequence[Tool[..., Any]],
        skills: Sequence[Skill[..., Any]],
        policy: Any = None,
        people: Sequence[DeclaredPrincipal] = PEOPLE,
        delegations: Sequence[Delegation] = (),
        limits: LimitSettings | None = None,
        digest: str = "release-1",
        lenient: bool = False,
        models: Any = None,
        prompts: Mapping[str, str] | None = None,
        model_settings: ModelSettings | None = None,
        notifications: NotificationSettings | None = None,
        privacy: PrivacySettings | None = None,
        retention: RetentionSettings | None = None,
    ) -> None:
        self.folder, self.time, self.remote, self.models = folder, time, remote, models
        self.rules = Rules()
        self.policy: Any = policy or self.rules
        settings = Settings(
            "road",
            store_url,
            (DEV, "prod"),
            ("acme", "rival"),
            folder / "keys" / "keyring.json",
            limits or LimitSettings(),
            (Factor("finance", 1), Factor("security", 1)),
            frozenset({DEV}) if lenient else frozenset(),
            privacy=privacy or PrivacySettings(),
            retention=retention or RetentionSettings(),
            models=model_settings or ModelSettings(),
            notifications=notifications or NotificationSettings(),
        )
        self.project = Project(
            folder,
            settings,
            {t.spec.name: t.spec for t in tools},
            {s.spec.name: s.spec for s in skills},
            users={p.id: p for p in people if p.kind == "user"},
            services={p.id: p for p in people if p.kind == "service"},
            ownership=Ownership(delegations=tuple(delegations)),
            prompts=prompts or {},
            digest=digest,
        )
        self._queue_engine = open_engine(store_url)
        self.queue = Queue(self._queue_engine, time)
        self._workers: list[Worker] = []
        self._worker: Worker | None = None

    # Who does it

    @property
    def worker(self) -> Worker:
        if self._worker is None:
            self._worker = self.another_worker()
        return self._worker

    @property
    def app(self) -> Clearway:
        return self.worker.app

    def another_worker(self) -> Worker:
        """A process beside the first."""
        worker = Worker(self, len(self._workers) + 1)
        self._workers.append(worker)
        return worker

    def restart(self) -> int:
        """The worker is replaced, and what it was at is recovered; returns how many passes."""
        if self._worker is not None:
            self._worker.dead = True
        self._worker = None
        return self.queue.recover()

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self.queue.drop()
        self._queue_engine.dispose()

    def as_user(self, name: str) -> Acting:
        return self.app.acting(name)

    def with_key(self, name: str) -> Acting:
        """As the holder of an API key of that user."""
        key = self.app.access.issue(Scope("acme", DEV), f"user:{name}", days=1, by="test")
        return self.app.acting_with_key(str(key["key"]))

    def regroup(self, name: str, *groups: str, roles: Sequence[str] | None = None) -> None:
        """From now on, `name` is in these groups."""
        users: Any = self.project.users
        users[name] = replace(
            users[name], groups=frozenset(groups), **({} if roles is None else {"roles": {DEV: frozenset(roles)}})
        )

    def dismiss(self, name: str) -> None:
        users: Any = self.project.users
        del users[name]

    # What happens

    def start(self, by: str, skill: str, /, **input: Any) -> str:
        return str(self.as_user(by).start("do it", skill=skill, input=input)["run_id"])

    def run(self, skill: str, /, *, by: str = "dana", **input: Any) -> Json:
        """Starts a run and works until nothing is due; its record."""
        run_id = self.start(by, skill, **input)
        self.work()
        return self.record(run_id)

    def work(self, worker: Worker | None = None) -> bool:
        """Carries out passes until none is due. False where the worker died over one."""
        worker = worker or self.worker
        while (taken := self.queue.take(worker.number)) is not None:
            if not self.carry_out(*taken, worker=worker):
                return False
        return True

    def carry_out(self, ref: RunRef, pass_id: str, *, worker: Worker) -> bool:
        try:
            asyncio.run(worker.app.handle_pass(ref, pass_id))
        except (Died, Unavailable):
            return False
        if worker.dead:
            return False
        self.queue.finish(pass_id, worker.number)
        return True

    def work_beside(self, worker: Worker | None = None) -> None:
        """As `work`, while the caller stands still in the middle of a pass (a probe): in a thread of its own."""
        thread = threading.Thread(target=self.work, args=(worker or self.another_worker(),))
        thread.start()
        thread.join()

    def later(self, seconds: float) -> None:
        """Time goes by, and what falls due is carried out in its turn."""
        end = self.time.now + seconds
        while (due := self.queue.next_due()) is not None and due <= end:
            self.time.advance(max(0.0, due - self.time.now))
            self.work()
        self.time.advance(max(0.0, end - self.time.now))
        self.work()

    def die_at(self, probe: str, nth: int = 1) -> None:
        self.worker.at(probe, self.worker.die, nth)

    def die_on_write(self, number: int, *, committed: bool) -> None:
        self.worker.die_on_write(number, committed=committed)

    # What people do

    def pending(self) -> list[Json]:
        return list(self.app.reading().approvals()["items"])

    def pending_id(self) -> str:
        (one,) = self.pending()
        return str(one["approval_id"])

    def vote(self, by: str, verdict: str = "approve", approval_id: str | None = None, **options: Any) -> Json:
        """Votes as somebody who has looked at the approval just now."""
        acting = self.as_user(by)
        approval_id = approval_id or self.pending_id()
        seen = str(acting.approval(approval_id)["presented_digest"])
        if verdict == "reject":
            options = {"comment": "no", **options}
        return getattr(acting, verdict)(approval_id, presented_digest=seen, **options)

    def edit(self, by: str, approval_id: str | None = None, **arguments: Any) -> Json:
        return self.as_user(by).edit(approval_id or self.pending_id(), arguments, comment="as agreed")

    # What there is to see

    def record(self, run_id: str) -> Json:
        return self.app.reading().run(run_id)

    def status(self, run_id: str) -> str:
        return str(self.app.reading().run_status(run_id)["status"])

    def step(self, run_id: str, step: str = "s1") -> Entry:
        return next(entry for entry in self.entries(run_id) if entry.step_id == step)

    def entries(self, run_id: str) -> list[Entry]:
        return self.app.store.read(SCOPE, lambda tx: tx.ledger.of_run(run_id))

    def run_row(self, run_id: str, scope: Scope = SCOPE) -> Run | None:
        return self.app.store.read(scope, lambda tx: tx.runs.get(run_id))

    def approvals_of(self, run_id: str) -> list[Approval]:
        """Step by step, oldest first."""
        return self.app.store.read(
            SCOPE,
            lambda tx: [
                approval
                for entry in tx.ledger.of_run(run_id)
                for approval in tx.approvals.for_step(run_id, entry.step_id)
            ],
        )

    def votes(self, approval_id: str) -> list[Vote]:
        return self.app.store.read(SCOPE, lambda tx: tx.approvals.votes(approval_id))

    def kinds(self, run_id: str) -> list[str]:
        return [str(event["kind"]) for event in self.record(run_id)["events"]]

    def sql(self, statement: str, **values: Any) -> int:
        """What somebody with the database's password does. Ours are in schema `clearway` on Postgres."""
        with self._queue_engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL search_path TO clearway, public"))
                enter(connection, of_scope(SCOPE))  # whoever has the password can say so
            return connection.execute(text(statement), values).rowcount

    def stored_bytes(self) -> bytes:
        """Every byte of the database, its log and what lies beside it; on Postgres every cell of every table."""
        if self._queue_engine.dialect.name == "postgresql":
            cells = [cell.value for cell in postgres_cells(self._queue_engine)]
            assert len(cells) > 100
            return b"\n".join(cell if isinstance(cell, bytes) else cell.encode() for cell in cells)
        path = Path(self.project.settings.store_url.removeprefix("sqlite:///"))
        return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")))


@dataclass
class Roads:
    """Builds roads on one database; a second one is the same project after a deployment."""

    folder: Path
    store_url: str
    time: Time = field(default_factory=Time)
    _made: list[Road] = field(default_factory=list[Road])

    @property
    def remote(self) -> Remote:
        if not hasattr(self, "_remote"):
            self._remote = Remote(self.time)
        return self._remote

    def build(
        self,
        *,
        tools: Sequence[Tool[..., Any]],
        skills: Sequence[Skill[..., Any]],
        policy: Mapping[str, Answer] | None = None,
        **options: Any,
    ) -> Road:
        """`policy`: by tool; with `policy=None` and `rules=` a policy object of the test's own."""
        road = Road(
            self.folder,
            self.store_url,
            self.time,
            self.remote,
            tools=tools,
            skills=skills,
            policy=options.pop("rules", None),
            **options,
        )
        road.rules.by_tool.update(policy or {})
        self._made.append(road)
        return road

    def close(self) -> None:
        for road in self._made:
            road.close()


@pytest.fixture
def roads(database_url: str, tmp_path: Path) -> Iterator[Roads]:
    """On SQLite and on Postgres."""
    made = Roads(tmp_path, database_url)
    yield made
    made.close()
