"""Puts a project, a store, an engine and the road together. Nothing else wires anything."""

from collections.abc import Callable
from functools import partial

from clearway.adapters.models.providers import Providers
from clearway.app.outward import channels, telemetry_of
from clearway.app.pinned import released_policy, version_of
from clearway.app.storage import Storage
from clearway.model.identity import DEV, Scope
from clearway.operate.access import Access
from clearway.operate.audit import AuditLog
from clearway.operate.broken_policies import BrokenPolicies
from clearway.operate.datasets import Datasets
from clearway.operate.desk import Desk
from clearway.operate.notice_desk import NoticeDesk
from clearway.operate.notices import Notices
from clearway.operate.people import People
from clearway.operate.policy_bench import group_sizes
from clearway.operate.privacy import Privacy
from clearway.operate.releases.comparing import Comparing
from clearway.operate.releases.desk import ReleaseDesk
from clearway.operate.releases.replay import Replay
from clearway.operate.releases.rollout import Rollout
from clearway.operate.releases.shelf import Shelf
from clearway.operate.releases.stranded import Stranded
from clearway.operate.releases.versions import ReleasedVersions
from clearway.operate.releases.watching import ReleaseWatch
from clearway.operate.retention import RetentionRules
from clearway.operate.upkeep import Upkeep
from clearway.operate.what_if import WhatIf
from clearway.ports import Clock, ModelClient, Policy, Telemetry
from clearway.project.directory import ProjectDirectory
from clearway.project.project import Project
from clearway.rules.route import Router
from clearway.rules.scrub import NET
from clearway.runtime.clock import SystemClock
from clearway.runtime.decisions import Decisions
from clearway.runtime.endorsements import Endorsing
from clearway.runtime.gate import CALM_FOR_S, Gate
from clearway.runtime.grants import Grants
from clearway.runtime.intake import Intake
from clearway.runtime.interventions import Interventions
from clearway.runtime.load import Loader
from clearway.runtime.pieces import Pieces
from clearway.runtime.tracing import SILENT
from clearway.runtime.turns import Turns
from clearway.runtime.version import Watch
from clearway.runtime.workflow import Workflow


class Wired:
    """All of it, once a process. The parameters are those of `Clearway`."""

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
        make_store: bool = True,
    ) -> None:
        self.project = project
        settings = project.settings
        self.storage = storage = Storage(project, now=now, make=make_store)
        self.store, self.engine = storage.store, storage.engine
        self.sealer, self.vaults = storage.sealer, storage.vaults
        self.notices = Notices(self.store, channels(settings.notifications), settings.notifications.link)
        declared = ProjectDirectory(project, watched=policy is None)
        self.directory = declared if settings.oidc is None else People(declared, self.store, self.vaults.redaction)
        self._scope = Scope(settings.tenants[0], settings.environments[0])
        released = released_policy(project, self.store, self._scope, self._group_sizes)
        self.policy: Policy = policy or released
        self._released = None if policy else released
        for rules in (settings.privacy.project, *settings.privacy.tenants.values()):
            NET.also(rules.patterns)
        self.telemetry = telemetry or telemetry_of(project, self.store) or SILENT
        clock = clock or SystemClock()
        self.models: ModelClient = models or Providers(settings.models.providers)
        version = partial(version_of, models=self.models, vaults=self.vaults, router=router)
        folder = version(project, project.digest or "unreleased")
        self.skills = folder.skills
        self.versions = ReleasedVersions(self.store, project, self._scope, folder, version)
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
        loader = Loader(
            self.store,
            self.sealer,
            self.directory,
            project.tools,
            self.versions,
            self.vaults,
            clock,
            settings.lenient_environments,
        )
        self.workflow = Workflow(gate, loader, turns)
        self.audit = AuditLog(self.store, self.sealer)
        self.access = Access(self.store, self.directory)
        self.desk = self._make_desk(folder.release, watch)
        self.datasets = Datasets(self.store, self.vaults, project.tools, self.skills)
        stranded = Stranded(self.store, self.engine.codes, self.engine.codes_offered)
        self.broken_policies = BrokenPolicies(
            [Scope(tenant, environment) for tenant in settings.tenants for environment in settings.environments],
            self.broken_policy,
        )
        self._upkeep = Upkeep(
            self.audit,
            self.store,
            self.engine.prune,
            self.desk.retention.apply,
            stranded.look,
            self.broken_policies.tell,
        )

    def broken_policy(self, scope: Scope) -> str | None:
        """Why policy allows nothing at all in `scope` now; None where it is in force."""
        return self._released.broken(scope) if self._released is not None else None

    def _make_desk(self, release: str, watch: Watch) -> Desk:
        project, settings = self.project, self.project.settings
        return Desk(
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
            interventions=Interventions(self.store, self.vaults, self.directory, project.tools, self.skills),
            grants=Grants(self.store, project.tools, settings.grant_factors, release, self.vaults.redaction),
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
            is_served=self.engine.is_served,
        )

    def _group_sizes(self) -> dict[str, int] | None:
        people = self.directory.current()
        return None if people is None else group_sizes(people)
