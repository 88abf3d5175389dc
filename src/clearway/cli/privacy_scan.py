"""`clearway privacy explain` and `clearway privacy scan`: what is found in a text, and what is left in stored bytes."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from clearway.cli.command import command
from clearway.cli.context import At
from clearway.model.errors import Invalid, NotFound

if TYPE_CHECKING:
    from clearway.operate.scan import Place, Scan
    from clearway.project.privacy import PrivacyRules, PrivacySettings
    from clearway.project.project import Project
    from clearway.rules.find import Finder

#: `--store` without a value: that of the project.
OWN_STORE = "the project's own"
#: Places that are printed; all are counted.
MOST_SHOWN = 1000
LONGEST_TEXT = 1_000_000


class _WithStore(TyperCommand):
    """Lets `--store` stand without a URL."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given: list[str] = []
        for word, following in pairwise([*args, "--"]):
            given.append(word)
            if word == "--store" and following.startswith("-"):
                given.append(OWN_STORE)
        return super().parse_args(ctx, given)


def declare(group: typer.Typer) -> None:
    command(group, "explain")(explain)
    command(group, "scan", cls=_WithStore)(scan)


def explain(
    at: At, text: Annotated[str, typer.Argument(metavar="TEXT|-", help="The text; - reads it from stdin.")]
) -> None:
    """Say what would be found in a text: type, place, and how the text would look. Outside of a project: by default
    settings."""
    finder = _finder(at)
    given = sys.stdin.read(LONGEST_TEXT) if text == "-" else text
    from clearway.rules.find import RunMemory

    found = [{"type": one.type, "start": one.start, "end": one.end} for one in finder.spans(given, RunMemory())]
    shown = finder.scrub(given, RunMemory(), lambda value, type_name: f"<{type_name}>")

    def show() -> None:
        at.out.say(shown)
        at.out.table(("type", "from", "to"), [(one["type"], one["start"], one["end"]) for one in found])

    at.out.emit("privacy_findings", {"found": found, "shown": shown}, show)


def scan(
    at: At,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Files and folders; else the store and its folder.")
    ] = None,
    canary: Annotated[
        list[str] | None,
        typer.Option(
            "--canary", metavar="FILE|VALUE", help="Look for these values, however encoded; a file holds one a line."
        ),
    ] = None,
    canaries_only: Annotated[
        bool, typer.Option("--canaries-only", help="Look for the canaries only, not for what detectors know.")
    ] = False,
) -> int:
    """Look for personal data and canaries in databases, their logs, exports and archives. Prints places, never values;
    exit code 1 where something was found. With `--store` (URL or nothing) the store; with neither, it and its folder.
    """
    from clearway.operate.canaries import SHORTEST, Canaries
    from clearway.operate.scan import Scan

    given = Canaries(_values(canary or []))
    if given.too_short:
        raise Invalid(
            f"A canary of less than {SHORTEST} characters is met by chance.",
            code="canary",
            remedy="Plant longer values.",
        )
    if canaries_only and not given:
        raise Invalid("There is no canary to look for.", code="canary", remedy="Name them with --canary.")
    missing = [path for path in paths or [] if not path.exists()]
    if missing:
        raise Invalid(f"There is nothing at {missing[0]}.", code="no_file", remedy="Name files or folders.")
    project = None if paths and not at.shared.store else _project(at)
    rules, of_tenant = _rules_of(at)
    keyring = None if project is None else project.settings.keyring
    looking = Scan(
        None if canaries_only else rules.finder(),
        given,
        keyring,
        *(() if keyring is None or project is None else (stand_ins_of(keyring, project.settings.tenants),)),
        of_tenant={tenant: own.finder() for tenant, own in of_tenant.items()},
        allowed=rules.allow,
    )
    whole = not paths and not at.shared.store
    return _tell(at, looking, _places(looking, paths or [], project, whole_folder=whole))


def stand_ins_of(keyring: Path, tenants: Sequence[str]) -> Callable[[str, str], bool]:
    """What the project's tenants show in place of values. Without the keyring nothing is known to be one."""
    from clearway.adapters.keyring import Keyring
    from clearway.adapters.sealer import KeyringSealer
    from clearway.model.errors import ClearwayError
    from clearway.model.identity import Scope
    from clearway.rules.stand_ins import StandIns

    try:
        sealer = KeyringSealer(Keyring.open(keyring))
    except ClearwayError:
        return lambda value, type_name: False

    def of(tenant: str) -> StandIns:
        return StandIns(lambda value, kind: sealer.token(value, kind, Scope(tenant, "")))

    known = [of(tenant) for tenant in tenants]
    return lambda value, type_name: any(one.recognises(value, type_name) for one in known)


def _places(looking: "Scan", paths: list[Path], project: "Project | None", *, whole_folder: bool) -> Iterator["Place"]:
    found = looking.paths(paths)
    return found if project is None else chain(found, _in_store(looking, project, whole_folder=whole_folder))


def _in_store(looking: "Scan", project: "Project", *, whole_folder: bool) -> Iterator["Place"]:
    from clearway.adapters.sql.cells import postgres_cells
    from clearway.adapters.sql.engine import open_engine, sqlite_path
    from clearway.operate.sqlite_cells import Cell

    path = sqlite_path(project.settings.store_url)
    own = project.folder / ".clearway"
    if path is not None and not whole_folder and not path.exists():
        raise NotFound(
            "There is no such store: nothing was looked through.", code="no_store", remedy="Name it with --store."
        )
    if path is not None and (not whole_folder or not own.is_dir() or own.resolve() not in path.resolve().parents):
        yield from looking.paths(sorted(path.parent.glob(f"{path.name}*")))
    if path is None:
        engine = open_engine(project.settings.store_url)
        try:
            yield from looking.table_cells(Cell(*cell) for cell in postgres_cells(engine))
        finally:
            engine.dispose()
    if whole_folder and own.is_dir():
        yield from looking.paths([own])


def _tell(at: At, looking: "Scan", places: Iterator["Place"]) -> int:
    counts: Counter[str] = Counter()
    shown: list[dict[str, Any]] = []
    for place in places:
        counts[place.type] += 1
        if len(shown) < MOST_SHOWN:
            shown.append(place.as_json())
    unread = [{"path": path, "why": why} for path, why in looking.unread]

    def show() -> None:
        rows = [
            (
                one["type"] + (f" {one['canary']}" if "canary" in one else ""),
                one.get("path", ""),
                ".".join(filter(None, (one.get("table"), one.get("column")))),
                one.get("row", ""),
                one.get("offset", ""),
                one.get("form", ""),
            )
            for one in shown
        ]
        if rows:
            at.out.table(("type", "file", "column", "row", "offset", "form"), rows)
        more = sum(counts.values()) - len(shown)
        at.out.hint(
            f"{sum(counts.values())} found in {looking.files} files, {looking.cells} cells, {looking.bytes} bytes"
            + (f"; {more} of them not shown" if more else "")
        )
        if not looking.files and not looking.cells:
            at.out.hint("there was nothing to look through")
        for one in unread:
            at.out.hint(f"not looked through: {one['path']} ({one['why']})")

    data = {
        "found": shown,
        "counts": dict(sorted(counts.items())),
        "files": looking.files,
        "cells": looking.cells,
        "bytes": looking.bytes,
        "unread": unread,
    }
    at.out.emit("privacy_scan", data, show)
    return 1 if counts or unread else 0


def _values(given: list[str]) -> list[str]:
    """Of a file its lines, without empty ones; else the word itself."""
    found: list[str] = []
    for word in given:
        path = Path(word)
        try:
            is_file = path.is_file()
        except (OSError, ValueError):
            is_file = False
        found += _lines(path) if is_file else [word]
    return found


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise Invalid(
            f"The canaries in {path.name} cannot be read.", code="canary", remedy="Write one a line, as UTF-8."
        ) from None


def _project(at: At) -> "Project":
    from clearway.project.load import load_project

    store = at.shared.store
    return load_project(at.folder(), store_url=None if store == OWN_STORE else store)


def _finder(at: At) -> "Finder":
    """The project's, where there is one: with its own patterns, and without what it allows."""
    return _settings(at).of(at.shared.tenant or "").finder()


def _rules_of(at: At) -> "tuple[PrivacyRules, dict[str, PrivacyRules]]":
    """(for what tells no tenant, for rows that tell one). With `--tenant` everything is looked at as that one does."""
    settings = _settings(at)
    if at.shared.tenant:
        return settings.of(at.shared.tenant), {}
    return settings.of_anybody(), {**dict.fromkeys(_tenants(at), settings.project), **settings.tenants}


def _settings(at: At) -> "PrivacySettings":
    """The project's; those by default where there is none."""
    from clearway.project.privacy import PrivacySettings

    return _project(at).settings.privacy if _has_project(at) else PrivacySettings()


def _tenants(at: At) -> Sequence[str]:
    return _project(at).settings.tenants if _has_project(at) else ()


def _has_project(at: At) -> bool:
    try:
        at.folder()
    except Invalid:
        if at.shared.project is not None:
            raise
        return False
    return True
