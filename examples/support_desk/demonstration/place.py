"""Where the demonstration keeps its data, and how it starts afresh without touching anybody else's."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from clearway.app import Clearway
from clearway.model.errors import ClearwayError

#: What a project consists of, as far as the demonstration copies it.
PARTS = (
    "clearway.toml", "ownership.toml", "tools", "skills", "policies", "prompts", "routes", "datasets", "runbooks",
)  # fmt: skip
MARKER = "demonstration.json"
#: What the demonstration makes below `.clearway`, beside its marker.
MADE = ("clearway.db*", "keyring.json*", "billing", "mail", "worker*")


class PlaceTaken(Exception):
    """The data can't be put there; the message says what to do."""


@dataclass(frozen=True)
class Place:
    """`project` holds clearway.toml, `folder` (its `.clearway`) all data. `moved`: where earlier, foreign data went."""

    project: Path
    folder: Path
    moved: Path | None = None

    @property
    def billing(self) -> Path:
        return self.folder / "billing"

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    def store_files(self) -> list[Path]:
        return sorted(self.folder.glob("clearway.db*"))


def prepare(source: Path, data: Path | None) -> Place:
    """A place without data. With `data` it is a copy of the project `source` there, otherwise `source` itself.

    Data of an earlier demonstration is deleted, anything else is moved aside. Errors: `PlaceTaken`.
    """
    project = source if data is None else data.resolve()
    folder = project / ".clearway"
    if data is not None:
        if project.exists() and any(project.iterdir()) and not (folder / MARKER).exists():
            raise PlaceTaken(f"{project} is not empty, and not of an earlier demonstration. Name another folder.")
        _copy(source, project)
    _refuse_if_served(project, folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    moved = None
    if (folder / MARKER).exists():
        _delete_own(folder)
    else:
        moved = _move_aside(folder)
    (folder / MARKER).write_text(json.dumps({"made_by": "the demonstration of the support desk"}) + "\n")
    return Place(project, folder, moved)


def _copy(source: Path, project: Path) -> None:
    project.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        part = source / name
        if part.is_dir():
            shutil.copytree(part, project / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        elif part.exists():
            shutil.copy2(part, project / name)


def _refuse_if_served(project: Path, folder: Path) -> None:
    if not (folder / "clearway.db").exists():
        return
    try:
        with Clearway.open(project) as app:
            served = app.is_served()
    except ClearwayError:
        return
    if served:
        raise PlaceTaken(f"A worker serves {folder / 'clearway.db'}. Stop it first, or use --data with another folder.")


def _delete_own(folder: Path) -> None:
    for pattern in MADE:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _move_aside(folder: Path) -> Path | None:
    found = [path for path in folder.iterdir() if not path.name.startswith("earlier-")]
    if not found:
        return None
    number = 1
    while (folder / f"earlier-{number}").exists():
        number += 1
    aside = folder / f"earlier-{number}"
    aside.mkdir(mode=0o700)
    for path in found:
        path.rename(aside / path.name)
    return aside
