"""A project, opened: the way in for programs, the command line and the server."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from clearway.adapters.dbos_engine import is_served
from clearway.app.acting import Acting
from clearway.app.wiring import Wired
from clearway.model.errors import Conflict, Denied, Invalid, NotFound
from clearway.model.identity import DEV, Scope
from clearway.model.run_ref import RunRef
from clearway.operate.local import LocalOperations
from clearway.operate.notices import is_notice
from clearway.project.load import load_project
from clearway.project.released import code_of
from clearway.rules.route import Trainable
from clearway.runtime.version import Version


class Clearway(Wired):
    """A project, opened on its store. Close it, or use it in a `with`.

    `now`: the store's clock in seconds since the epoch, for tests; None is the database's own. `calm_for_s`:
    how old a read's look at the kill switches may be. `probe(name)`: called at each write boundary of the gate, for
    crash tests. `make_store`: make the store where there is none, else `NotFound` (`no_store`).
    """

    @classmethod
    def open(cls, folder: str | Path = ".", *, store_url: str | None = None, **options: Any) -> Self:
        """Loads the project in `folder`. Errors: `ConfigError`, `Unavailable`, `NotFound`."""
        return cls(load_project(folder, store_url=store_url), **options)

    def acting(self, user: str, *, tenant: str | None = None, environment: str = DEV) -> Acting:
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

    def acting_with_key(self, key: str) -> Acting:
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
        self.storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
