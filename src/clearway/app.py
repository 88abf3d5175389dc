"""The composition root: puts a project, a store, an engine and the road together. Nothing else wires anything.

::

    app = Clearway.open("my_project")
    with app.working():                                   # this process carries runs out
        record = app.acting("dana").run_and_wait("Refund 40 dollars to account 9182")
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from clearway.adapters.cedar.in_force import PolicyInForce
from clearway.adapters.dbos_engine import DbosEngine, is_served
from clearway.adapters.keyring import Keyring
from clearway.adapters.sealer import KeyringSealer
from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.migrations import is_current, is_new, migrate
from clearway.adapters.sql.store import SqlStore
from clearway.model.errors import Conflict, Denied, Invalid, NotFound
from clearway.model.identity import Principal, Scope
from clearway.model.tool import SkillSpec
from clearway.operate.access import Access
from clearway.operate.audit import AuditLog
from clearway.operate.local import Desk, LocalOperations
from clearway.operate.policy_bench import group_sizes
from clearway.operate.upkeep import Upkeep
from clearway.operate.what_if import WhatIf
from clearway.ports import Clock, Policy, Store
from clearway.project.directory import ProjectDirectory
from clearway.project.load import load_project
from clearway.project.project import Project
from clearway.rules.route import Router, UtteranceRouter
from clearway.runtime.clock import SystemClock
from clearway.runtime.decisions import Decisions
from clearway.runtime.gate import CALM_FOR_S, Gate
from clearway.runtime.grants import Grants
from clearway.runtime.intake import Intake
from clearway.runtime.interventions import Interventions
from clearway.runtime.limits import Limits
from clearway.runtime.workflow import Workflow

DEV = "dev"


class Clearway:
    """A project, opened on its store. Close it, or use it in a `with`.

    `now`: the store's clock in seconds since the epoch, for tests; None is the database's own. `calm_for_s`:
    how old a read's look at the kill switches may be. `probe(name)`: called at each write boundary of the gate, for
    crash tests.
    """

    def __init__(
        self,
        project: Project,
        *,
        now: Callable[[], float] | None = None,
        clock: Clock | None = None,
        router: Router | None = None,
        probe: Callable[[str], None] | None = None,
        policy: Policy | None = None,
        calm_for_s: float = CALM_FOR_S,
    ) -> None:
        self.project = project
        settings = project.settings
        self._sql = open_engine(settings.store_url)
        try:
            # INVARIANT: keys are made before the store's tables, and never for a store that has them: new keys would
            # open nothing that is in it.
            open_keyring = Keyring.open_or_create if is_new(self._sql) else Keyring.open
            self._keyring = open_keyring(settings.keyring)
        except BaseException:
            self._sql.dispose()
            raise
        self.sealer = KeyringSealer(self._keyring)
        self.engine = DbosEngine(settings.store_url, self._sql, self._keyring)
        if not is_current(self._sql):
            # The engine's tables first: ours being there says that both are. A new engine brings a revision of ours.
            self.engine.prepare()
            migrate(self._sql)
        self.store: Store = SqlStore(self._sql, wake=self.engine.wake, now=now)
        self.directory = ProjectDirectory(project, watched=policy is None)
        self.policy = policy or PolicyInForce(
            project.folder / "policies",
            project.tools,
            project.skills,
            settings.environments,
            groups=self._group_sizes,
        )
        clock = clock or SystemClock()
        set_limits = settings.limits
        limits = Limits(
            set_limits.system,
            set_limits.tenant,
            set_limits.skills,
            set_limits.tools,
            set_limits.tenant_day_budget.steps,
        )
        gate = Gate(
            self.store,
            self.policy,
            self.sealer,
            self.directory,
            project.tools,
            limits,
            clock,
            probe or (lambda _: None),
            calm_for_s,
        )
        self.skills = {name: _capped(skill, settings.limits.run_budget.steps) for name, skill in project.skills.items()}
        self.workflow = Workflow(
            self.store,
            gate,
            self.sealer,
            self.directory,
            project.tools,
            self.skills,
            clock,
            settings.lenient_environments,
        )
        release = project.digest or "unreleased"
        self.audit = AuditLog(self.store, self.sealer)
        self.access = Access(self.store, self.directory)
        self.desk = Desk(
            store=self.store,
            intake=Intake(
                self.store, self.sealer, router or UtteranceRouter(), self.skills, project.tools, limits, release
            ),
            decisions=Decisions(self.store, self.sealer, self.directory, project.tools),
            interventions=Interventions(self.store, self.sealer),
            grants=Grants(self.store, project.tools, settings.grant_factors, release, self.sealer),
            audit=self.audit,
            access=self.access,
            what_if=WhatIf(self.policy, self.directory, project.tools, self.skills),
            tools=project.tools,
            skills=self.skills,
        )
        self._upkeep = Upkeep(self.audit, self.store, self.engine.prune)

    def _group_sizes(self) -> dict[str, int] | None:
        people = self.directory.current()
        return None if people is None else group_sizes(people)

    @classmethod
    def open(cls, folder: str | Path = ".", *, store_url: str | None = None, **options: Any) -> Self:
        """Loads the project in `folder`. Errors: `ConfigError`, `Unavailable`."""
        return cls(load_project(folder, store_url=store_url), **options)

    def acting(self, user: str, *, tenant: str | None = None, environment: str = DEV) -> "Acting":
        """Operations as a declared principal (`dana`, or `service:nightly`). Environment dev only: elsewhere
        identity comes from a key (`acting_with_key`). Errors: `Denied`, `NotFound`."""
        if environment != DEV:
            raise Denied(
                "Naming the acting principal works in environment dev only.",
                code="identity_not_proven",
                remedy="Use an API key: clearway keys create, then set CLEARWAY_KEY.",
            )
        name = user if ":" in user else f"user:{user}"
        scope = self.scope(tenant, environment, name)
        found = self.directory.find(name, scope)
        if found is None:
            raise NotFound(
                "No such principal is declared in this tenant.",
                code="unknown_principal",
                remedy="Declare it in clearway.toml under [users] or [services].",
            )
        return Acting(self, found)

    def acting_with_key(self, key: str) -> "Acting":
        """Operations as the holder of an API key. Errors: `Unauthenticated`."""
        return Acting(self, self.access.authenticate(key))

    def reading(self, *, tenant: str | None = None, environment: str = DEV) -> LocalOperations:
        """Operations for whoever can read the store anyway; anything that acts is refused."""
        return LocalOperations(self.desk, self.scope(tenant, environment), None)

    def scope(self, tenant: str | None, environment: str, principal: str = "") -> Scope:
        """Errors: `Invalid` (`tenant`, `environment`)."""
        settings = self.project.settings
        if environment not in settings.environments:
            raise Invalid(
                "The project declares no such environment.",
                code="environment",
                remedy=f"Use one of: {', '.join(settings.environments)}.",
            )
        if tenant is None:
            declared = {
                **{f"user:{n}": p for n, p in self.project.users.items()},
                **{f"service:{n}": p for n, p in self.project.services.items()},
            }.get(principal)
            tenant = declared.tenant if declared else settings.tenants[0]
        if tenant not in settings.tenants:
            raise Invalid(
                "The project declares no such tenant.",
                code="tenant",
                remedy=f"Use one of: {', '.join(settings.tenants)}.",
            )
        return Scope(tenant, environment)

    def serve(self) -> None:
        """Starts carrying runs out in this process. Errors: `Conflict` (`served`) where another one does, on SQLite."""
        self.engine.serve(self.workflow.handle_pass)
        self._upkeep.start()

    def is_served(self) -> bool:
        """Whether some process carries this store's runs out."""
        return is_served(self.project.settings.store_url)

    @contextmanager
    def working(self) -> Generator[bool]:
        """Sees to it that runs are carried out: this process, where no other does. Gives whether it is this one."""
        mine = False
        if not self.is_served():
            try:
                self.serve()
                mine = True
            except Conflict as conflict:
                if conflict.code != "served":
                    raise
        try:
            yield mine
        finally:
            if mine:
                self.stop()

    def stop(self, drain_s: float = 10.0) -> None:
        self._upkeep.stop()
        self.engine.stop(drain_s)

    def close(self) -> None:
        self.stop()
        self.workflow.gate.close()
        self._sql.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Acting(LocalOperations):
    """The operations of one principal."""

    def __init__(self, app: Clearway, principal: Principal) -> None:
        super().__init__(app.desk, principal.scope, principal)
        self._app = app

    def run_and_wait(self, text: str, *, wait_s: float = 60.0, **options: Any) -> dict[str, Any]:
        """`start`, then `wait`. Takes the options of `start`."""
        started = self.start(text, **options)
        return self.wait(str(started["run_id"]), wait_s=wait_s)

    def wait(self, run_id: str, *, wait_s: float = 60.0) -> dict[str, Any]:
        """The execution record once the run has ended or waits for somebody, at the latest after `wait_s` seconds.

        Errors: `Unauthenticated` never; `NotFound`."""
        rest, begun = threading.Event(), time.monotonic()
        while True:
            now = self.run_status(run_id)
            if now["final"] or now["status"] in ("waiting", "unknown") or time.monotonic() - begun >= wait_s:
                return self.run(run_id)
            rest.wait(0.03)


def _capped(skill: SkillSpec, most: int | None) -> SkillSpec:
    return skill if most is None else replace(skill, max_steps=min(skill.max_steps, most))


__all__ = ["Acting", "Clearway"]
