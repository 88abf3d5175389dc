"""`clearway privacy scan` where tenants allow different things: a row is looked at as its tenant does."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.row_security import enter, of_scope
from clearway.app import Clearway
from clearway.cli.main import main
from clearway.model.identity import Scope
from tests.crash.site import eventually
from tests.privacy.project import write_project

ALLOWED = "desk@globex.example"
SETTINGS = f"""
[privacy]
ignore = ["IP"]
[privacy.tenants.globex]
allow = ["{ALLOWED}"]
ignore = ["LOCATION", "IP"]
"""
RECORD = {"secret_word": "no", "record": {}}


@pytest.fixture
def project(tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What gil of globex asked mentions the desk's address; what dana of acme asked fails for good."""
    folder = write_project(tmp_path / "project", settings=SETTINGS)
    monkeypatch.setenv("CLEARWAY_STORE_URL", empty_database_url)
    with Clearway.open(folder) as app, app.working():
        gil, dana = app.acting("gil", tenant="globex"), app.acting("dana", tenant="acme")
        asked = {"note": f"tell {ALLOWED}", "customer": ALLOWED, **RECORD}
        ids = [(gil, gil.start(f"tell {ALLOWED}", skill="desk", input=asked, correlation_id=ALLOWED)["run_id"])]
        failing = {"note": "n", "mode": "rejected", **RECORD}
        ids.append((dana, dana.start("fail", skill="desk", input=failing)["run_id"]))
        for who, run_id in ids:
            eventually(lambda who=who, run_id=run_id: who.run_status(run_id)["final"], why="it does not end")
        assert "failed_final" in {step["state"] for step in dana.run(ids[1][1])["steps"]}
    return folder


def scanned(capsys: pytest.CaptureFixture[str], project: Path, *words: str) -> list[dict[str, str]]:
    capsys.readouterr()
    code = main(["privacy", "scan", *words, "--project", str(project), "--json"])
    found = json.loads(capsys.readouterr().out)["data"]["found"]
    assert code == (1 if found else 0)
    return found


def test_what_a_tenant_allows_is_clean_in_its_rows_in_bytes_and_in_exports(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scanned(capsys, project) == []
    for tenant in ("acme", "globex"):
        export = ["audit", "export", "--tenant", tenant, "--out", str(tmp_path / "out" / tenant)]
        assert main([*export, "--project", str(project)]) == 0
    assert ALLOWED in (tmp_path / "out" / "globex" / "events.jsonl").read_text()
    assert '"state":"failed_final"' in (tmp_path / "out" / "acme" / "events.jsonl").read_text().replace(" ", "")
    assert scanned(capsys, project, str(tmp_path / "out")) == []
    assert {one["type"] for one in scanned(capsys, project, "--tenant", "acme")} == {"EMAIL"}


def test_what_one_tenant_allows_is_found_in_a_row_of_another_s(
    project: Path, empty_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = "clearway." if empty_database_url.startswith("postgresql") else ""
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        if schema:
            enter(connection, of_scope(Scope("acme", "dev")))
        changed = text(f"UPDATE {schema}runs SET skill = :leak WHERE tenant = 'acme'")
        assert connection.execute(changed, {"leak": f"{ALLOWED} of Springfield"}).rowcount == 1
    engine.dispose()
    found = {(one["type"], one["column"]) for one in scanned(capsys, project, "--store") if "column" in one}
    assert found == {("EMAIL", "skill")}


def test_a_place_under_state_is_found_all_the_same(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    log = tmp_path / "out" / "log.jsonl"
    log.write_text('{"state": "Vermont"}\n{"state": "failed_final"}\n')
    plain = project / "clearway.toml"
    plain.write_text(plain.read_text().replace('ignore = ["LOCATION", "IP"]', 'ignore = ["IP"]'))
    (found,) = scanned(capsys, project, str(log))
    assert (found["type"], found["offset"]) == ("LOCATION", 11)
