"""A roll-back with `runs="hold"`: what the bad release's runs still want to do waits for the incident owner's group."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.cli.main import main
from clearway.model.decision import ApprovalRule, Decision, Factor, Verdict
from clearway.model.errors import Conflict, Denied
from clearway.model.identity import Scope
from clearway.project.load import load_project
from clearway.runtime.proposal import ROLLED_BACK, held
from tests.crash.site import eventually
from tests.releases.desk import FILES, HOLD, write

DEV = Scope("acme", "dev")
Json = dict[str, Any]

ALLOWED = '@id("support") permit (principal in Role::"support", action, resource);'
STEPS = """

@skill(tools=[look, refund])
async def steps(run: Run, account: str = "a1") -> object:
    "One effect, a read, and another effect."
    await run.call(refund, account=account, amount_minor=100)
    await run.call(look, account=account)
    return await run.call(refund, account=account, amount_minor=200)
"""


def released(app: Clearway) -> str:
    olga = app.acting("olga").caller
    digest = str(app.shelf.cut(olga, "a change")["digest"])
    app.rollout.promote(olga, digest, "to try it")
    return digest


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def settled(app: Clearway, run_id: str, *statuses: str) -> Json:
    eventually(lambda: app.acting("dana").run_status(run_id)["status"] in statuses)
    return app.acting("dana").run(run_id)


def pending(app: Clearway) -> Json:
    """The one approval that somebody is asked for, once there is one."""
    items = eventually(lambda: app.reading().approvals()["items"], why="nobody is asked")
    assert len(items) == 1
    return app.reading().approval(items[0]["approval_id"])


def asked(app: Clearway) -> list[list[Any]]:
    """Of whom approval was asked last: `[[group, n], …]`."""
    events = app.store.read(DEV, lambda tx: tx.audit.read())
    return [event.payload["factors"] for event in events if event.kind == "approval.requested" and event.payload][-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "desk")


def rolled_back_while_waiting(app: Clearway) -> str:
    """A run that waited under the bad release, which holds everything; its wake-up was carried out."""
    released(app)
    run_id = str(app.acting("dana").run_and_wait("a refund please", wait_s=60.0)["run_id"])
    back = app.rollout.rollback(app.acting("olga").caller, "it holds everything", runs="hold")
    assert (back["fate"], back["held_for"], back["approvals_voided"]) == ("hold", "owners", 1)
    return run_id


def test_a_held_run_waits_for_the_incident_owner_though_policy_now_allows(
    folder: Path, empty_database_url: str
) -> None:
    with Clearway.open(folder, store_url=empty_database_url) as app:
        released(app)
    edit(folder, "policies/main.cedar", ALLOWED, HOLD)
    with Clearway.open(folder, store_url=empty_database_url) as app, app.working():
        run_id = rolled_back_while_waiting(app)
        approval = pending(app)
        assert asked(app) == [["owners", 1]]
        assert ROLLED_BACK in approval["policies"]
        assert settled(app, run_id, "waiting")["status"] == "waiting"
        app.acting("olga").approve(approval["approval_id"], presented_digest=approval["presented_digest"])
        assert settled(app, run_id, "done", "refused", "failed")["status"] == "done"


def test_a_hold_of_policy_keeps_its_approvers_and_gets_the_incident_owner_beside_them(
    folder: Path, empty_database_url: str
) -> None:
    edit(folder, "policies/main.cedar", ALLOWED, HOLD)
    with Clearway.open(folder, store_url=empty_database_url) as app:
        released(app)
    edit(folder, "policies/main.cedar", HOLD, HOLD + "\n// worse\n")
    with Clearway.open(folder, store_url=empty_database_url) as app, app.working():
        run_id = rolled_back_while_waiting(app)
        approval = pending(app)
        assert asked(app) == [["finance", 1], ["owners", 1]]
        for name in ("amir", "olga"):
            assert app.acting("dana").run_status(run_id)["status"] != "done"
            app.acting(name).approve(approval["approval_id"], presented_digest=approval["presented_digest"])
        assert settled(app, run_id, "done", "refused", "failed")["status"] == "done"


def test_an_effect_that_is_about_to_be_claimed_when_the_release_goes_is_held_and_a_read_is_not(
    folder: Path, empty_database_url: str
) -> None:
    """The pass began before the roll-back and knows nothing of it: the claim's own transaction has to look."""
    (folder / "skills" / "desk.py").write_text(FILES["skills/desk.py"] + STEPS)
    with Clearway.open(folder, store_url=empty_database_url) as app:
        released(app)
    edit(folder, "policies/main.cedar", ALLOWED, ALLOWED + "\n// worse\n")
    moves: list[Json] = []

    def roll_back_once(boundary: str) -> None:
        if boundary == "settled" and not moves:
            moves.append({})
            moves[0] = app.rollout.rollback(app.acting("olga").caller, "it is wrong", runs="hold")

    with Clearway.open(folder, store_url=empty_database_url, probe=roll_back_once) as app, app.working():
        released(app)
        record = app.acting("dana").run_and_wait("", skill="steps", wait_s=60.0)
        assert [run["run_id"] for run in moves[0]["runs"]] == [record["run_id"]]
        assert [(step["tool"], step["state"]) for step in record["steps"]] == [
            ("refund", "succeeded"),
            ("look", "succeeded"),
            ("refund", "held"),
        ]
        assert asked(app) == [["owners", 1]]
        assert app.acting("dana").run_and_wait("a refund please", wait_s=60.0)["status"] == "done", "new ones are free"


def test_without_an_incident_owner_nothing_is_held_and_nothing_is_rolled_back(
    folder: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Clearway.open(folder, store_url=empty_database_url) as app:
        released(app)
    edit(folder, "policies/main.cedar", ALLOWED, ALLOWED + "\n// worse\n")
    with Clearway.open(folder, store_url=empty_database_url) as app:
        bad = released(app)
        monkeypatch.setattr(type(app.shelf), "incident_group", lambda *_: None)
        with pytest.raises(Conflict) as refused:
            app.rollout.rollback(app.acting("olga").caller, "it is wrong", runs="hold")
        assert refused.value.code == "no_incident_owner"
        assert app.rollout.status(DEV)["active"] == bad


@pytest.mark.parametrize("group", [None, "owners"])
def test_what_policy_denies_stays_denied(group: str | None) -> None:
    denied = Decision(Verdict.DENY, "forbidden", ("p1",))
    assert held(denied, group) == denied


def test_a_hold_only_ever_asks_for_more() -> None:
    rule = ApprovalRule((Factor("finance", 2), Factor("owners", 2)), decision_ttl_s=60.0)
    found = held(Decision(Verdict.HOLD, "approval_required", ("p1",), rule), "owners")
    assert found.approval == ApprovalRule((Factor("finance", 2), Factor("owners", 2)), 60.0)
    assert found.policies == ("p1", ROLLED_BACK)


def held_by_a_bad_release(app: Clearway) -> tuple[str, str]:
    """(a run that waits for the owners alone, since its release was rolled back; that release)."""
    run_id = rolled_back_while_waiting(app)
    eventually(lambda: pending(app))
    return run_id, str(app.reading().run(run_id)["release"])


@pytest.fixture
def bad_folder(folder: Path, empty_database_url: str) -> Path:
    """The good release is in force; the folder is what the bad one will be cut of."""
    with Clearway.open(folder, store_url=empty_database_url) as app:
        released(app)
    edit(folder, "policies/main.cedar", ALLOWED, HOLD)
    return folder


def test_a_held_run_is_shown_with_whom_it_waits_for_since_when_and_by_whom(
    bad_folder: Path, empty_database_url: str
) -> None:
    with Clearway.open(bad_folder, store_url=empty_database_url) as app, app.working():
        run_id, bad = held_by_a_bad_release(app)
        asked = app.acting("dana").run_and_wait("a question", wait_s=60.0)["run_id"]
        held = app.reading().run(run_id)["held"]
        assert held["for"] == "owners"
        assert (held["by"], held["release"], held["reason"]) == (
            app.acting("olga").caller.subject,
            bad,
            "it holds everything",
        )
        assert held["since"] is not None
        listed = app.reading().runs(held=True)["items"]
        assert [(run["run_id"], run["held"]) for run in listed] == [(run_id, held)]
        assert app.reading().run(asked)["held"] is None


def test_an_owner_lets_a_held_run_go_on_and_policy_decides_again(bad_folder: Path, empty_database_url: str) -> None:
    with Clearway.open(bad_folder, store_url=empty_database_url) as app, app.working():
        run_id, bad = held_by_a_bad_release(app)
        for who, code in (("amir", "not_an_owner"), ("dana", "own_run")):
            with pytest.raises(Denied) as denied:
                app.acting(who).unhold_run(run_id, "looked at it")
            assert denied.value.code == code
        done = app.acting("olga").unhold_run(run_id, "looked at it")
        assert (done["runs"][0]["run_id"], done["runs"][0]["approvals_voided"]) == (run_id, 1)
        record = settled(app, run_id, "done", "refused", "failed")
        assert (record["status"], record["release"]) == ("done", bad), "under the release that it is pinned to"
        assert [step["state"] for step in record["steps"]] == ["succeeded"]
        event = next(e for e in record["events"] if e["kind"] == "run.unheld")["payload"]
        assert (event["by"], event["for"], event["reason"]) == ("user:olga", "owners", "looked at it")
        with pytest.raises(Conflict) as again:
            app.acting("olga").unhold_run(run_id, "once more")
        assert again.value.code == "not_held"


def test_all_held_runs_of_a_release_go_on_at_once_but_for_ones_own(bad_folder: Path, empty_database_url: str) -> None:
    with Clearway.open(bad_folder, store_url=empty_database_url) as app, app.working():
        run_id, bad = held_by_a_bad_release(app)
        with pytest.raises(Conflict) as nothing:
            app.acting("olga").unhold_runs_of(app.rollout.status(DEV)["active"], "by mistake")
        assert nothing.value.code == "not_held"
        own = app.acting("dana").unhold_runs_of(bad, "looked at it")
        assert (own["runs"], [run["run_id"] for run in own["left"]]) == ([], [run_id])
        assert app.reading().run(run_id)["held"] is not None
        assert [r["run_id"] for r in app.acting("olga").unhold_runs_of(bad, "looked at it")["runs"]] == [run_id]
        assert settled(app, run_id, "done", "refused", "failed")["status"] == "done"
        assert app.reading().runs(held=True)["items"] == []


def test_under_a_revoked_release_nothing_goes_on_and_what_is_held_can_be_ended(
    bad_folder: Path, empty_database_url: str
) -> None:
    with Clearway.open(bad_folder, store_url=empty_database_url) as app, app.working():
        run_id, bad = held_by_a_bad_release(app)
        app.shelf.revoke(app.acting("olga").caller, bad, "it is wrong")
        for attempt in (
            lambda: app.acting("olga").unhold_run(run_id, "x"),
            lambda: app.acting("olga").unhold_runs_of(bad, "x"),
        ):
            with pytest.raises(Conflict) as refused:
                attempt()
            assert refused.value.code == "revoked"
            assert "--cancel" in str(refused.value.remedy)
        assert app.acting("olga").unhold_runs_of(bad, "it is wrong", cancel=True)["cancelled"] is True
        record = settled(app, run_id, "cancelled", "done", "refused", "failed")
        assert record["status"] == "cancelled"
        assert [step["state"] for step in record["steps"]] == ["refused"]


def test_held_runs_are_listed_and_let_go_on_from_the_command_line(
    bad_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the project's own store: what people type after a roll-back."""
    with Clearway.open(bad_folder) as app:
        released(app)

    def typed(*words: str, user: str = "olga", code: int = 0) -> str:
        capsys.readouterr()
        ended = main([*words, "--as", user, "--project", str(bad_folder)])
        written = capsys.readouterr()
        assert ended == code, written.err
        return written.out

    edit(bad_folder, "policies/main.cedar", HOLD, ALLOWED + "\n// better\n")
    with Clearway.open(bad_folder) as app:
        first = released(app)
    edit(bad_folder, "policies/main.cedar", "\n// better\n", "\n// worse\n" + HOLD)
    with Clearway.open(bad_folder) as app, app.working():
        bad = released(app)
        run_id = str(app.acting("dana").run_and_wait("a refund please", wait_s=60.0)["run_id"])
        typed("release", "rollback", "--to", first, "--runs", "hold", "--reason", "wrong")
        eventually(lambda: pending(app))
        assert "owners" in typed("runs", "list", "--held")
        assert "effects wait for owners, since" in typed("runs", "show", run_id)
        typed("runs", "unhold", "--reason", "neither a run nor a release", code=2)
        assert typed("runs", "unhold", "--all-of", bad, "--reason", "fine").strip() == f"{run_id}: goes on"
        assert settled(app, run_id, "done", "refused", "failed")["status"] == "done"


def test_nobody_is_asked_for_a_hold_that_is_lifted_while_the_question_is_being_put(
    bad_folder: Path, empty_database_url: str
) -> None:
    project = load_project(bad_folder, store_url=empty_database_url)
    apps: list[Clearway] = []

    def preview(arguments: Any) -> str:
        """Stands between the decision to ask and the asking."""
        app = apps[0]
        for run in app.reading().runs(held=True)["items"]:
            app.acting("olga").unhold_run(run["run_id"], "looked at it")
        return "a refund"

    refund = replace(project.tools["refund"], preview=preview)
    with Clearway(replace(project, tools={**project.tools, "refund": refund})) as app, app.working():
        apps.append(app)
        run_id = rolled_back_while_waiting(app)
        record = settled(app, run_id, "done", "refused", "failed")
        assert record["status"] == "done"
        assert [a["state"] for a in record["approvals"]] == ["invalidated"], "the first one only"
