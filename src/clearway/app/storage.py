"""Opens what everything stands on: the database, its keys and tables, the execution engine, the store."""

import logging
from collections.abc import Callable
from pathlib import Path

from clearway.adapters.dbos_engine import DbosEngine
from clearway.adapters.keyring import Keyring
from clearway.adapters.sealer import KeyringSealer
from clearway.adapters.sql.engine import open_engine, sqlite_path
from clearway.adapters.sql.migrations import is_current, is_new, migrate
from clearway.adapters.sql.row_security import gap
from clearway.adapters.sql.run_code import CodeOfRuns
from clearway.adapters.sql.store import SqlStore
from clearway.adapters.sql.store_keys import recognise
from clearway.app.outward import announcer
from clearway.model.errors import ConfigError, NotFound
from clearway.model.identity import DEV
from clearway.ports import Store
from clearway.project.project import Project
from clearway.project.released import code_of
from clearway.project.settings import REQUIRE, Settings
from clearway.rules.releases import bundles
from clearway.runtime.vault import Vaults

_log = logging.getLogger("clearway.store")


class Storage:
    """`now`: the store's clock in seconds since the epoch, for tests; None is the database's own.

    `make`: make the store where there is none. Errors: `NotFound` (`no_store`) where it is not to; nothing is written
    then, not even an empty file."""

    def __init__(self, project: Project, *, now: Callable[[], float] | None = None, make: bool = True) -> None:
        settings = project.settings
        path = sqlite_path(settings.store_url)
        if not make and path is not None and not _holds_something(path):
            raise _no_store()
        self.sql = open_engine(settings.store_url)
        try:
            # INVARIANT: keys are made before the store's tables, and never for a store that has them: new keys would
            # open nothing that is in it.
            new = is_new(self.sql)
            if new and not make:
                raise _no_store()
            self._refuse_open_tenancy(settings)
            open_keyring = Keyring.open_or_create if new else Keyring.open
            keyring = open_keyring(settings.keyring)
        except BaseException:
            self.sql.dispose()
            raise
        self.sealer = KeyringSealer(keyring)
        self.vaults = Vaults(settings.privacy.redaction(self.sealer, settings.tenants))
        self.engine = DbosEngine(
            settings.store_url,
            self.sql,
            keyring,
            code=code_of(project),
            code_of=CodeOfRuns(bundles.code_of_text),
        )
        if not is_current(self.sql):
            # The engine's tables first: ours being there says that both are. A new engine brings a revision of ours.
            self.engine.prepare()
            migrate(self.sql)
        try:
            # INVARIANT: nothing is read, sealed or known again with keys that are not the store's own.
            recognise(self.sql, keyring.checks())
        except BaseException:
            self.sql.dispose()
            raise
        self.store: Store = SqlStore(
            self.sql, wake=self.engine.wake, now=now, announce=announcer(settings.notifications.kinds)
        )

    def close(self) -> None:
        self.sql.dispose()

    def _refuse_open_tenancy(self, settings: Settings) -> None:
        """Errors: `ConfigError` where several tenants would share an environment other than dev without row-level
        security, and the project does not say that a warning will do."""
        why = gap(self.sql)
        if not why:
            return
        if len(settings.tenants) > 1 and set(settings.environments) - {DEV} and settings.row_security == REQUIRE:
            raise ConfigError(
                f"Row-level security does not hold on this database: {why}.",
                remedy="Connect as a role that is neither superuser nor BYPASSRLS (docs/how-to/postgres.md), or accept "
                'it: [store] row_security = "warn".',
            )
        _log.warning("store: row-level security does not hold (%s); our own conditions alone keep tenants apart", why)


def _holds_something(path: Path) -> bool:
    """Asked before it is opened, which would make the file, or its first page."""
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # to open it says what is wrong


def _no_store() -> NotFound:
    return NotFound(
        "There is no store there, and this command makes none.",
        code="no_store",
        remedy="Check --store and [store] url. `clearway run`, `worker` and `serve` make a store where there is none.",
    )
