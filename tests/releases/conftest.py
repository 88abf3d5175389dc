"""A project that releases are cut of, its people, and a real store of either kind."""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealer import KeyringSealer
from clearway.adapters.sql.store import SqlStore
from clearway.model.errors import Denied
from clearway.model.identity import Principal, Scope
from clearway.operate.releases.rollout import Rollout
from clearway.operate.releases.shelf import Shelf
from clearway.project.directory import ProjectDirectory
from clearway.project.load import load_project
from clearway.project.project import Project
from clearway.rules.redact import Redaction

EXAMPLE = Path(__file__).parents[2] / "examples" / "support_desk"
PROD = Scope("acme", "prod")


@dataclass
class House:
    """`edit` changes a file of the project; what is cut afterwards is another release."""

    folder: Path
    store: SqlStore
    sealer: KeyringSealer
    project: Project

    @property
    def shelf(self) -> Shelf:
        directory = ProjectDirectory(self.project, watched=False)
        return Shelf(self.store, self.sealer, directory, self.project, Redaction(self.sealer))

    @property
    def rollout(self) -> Rollout:
        return Rollout(self.store, self.shelf, frozenset({"dev"}))

    def who(self, name: str, scope: Scope = PROD) -> Principal:
        found = ProjectDirectory(self.project, watched=False).find(f"user:{name}", scope)
        assert found is not None
        return found

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if path.exists() else ""
        path.write_text(change(before))
        self.project = load_project(self.folder)

    def cut(self, by: str = "dana", scope: Scope = PROD) -> str:
        return str(self.shelf.cut(self.who(by, scope), "a change")["digest"])

    def sign_all(self, digest: str, scope: Scope = PROD) -> None:
        """By whoever has a duty and is not its author."""
        for name in ("sam", "bo", "olga", "amir", "dana"):
            missing = self.shelf.show(scope, digest)["duties"]
            if all(duty["signed_by"] for duty in missing):
                return
            with contextlib.suppress(Denied):
                self.shelf.sign(self.who(name, scope), digest, "looked at it")


@pytest.fixture
def house(tmp_path: Path, store: SqlStore) -> House:
    folder = tmp_path / "desk"
    shutil.copytree(
        EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".clearway", "demonstration", "demo.py")
    )
    settings = folder / "clearway.toml"  # no training at each cut: tests/releases/test_trained_router.py has that
    text = settings.read_text()
    settings.write_text(text if "[routing]" in text else f'{text}\n[routing]\nrouters = ["rules", "tfidf"]\n')
    keyring = Keyring.open_or_create(tmp_path / "keys" / "keyring.json")
    project = load_project(folder)
    assert replace(project) == project
    return House(folder, store, KeyringSealer(keyring), project)
