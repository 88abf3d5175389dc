"""Work goes to the workers that have its code: two workers on one Postgres, one with the old code, one with the new."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import clearway.adapters.dbos_engine.dbos_process  # noqa: F401 - imported before the fork
from clearway.adapters.sql.engine import open_engine
from clearway.app import Clearway
from clearway.cli.main import main
from clearway.operate.releases.stranded import Stranded
from clearway.project.load import load_project
from clearway.project.released import code_of
from tests.crash.site import eventually
from tests.databases import PostgresServer
from tests.releases.desk import FILES, write
from tests.releases.workers import processes, work

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EACH = 8


class Site:
    """One store, and a folder for each version of the code."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url

    def deployed(self, name: str) -> str:
        """A folder whose tools say that they are `name`: other code, whatever else is the same."""
        tools = FILES["tools/desk.py"].replace('"Refunds."', f'"Refunds ({name})."')
        return str(write(self.folder / name, **{"tools/desk.py": tools}))

    def released_with_runs(self, folder: str, count: int) -> list[str]:
        """Puts the folder's release in force, and asks for runs under it. All folders share the first one's keyring."""
        keys, first = Path(folder) / ".clearway", self.folder / "old" / ".clearway"
        if first.exists() and not keys.exists():
            shutil.copytree(first, keys)
        with Clearway.open(folder, store_url=self.url) as app:
            olga = app.acting("olga").caller
            app.rollout.promote(olga, str(app.shelf.cut(olga, "a change")["digest"]), "to try it")
            return [str(app.acting("dana").start("a refund please")["run_id"]) for _ in range(count)]

    def code(self, folder: str) -> str:
        return code_of(load_project(Path(folder), store_url=self.url))

    def carried_by(self) -> dict[str, str]:
        """Run → the code of the executor that took its passes. One that was offered to two is not there."""
        engine = open_engine(self.url, pool_size=1)
        taken = text(
            "SELECT workflow_uuid, executor_id FROM clearway_engine.workflow_status WHERE executor_id LIKE '%.%'"
        )
        with engine.connect() as connection:
            rows = [
                (str(wake).partition(".")[0], str(who).partition(".")[2]) for wake, who in connection.execute(taken)
            ]
        engine.dispose()
        return {run: code for run, code in rows if [r for r, _ in rows].count(run) == 1}


def settled(app: Clearway, run_ids: list[str]) -> list[dict[str, Any]]:
    eventually(lambda: all(app.reading().run_status(run_id)["final"] for run_id in run_ids), 60, why="not carried out")
    return [app.reading().run(run_id) for run_id in run_ids]


def told(record: dict[str, Any]) -> list[str]:
    """The codes that people were told to be missing."""
    return [event["payload"]["code"] for event in record["events"] if event["kind"] == "run.code_missing"]


def test_each_run_goes_straight_to_the_worker_that_has_its_code_and_waits_where_none_has(
    tmp_path: Path, postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path, postgres_server.create())
    old, new, newest = site.deployed("old"), site.deployed("new"), site.deployed("newest")
    of_old = site.released_with_runs(old, EACH)
    of_new = site.released_with_runs(new, EACH)
    assert len({site.code(folder) for folder in (old, new, newest)}) == 3
    with (
        Clearway.open(new, store_url=site.url) as app,
        processes(work, 1, old, site.url),
        processes(work, 1, new, site.url),
    ):
        for record in settled(app, [*of_old, *of_new]):
            assert (record["status"], record["passes"], record["code_missing"]) == ("done", 1, None)
            assert told(record) == []
        taken = site.carried_by()
        assert {taken[run_id] for run_id in of_old} == {site.code(old)}
        assert {taken[run_id] for run_id in of_new} == {site.code(new)}

        waiting = site.released_with_runs(newest, 2)
        eventually(lambda: all(told(app.reading().run(run_id)) for run_id in waiting), why="nobody is told")
        stranded = Stranded(app.store, app.engine.codes, app.engine.codes_offered)
        assert (stranded.look(), stranded.look()) == (0, 0), "once is enough"
        for record in [app.reading().run(run_id) for run_id in waiting]:
            assert (record["status"], record["passes"]) == ("queued", 0), "it is not offered to who cannot take it"
            assert record["code_missing"] == site.code(newest)
            assert told(record) == [site.code(newest)]
        capsys.readouterr()
        assert main(["runs", "show", waiting[0], "--project", new, "--store", site.url]) == 0
        assert f"code {site.code(newest)}: no worker has it" in capsys.readouterr().out

        with processes(work, 1, newest, site.url):
            for record in settled(app, waiting):
                assert (record["status"], record["passes"], record["code_missing"]) == ("done", 1, None)
        assert {site.carried_by()[run_id] for run_id in waiting} == {site.code(newest)}
