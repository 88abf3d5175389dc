"""Who is who, from the project's declarations as they are now. Implements `clearway.ports.Directory`.

INVARIANT: a removed role, group or person bites at the next look, in every process, without a restart. While the files
cannot be read nobody is vouched for: `Unavailable`, so that work waits and nothing is decided on old rights.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from clearway.model.errors import ConfigError, Unavailable
from clearway.model.identity import Principal, Scope
from clearway.project.load import OWNERSHIP_FILE, load_people
from clearway.project.located import SETTINGS_FILE
from clearway.project.principals import DeclaredPrincipal
from clearway.project.project import Project
from clearway.rules.rights import gives_rights

#: How old the look at the files may be.
STALE_AFTER_S = 0.25


def _today() -> date:
    return datetime.now(UTC).date()


class ProjectDirectory:
    """Starts from the project as it was loaded; reads its people anew when clearway.toml or ownership.toml change."""

    def __init__(
        self,
        project: Project,
        *,
        watched: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = _today,
    ) -> None:
        """`watched`: False for a project that no folder declares."""
        self._project: Project | None = project
        self._watched = watched
        self._folder = project.folder
        self._monotonic, self._today = monotonic, today
        self._lock = threading.Lock()
        self._looked_at = monotonic()
        self._seen = self._look()

    def find(self, name: str, scope: Scope) -> Principal | None:
        declared = self._declared().get(name)
        if declared is None or declared.tenant != scope.tenant:
            return None
        found = declared.principal(scope.environment)
        if found.kind != "user":
            return found
        return replace(found, delegated=self._delegated(found, scope), also_admin=found.subject in self.admins(scope))

    def members(self, group: str, scope: Scope) -> frozenset[str]:
        return frozenset(
            name
            for name, declared in self._declared().items()
            if group in declared.groups and declared.tenant == scope.tenant
        )

    def persons(self, scope: Scope) -> dict[str, str]:
        """The tenant's users: id of a login → id of whose it is. Errors: `Unavailable`."""
        users = self._current().users
        return {name: one.person or name for name, one in users.items() if one.tenant == scope.tenant}

    def admins(self, scope: Scope) -> frozenset[str]:
        """The subjects of whom some login is an admin in the scope."""
        everybody = [
            one.principal(scope.environment) for one in self._declared().values() if one.tenant == scope.tenant
        ]
        return frozenset(one.subject for one in everybody if gives_rights(one))

    def current(self) -> Project | None:
        """The project's people as they are now; None where they cannot be read."""
        try:
            return self._current()
        except Unavailable:
            return None

    def _delegated(self, taker: Principal, scope: Scope) -> frozenset[tuple[str, str]]:
        """Memberships lent today by people who have them themselves: a lent one cannot be lent on."""
        project, today, admins = self._current(), self._today(), self.admins(scope)
        lent: set[tuple[str, str]] = set()
        for delegation in project.ownership.delegations:
            giver = project.users.get(delegation.giver)
            if (
                delegation.taker == taker.id
                and delegation.since <= today <= delegation.until
                and giver is not None
                and giver.tenant == scope.tenant
                and delegation.group in giver.groups
                and giver.principal(scope.environment).subject not in admins
            ):
                lent.add((delegation.group, giver.principal(scope.environment).subject))
        return frozenset(lent)

    def _declared(self) -> Mapping[str, DeclaredPrincipal]:
        project = self._current()
        return {
            f"{declared.kind}:{name}": declared
            for declarations in (project.users, project.services)
            for name, declared in declarations.items()
        }

    def _current(self) -> Project:
        with self._lock:
            now = self._monotonic()
            if self._watched and now - self._looked_at > STALE_AFTER_S:
                self._looked_at, seen = now, self._look()
                if seen != self._seen:
                    self._seen = seen
                    self._project = self._read()
            if self._project is None:
                raise Unavailable(
                    "The project's people cannot be read, so nobody is vouched for.",
                    code="directory",
                    remedy="Mend clearway.toml and ownership.toml: clearway policy check names the line.",
                )
            return self._project

    def _read(self) -> Project | None:
        try:
            return load_people(self._folder)
        except (ConfigError, OSError):
            return None

    def _look(self) -> tuple[Any, ...]:
        found: list[Any] = []
        for name in (SETTINGS_FILE, OWNERSHIP_FILE):
            try:
                stat = (self._folder / name).stat()
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
            except OSError:
                found.append(None)
        return tuple(found)
