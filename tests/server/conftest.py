"""A server for a whole module, and one of its own for a test that needs it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearway.app import Clearway
from tests.server.site import Site, running, write_project


@pytest.fixture(scope="session")
def prepared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a migrated store without rows."""
    folder = write_project(tmp_path_factory.mktemp("server") / "project")
    Clearway.open(folder).close()
    return folder


@pytest.fixture
def project(prepared_project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared_project, tmp_path / "project"))


@pytest.fixture
def app(project: Path) -> Iterator[Clearway]:
    with Clearway.open(project) as opened:
        yield opened


@pytest.fixture
def site(app: Clearway) -> Iterator[Site]:
    """Carries runs out too."""
    with running(app) as served:
        yield served


@pytest.fixture
def still(app: Clearway) -> Iterator[Site]:
    """Carries nothing out."""
    with running(app, work=False) as served:
        yield served
