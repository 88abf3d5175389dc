"""The composition root: puts a project, a store, an engine and the road together. Nothing else wires anything.

::

    app = Clearway.open("my_project")
    with app.working():                                   # this process carries runs out
        record = app.acting("dana").run_and_wait("Refund 40 dollars to account 9182")
"""

import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from clearway.adapters.cedar.in_force import PolicyInForce
from clearway.adapters.cedar.policies import PolicyFile
from clearway.adapters.cedar.policy import CedarPolicy
from clearway.adapters.cedar.released import ReleasedPolicy
from clearway.adapters.dbos_engine import DbosEngine, is_served
from clearway.adapters.keyring import Keyring
from clearway.adapters.models.prices import ModelPrices
from clearway.adapters.models.providers import Providers, scripted
from clearway.adapters.notify.channels import Apprise, Webhook
from clearway.adapters.otel.providers import open_telemetry
from clearway.adapters.sealer import KeyringSealer
from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.migrations import is_current, is_new, migrate
from clearway.adapters.sql.row_security import gap
from clearway.adapters.sql.run_code import CodeOfRuns
from clearway.adapters.sql.store import SqlStore
from clearway.model.errors import ConfigError, Conflict, Denied, Invalid, NotFound
from clearway.model.event import RecordedEvent
from clearway.model.identity import Principal, Scope
from clearway.model.run_ref import RunRef
from clearway.operate.access import Access
from clearway.operate.audit import AuditLog
from clearway.operate.datasets import Datasets
from clearway.operate.local import Desk, LocalOperations
from clearway.operate.notice_desk import NoticeDesk
from clearway.operate.notices import Notices, Wants, enqueue, is_notice
from clearway.operate.people import People
from clearway.operate.policy_bench import group_sizes
from clearway.operate.privacy import Privacy
from clearway.operate.releases.comparing import Comparing
from clearway.operate.releases.operations import ReleaseDesk
from clearway.operate.releases.reading import found, read
from clearway.operate.releases.replay import Replay
from clearway.operate.releases.rollout import Rollout
from clearway.operate.releases.shelf import Shelf
from clearway.operate.releases.stranded import Stranded
from clearway.operate.releases.versions import ReleasedVersions
from clearway.operate.releases.watching import ReleaseWatch
from clearway.operate.resting import has_settled
from clearway.operate.retention import RetentionRules
from clearway.operate.routes import make_router
from clearway.operate.upkeep import Upkeep
from clearway.operate.watching import counters, gauge_reader
from clearway.operate.what_if import WhatIf
from clearway.ports import Clock, ModelClient, NoticeChannel, Policy, Store, Telemetry, Tx
from clearway.project.caps import capped, day_budget
from clearway.project.directory import ProjectDirectory
from clearway.project.load import load_project
from clearway.project.notification_settings import NotificationSettings
from clearway.project.project import Project
from clearway.project.released import code_of
from clearway.project.settings import REQUIRE
from clearway.rules.releases import bundles
from clearway.rules.route import Router, Trainable
from clearway.rules.scrub import NET
from clearway.runtime.clock import SystemClock
from clearway.runtime.decisions import Decisions
from clearway.runtime.endorsements import Endorsing
from clearway.runtime.gate import CALM_FOR_S, Gate
from clearway.runtime.grants import Grants
from clearway.runtime.intake import Intake
from clearway.runtime.interventions import Interventions
from clearway.runtime.limits import Limits
from clearway.runtime.pieces import Piece, Pieces, heard
from clearway.runtime.spending import Budgets
from clearway.runtime.tracing import SILENT
from clearway.runtime.turns import Turns
from clearway.runtime.vault import Vaults
from clearway.runtime.version import Version
from clearway.runtime.workflow import Workflow

DEV = "dev"

_log = logging.getLogger("clearway.store")


class Clearway:
    """A project, opened on its store. Close it, or use it in a `with`.

    `now`: the store's clock in seconds since the epoch, for tests; None is the database's own. `calm_for_s`:
    how old a read's look at the kill switches may be. `probe(name)`: called at each write boundary of the gate, for
    crash tests.
    """

    def __init__(  # noqa: PLR0913 - what tests and embedding programs put in
        self,
        project: Project,
        *,
        now: Callable[[], float] | None = None,
        clock: Clock | None = None,
        router: Router | None = None,
        probe: Callable[[str], None] | None = None,
        policy: Policy | None = None,
        calm_for_s: float = CALM_FOR_S,
        telemetry: Telemetry | None = None,
        models: ModelClient | None = None,
    ) -> None:
        self.project = project
        settings = project.settings
        self._sql = open_engine(settings.store_url)
        try:
            # INVARIANT: keys are made before the store's tables, and never for a store that has them: new keys would
            # open nothing that is in it.
            new = is_new(self._sql)
            self._refuse_open_tenancy()
            open_keyring = Keyring.open_or_create if new else Keyring.open
            self._keyring = open_keyring(settings.keyring)
        except BaseException:
            self._sql.dispose()
            raise
        self.sealer = KeyringSealer(self._keyring)
        self.vaults = Vaults(settings.privacy.redaction(self.sealer, settings.tenants))
        self.engine = DbosEngine(
            settings.store_url,
            self._sql,
            self._keyring,
            code=code_of(project),
            code_of=CodeOfRuns(bundles.code_of_text),
        )
        if not is_current(self._sql):
            # The engine's tables first: ours being there says that both are. A new engine brings a revision of ours.
            self.engine.prepare()
            migrate(self._sql)
        self.store: Store = SqlStore(
            self._sql, wake=self.engine.wake, now=now, announce=_announcer(settings.notifications.kinds)
        )
        self.notices = Notices(self.store, _channels(settings.notifications), settings.notifications.link)
        declared = ProjectDirectory(project, watched=policy is None)
        self.directory = declared if settings.oidc is None else People(declared, self.store)
        self._scope = Scope(settings.tenants[0], settings.environments[0])
        released = self._released_policy()
        self.policy: Policy = policy or released
        for rules in (settings.privacy.project, *settings.privacy.tenants.values()):
            NET.also(rules.patterns)
        self.telemetry = telemetry or self._watched() or SILENT
        clock = clock or SystemClock()
        self.models: ModelClient = models or Providers(settings.models.providers)
        self._router = router
        folder = self._version(project, project.digest or "unreleased")
        self.skills = folder.skills
        self.versions = ReleasedVersions(self.store, project, self._scope, folder, self._version)
        self.shelf = Shelf(self.store, self.sealer, self.directory, project, self.vaults.redaction)
        self.rollout = Rollout(self.store, self.shelf, frozenset({DEV}), released.forget)
        watch = ReleaseWatch(self.rollout, released.shadow, released.saw)
        gate = Gate(
            self.store,
            self.policy,
            self.sealer,
            self.directory,
            project.tools,
            clock,
            probe or (lambda _: None),
            calm_for_s,
            self.telemetry,
            watch,
        )
        self.pieces = Pieces()
        turns = Turns(
            self.store,
            self.sealer,
            self.models,
            project.tools,
            self.pieces,
            probe or (lambda _: None),
            self.telemetry,
        )
        self.workflow = Workflow(
            self.store,
            gate,
            self.sealer,
            self.directory,
            project.tools,
            self.versions,
            watch,
            clock,
            settings.lenient_environments,
            self.telemetry,
            turns,
            vaults=self.vaults,
        )
        self.audit = AuditLog(self.store, self.sealer)
        self.access = Access(self.store, self.directory)
        self.desk = Desk(
            store=self.store,
            intake=Intake(
                self.store,
                self.sealer,
                self.versions,
                project.tools,
                watch,
                self.telemetry,
                vaults=self.vaults,
            ),
            decisions=Decisions(self.store, self.sealer, self.directory, project.tools, self.vaults),
            endorsing=Endorsing(self.store, self.sealer, self.directory, self.vaults),
            interventions=Interventions(self.store, self.vaults),
            grants=Grants(self.store, project.tools, settings.grant_factors, folder.release, self.vaults.redaction),
            audit=self.audit,
            access=self.access,
            what_if=WhatIf(self.policy, self.directory, project.tools, self.skills),
            tools=project.tools,
            skills=self.skills,
            privacy=Privacy(self.store, self.vaults),
            releases=ReleaseDesk(
                self.shelf,
                self.rollout,
                Comparing(self.shelf, self.versions, Replay(self.store, self.directory, project.tools, self.vaults)),
            ),
            retention=RetentionRules(self.store, settings.retention.days()),
            notices=NoticeDesk(self.store, self.notices),
            codes=self.engine.codes,
        )
        self.datasets = Datasets(self.store, self.vaults, project.tools, self.skills)
        stranded = Stranded(self.store, self.engine.codes, self.engine.codes_offered)
        self._upkeep = Upkeep(self.audit, self.store, self.engine.prune, self.desk.retention.apply, stranded.look)

    def _refuse_open_tenancy(self) -> None:
        """Errors: `ConfigError` where several tenants would share an environment other than dev without row-level
        security, and the project does not say that a warning will do."""
        why, settings = gap(self._sql), self.project.settings
        if not why:
            return
        if len(settings.tenants) > 1 and set(settings.environments) - {DEV} and settings.row_security == REQUIRE:
            raise ConfigError(
                f"Row-level security does not hold on this database: {why}.",
                remedy="Connect as a role that is neither superuser nor BYPASSRLS (docs/how-to/postgres.md), or accept "
                'it: [store] row_security = "warn".',
            )
        _log.warning("store: row-level security does not hold (%s); our own conditions alone keep tenants apart", why)

    def _version(self, project: Project, release: str) -> Version:
        """What `project`, as its folder or a bundle has it, pins for runs under `release`."""
        settings, rates = project.settings, project.settings.limits
        prices = ModelPrices(settings.models.prices, scripted(settings.models.providers))
        return Version(
            release,
            {name: capped(skill, rates.run_budget) for name, skill in project.skills.items()},
            project.prompts,
            Limits(rates.system, rates.tenant, rates.skills, rates.tools, rates.tenant_day_budget.steps),
            Budgets(prices, day_budget(settings)),
            self._router or make_router(project, self.models, self.vaults.redaction.finder("")),
            settings.routing.below,
            settings.routing.person,
        )

    def _released_policy(self) -> ReleasedPolicy:
        """The policy files of the folder, and of the releases in force."""
        project = self.project
        environments = project.settings.environments
        folder = PolicyInForce(
            project.folder / "policies", project.tools, project.skills, environments, groups=self._group_sizes
        )

        def build(digest: str, groups: Mapping[str, int] | None) -> CedarPolicy:
            bundle = read(self.store.read(self._scope, lambda tx: found(tx, digest)))
            files = [PolicyFile(path, text) for path, text in bundle.files.items() if path.endswith(".cedar")]
            return CedarPolicy(project.tools, project.skills, environments, files, groups=groups)

        return ReleasedPolicy(
            folder,
            lambda scope: self.store.read(scope, lambda tx: tx.releases.pointer()),
            build,
            groups=self._group_sizes,
        )

    def _watched(self) -> Telemetry | None:
        """As the project and OTEL_* say; None where nobody watches."""
        opened = open_telemetry(self.project.settings.telemetry, self.project.settings.name)
        if opened is not None:
            opened.begin_at_zero(counters(self.project.tools, self.project.skills))
            opened.read_gauges(gauge_reader(self.store, self.project.settings.environments))
        return opened

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

    def prepare_routes(self) -> None:
        """Loads or trains the routers in force, which the first request without a skill would wait for: up to about a
        minute for 15,000 examples, once. Errors: `Unavailable`, `Conflict` (`release_damaged`)."""
        settings, found = self.project.settings, dict[str, Version]()
        for tenant in settings.tenants:
            for environment in settings.environments:
                pointer = self.store.read(Scope(tenant, environment), lambda tx: tx.releases.pointer())
                version = self.versions.of(pointer.digest) if pointer else self.versions.folder
                found |= {version.release: version} if version else {}
        for version in found.values():
            if isinstance(version.router, Trainable):
                version.router.prepare(version.skills)

    def serve(self) -> None:
        """Starts carrying runs out in this process. Errors: `Conflict` (`served`) where another one does, on SQLite."""
        self.engine.serve(self.handle_pass)
        self._upkeep.start()

    async def handle_pass(self, ref: RunRef, pass_id: str) -> None:
        """What the engine hands out: a pass of a run, or the sending of a notice."""
        if is_notice(ref):
            return await self.notices.handle_pass(ref, pass_id)
        return await self.workflow.handle_pass(ref, pass_id)

    def is_served(self) -> bool:
        """Whether some process carries this store's runs out."""
        return is_served(self.project.settings.store_url)

    @contextmanager
    def working(self) -> Generator[bool]:
        """Sees to it that runs are carried out: by this process, where no other one does that has the same code loaded.
        Gives whether it is this one."""
        mine = False
        if not self.is_served() or code_of(self.project) not in self.engine.codes():
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
        self.telemetry.close()
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

    def run_and_wait(
        self, text: str, *, wait_s: float = 60.0, on_piece: Callable[[Piece], None] | None = None, **options: Any
    ) -> dict[str, Any]:
        """`start`, then `wait`. Takes the options of `start`. `on_piece`: as `listen`."""
        started = self.start(text, **options)
        run_id = str(started["run_id"])
        stop = self.listen(run_id, on_piece) if on_piece is not None else None
        try:
            return self.wait(run_id, wait_s=wait_s)
        finally:
            if stop is not None:
                stop()

    def listen(self, run_id: str, on_piece: Callable[[Piece], None]) -> Callable[[], None]:
        """Hands on what models say in this run, piece by piece, tokenized, where this process carries the run out; in
        another one a turn shows once it is recorded (event `turn.answered`). `on_piece` is called in a worker's thread.
        Returns what ends the listening. Errors: `NotFound`."""
        self.run_status(run_id)
        return self._app.pieces.listen(run_id, on_piece)

    def pieces(self, run_id: str) -> AbstractContextManager[AsyncIterator[Piece]]:
        """As `listen`, for a caller in an event loop: what models say in this run, as it comes, until the run has ended
        or waits for somebody.

        ::

            run_id = dana.start("Why is order 7 late?", skill="desk")["run_id"]
            with dana.pieces(run_id) as pieces:
                async for piece in pieces:
                    print(piece.text, end="")

        Errors: `NotFound`."""
        self.run_status(run_id)
        return heard(self._app.pieces, run_id, lambda: self._rests(run_id))

    def _rests(self, run_id: str) -> bool:
        return has_settled(self.run_status(run_id))

    def wait(self, run_id: str, *, wait_s: float = 60.0) -> dict[str, Any]:
        """The execution record once the run has ended or waits for somebody, at the latest after `wait_s` seconds.

        Errors: `Unauthenticated` never; `NotFound`."""
        rest, begun = threading.Event(), time.monotonic()
        while True:
            if self._rests(run_id) or time.monotonic() - begun >= wait_s:
                return self.run(run_id)
            rest.wait(0.03)


def _announcer(kinds: frozenset[str]) -> Callable[[Tx, RecordedEvent], None] | None:
    """Enqueues a notice for each event that some channel is told of; None where nobody is told of anything."""
    if not kinds:
        return None
    return lambda tx, event: enqueue(tx, event) if event.kind in kinds else None


def _channels(settings: NotificationSettings) -> dict[str, tuple[Wants, NoticeChannel]]:
    found: dict[str, tuple[Wants, NoticeChannel]] = {}
    for name, channel in settings.channels.items():
        if channel.webhook is not None:
            hosts = settings.private_hosts
            found[name] = channel, Webhook(channel.webhook, channel.secret_variable or "", private_hosts=hosts)
        else:
            found[name] = channel, Apprise(channel.variable or "")
    return found


__all__ = ["Acting", "Clearway"]
