"""What the commands share: the project they are about, who is acting, and where."""

import os
import shlex
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clearway.cli.output import Output
from clearway.model.errors import Denied, Invalid, Unauthenticated
from clearway.model.identity import DEV
from clearway.project.located import SETTINGS_FILE

# INVARIANT: the store, the engine and what reads projects are imported inside commands only, so that `clearway --help`
# is fast.
if TYPE_CHECKING:
    from clearway.app import Clearway
    from clearway.model.identity import Scope
    from clearway.operate.operations import Operations
    from clearway.project.project import Project
    from clearway.remote.operations import Remote, RemoteOperations

KEY_VARIABLE = "CLEARWAY_KEY"


class Place(Protocol):
    """Where a command does its work: this machine's store, or a server."""

    def is_served(self) -> bool: ...

    def working(self) -> AbstractContextManager[bool]: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """The common options. None: not given."""

    project: Path | None = None
    store: str | None = None
    user: str | None = None
    role: str | None = None
    tenant: str | None = None
    environment: str | None = None
    as_json: bool = False
    server: str | None = None

    def with_given(self, given: Mapping[str, Any]) -> "Shared":
        """These options, with those that stood behind the command's name."""
        return replace(self, **given)


class At:
    """One invocation of a command."""

    def __init__(self, shared: Shared, environ: Mapping[str, str] = os.environ) -> None:
        self.shared = shared
        self.out = Output(shared.as_json)
        self._key = environ.get(KEY_VARIABLE, "").strip()
        self._left_out = False

    @property
    def environment(self) -> str:
        return self.shared.environment or DEV

    @property
    def names_somebody(self) -> bool:
        """Whether --as or a key says who is acting."""
        return self.shared.user is not None or bool(self._key)

    def here(self) -> "At":
        """The same on this machine: for what a command reads of the project itself, beside asking a server."""
        return At(replace(self.shared, server=None), {KEY_VARIABLE: self._key})

    def folder(self) -> Path:
        """The project's folder: the one named, or this one, or the nearest above it that holds clearway.toml."""
        self.check_local()
        given = self.shared.project
        if given is not None:
            if not given.is_dir():
                raise Invalid(
                    f"There is no folder {given}.",
                    code="no_project",
                    remedy=f"Name the folder that holds {SETTINGS_FILE} with --project.",
                )
            return given
        here = Path.cwd()
        found = next((folder for folder in (here, *here.parents) if (folder / SETTINGS_FILE).is_file()), None)
        if found is None:
            raise Invalid(
                f"There is no {SETTINGS_FILE} in this folder or above it.",
                code="no_project",
                remedy="Go to a project, name one with --project, or make one: clearway init DIR.",
            )
        return found

    def load(self) -> "Project":
        """The project as its files have it, without a store. Errors: `ConfigError`, `Invalid` (`no_project`)."""
        from clearway.project.load import load_project

        return load_project(self.folder())

    @contextmanager
    def open(self, *, make: bool = False) -> "Generator[Clearway]":
        """The project on its store. INVARIANT: for what is local by nature; `desk` is for the rest.

        `make`: make the store where there is none, which only what begins something may: in a new store, made at an
        address that somebody mistyped, nothing waits, nothing failed, and no kill switch stops anything.
        Errors: `NotFound` (`no_store`).
        """
        from clearway.app import Clearway

        with Clearway.open(self.folder(), store_url=self.shared.store, make_store=make) as app:
            yield app

    @contextmanager
    def desk(self, *, make: bool = False) -> "Generator[Clearway | Remote]":
        """Where the operations are: on the server of --server, or on the project's own store. `make`: as `open`."""
        if self.shared.server is None:
            with self.open(make=make) as app:
                yield app
            return
        from clearway.remote.operations import Remote

        if not self._key:
            raise Unauthenticated(
                "A server is asked with an API key.",
                remedy=f"Set {KEY_VARIABLE}; an admin makes keys with clearway keys create.",
            )
        with Remote(self.shared.server, self._key) as remote:
            yield remote

    @contextmanager
    def operations(self, *, make: bool = False) -> "Generator[Operations]":
        """The operations of whoever is acting; closed at the end. `make`: as `open`."""
        with self.desk(make=make) as app:
            yield self.caller(app)

    @contextmanager
    def asking(self) -> "Generator[Operations]":
        """The operations of the key's holder, where --as and --role name whom is asked about."""
        with At(replace(self.shared, user=None, role=None), {KEY_VARIABLE: self._key}).operations() as ops:
            yield ops

    def caller(self, app: "Clearway | Remote", *, narrow: bool = True) -> "Operations":
        """Who is acting: the holder of CLEARWAY_KEY, or `--as` in environment dev.

        INVARIANT: never both. A key alone says who, in which tenant and environment; `--as` beside it would move an
        act that was meant for the key's environment to dev.
        Nobody, who may only read, in environment dev; elsewhere reading takes a key too. `narrow`: to `--role`.
        Errors: `Unauthenticated`, `Denied`, `NotFound`, `Invalid`.
        """
        from clearway.app import Acting, Clearway

        shared = self.shared
        if not isinstance(app, Clearway):
            return self._remote_caller(app, shared.role if narrow else None)
        if shared.user is not None and self._key:
            raise Invalid(
                f"Both --as and {KEY_VARIABLE} say who is acting.",
                code="usage",
                remedy=f"Drop one: leave --as out, or unset {KEY_VARIABLE} to act in environment dev.",
            )
        app.scope(None, self.environment)  # one that is not there is named before anybody is asked for a key
        if shared.user is not None:
            acting = app.acting(shared.user, tenant=shared.tenant, environment=self.environment)
        elif self._key:
            acting = app.acting_with_key(self._key)
            self._check_place(acting)
        elif self.environment != DEV:
            raise Unauthenticated(
                f"Environment {self.environment} is open to holders of an API key only.",
                remedy=f"Set {KEY_VARIABLE}; an admin makes keys with clearway keys create.",
            )
        else:
            return app.reading(tenant=shared.tenant, environment=DEV)
        if shared.role is None or not narrow:
            return acting
        narrowed = acting.caller.narrowed(shared.role)
        if narrowed is None:
            raise Denied(
                f"{acting.caller.name} does not have that role here.",
                code="role_not_held",
                remedy="A role can only be narrowed to one that the principal has.",
            )
        return Acting(app, narrowed)

    def _remote_caller(self, remote: "Remote", role: str | None) -> "RemoteOperations":
        if self.shared.user is not None:
            raise Invalid(
                "--as works on this machine's own store; on a server the key says who is acting.",
                code="usage",
                remedy="Leave --as out.",
            )
        ops = remote.operations(role=role)
        if self.shared.environment is not None or self.shared.tenant is not None:
            self._check_place(ops)
        return ops

    def scope(self, app: "Clearway | Remote", ops: "Operations") -> "Scope":
        """The tenant and environment that `ops`, which `caller` gave, are about."""
        from clearway.app import Clearway

        acts = self.shared.user is not None or self._key
        if acts or not isinstance(app, Clearway):
            return ops.caller.scope
        return app.scope(self.shared.tenant, self.environment)

    def chains(self, app: "Clearway | Remote") -> list[tuple[str, str]]:
        """(tenant, environment) of each chain of the project; of a server nobody sees but their own."""
        from clearway.app import Clearway

        if not isinstance(app, Clearway):
            return []
        settings = app.project.settings
        return [(t, e) for t in settings.tenants for e in settings.environments]

    def check_local(self) -> None:
        """For what is local by nature. Errors: `Invalid` (`local_only`)."""
        if self.shared.server is not None:
            raise Invalid(
                "This command works on this machine's project and store, not on a server.",
                code="local_only",
                remedy="Leave --server (or CLEARWAY_SERVER) out.",
            )

    def command(self, *words: str, acting: bool = False) -> str:
        """A command line to type next, with the options that say where. `acting`: it needs somebody to act.

        INVARIANT: it repeats no credentials (threat 27): a store whose URL may hold some is left out, and
        `end` says so.
        """
        shared = self.shared
        store = shared.store or ""
        if store and not _is_open(store):
            self._left_out, store = True, ""
        options = [
            ("--project", str(shared.project or "")),
            ("--store", store),
            ("--server", shared.server or ""),
            ("--tenant", shared.tenant or ""),
            ("--env", shared.environment or ""),
        ]
        given = [word for name, value in options if value and value != DEV for word in (name, shlex.quote(value))]
        who = ["--as", "USER"] if acting and self.environment == DEV and not self._key else []
        return " ".join(["clearway", *words, *given, *who])

    def end(self) -> None:
        """Says what the command lines that were named leave out."""
        if self._left_out:
            self.out.hint("Type these with the same --store; it is not repeated here, since it can hold a password.")

    def _check_place(self, acting: Any) -> None:
        scope = acting.caller.scope
        for name, asked, is_ in (
            ("environment", self.shared.environment, scope.environment),
            ("tenant", self.shared.tenant, scope.tenant),
        ):
            if asked is not None and asked != is_:
                raise Denied(
                    f"The API key is for another {name}.",
                    code="wrong_scope",
                    remedy=f"Use a key of that {name}, or leave the option out.",
                )


def _is_open(store: str) -> bool:
    """Whether the URL holds no credentials: neither before its host nor among its options."""
    return store.startswith("sqlite:") or not ("@" in store or "?" in store)


def page_hint(at: At, page: Mapping[str, Any], *words: str | tuple[str, str | None]) -> None:
    """Says how to see the next page, where there is one. Pairs are options; those without a value are left out."""
    if page["next"]:
        asked = [word for item in words for word in ([item] if isinstance(item, str) else item if item[1] else [])]
        typed = [shlex.quote(word or "") for word in asked]
        at.out.hint(f"more: {at.command(*typed, '--cursor', str(page['next']))}")
