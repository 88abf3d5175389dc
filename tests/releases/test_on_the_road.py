"""Releases on the road: what is pinned, what is in force, canary, shadow and the way back. On both databases, with the
real engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.cli.main import main
from clearway.model.errors import Unavailable
from clearway.model.identity import Scope
from clearway.rules.releases.guard import Terms
from tests.releases.desk import DENY, HOLD, write

DEV = Scope("acme", "dev")
Json = dict[str, Any]


class Site:
    """The project in a folder, on one store; `edit` and `open` again, as a deploy would."""

    def __init__(self, folder: Path, store_url: str) -> None:
        self.folder, self.store_url = write(folder), store_url

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def add(self, file: str, text: str) -> None:
        path = self.folder / file
        path.write_text(path.read_text() + text)

    @contextmanager
    def open(self) -> Iterator[Clearway]:
        with Clearway.open(self.folder, store_url=self.store_url) as app:
            yield app

    @contextmanager
    def working(self) -> Iterator[Clearway]:
        with self.open() as app, app.working():
            yield app


@pytest.fixture
def site(tmp_path: Path, empty_database_url: str) -> Site:
    return Site(tmp_path / "desk", empty_database_url)


def cut(app: Clearway, promote: bool = True) -> str:
    olga = app.acting("olga").caller
    digest = str(app.shelf.cut(olga, "a change")["digest"])
    if promote:
        app.rollout.promote(olga, digest, "to try it")
    return digest


def asked(app: Clearway, text: str = "a refund please", **options: Any) -> Json:
    return app.acting("dana").run_and_wait(text, wait_s=60.0, **options)


def kinds(app: Clearway) -> list[str]:
    return [e.kind for e in app.store.read(DEV, lambda tx: tx.audit.read()) if e.kind.startswith("release.")]


def test_the_policy_of_the_release_in_force_decides_not_the_folders(site: Site) -> None:
    with site.working() as app:
        first = cut(app)
        site.add("policies/main.cedar", DENY)
        assert asked(app)["status"] == "done", "the folder was edited, and nothing was released"
    with site.working() as app:
        second = cut(app)
        assert asked(app)["status"] == "refused"
        app.rollout.rollback(app.acting("olga").caller, "it refuses refunds")
        record = asked(app)
    assert (record["status"], record["release"]) == ("done", first)
    assert first != second


def test_routes_are_pinned_by_the_release(site: Site) -> None:
    with site.open() as app:
        first = cut(app)
    site.edit("clearway.toml", 'questions = ["question"]', 'questions = ["question", "tariff"]')
    with site.working() as app:
        with pytest.raises(Exception, match="No skill was chosen"):
            asked(app, "the tariff")
        second = cut(app)
        record = asked(app, "the tariff")
        assert (record["skill"], record["release"]) == ("questions", second)
        assert asked(app)["release"] == second
    assert first != second


def test_a_roll_back_voids_what_waits_under_the_bad_release_and_decides_it_anew(site: Site) -> None:
    with site.working() as app:
        first = cut(app)
        site.edit(
            "policies/main.cedar", '@id("support") permit (principal in Role::"support", action, resource);', HOLD
        )
    with site.working() as app:
        cut(app)
        waiting = asked(app)
        assert waiting["status"] == "waiting"
        back = app.rollout.rollback(app.acting("olga").caller, "it holds everything")
        assert back["active"] == first
        assert (back["approvals_voided"], [run["run_id"] for run in back["runs"]]) == (1, [waiting["run_id"]])
        done = app.acting("dana").wait(waiting["run_id"], wait_s=60.0)
        if done["status"] == "waiting":  # it was looked at before its wake-up was carried out
            done = app.acting("dana").wait(waiting["run_id"], wait_s=60.0)
        assert _settled(app, waiting["run_id"])["status"] == "done"
        assert app.reading().approvals(state="invalidated")["items"]


def test_runs_under_way_are_cancelled_where_that_is_asked(site: Site) -> None:
    with site.open() as app:
        cut(app)
    site.edit("policies/main.cedar", '@id("support") permit (principal in Role::"support", action, resource);', HOLD)
    with site.working() as app:
        cut(app)
        waiting = asked(app)
        app.rollout.rollback(app.acting("olga").caller, "it holds everything", runs="cancel")
        assert _settled(app, waiting["run_id"])["status"] == "cancelled"


def test_that_no_worker_runs_is_not_called_a_worker_without_the_code(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(run_id: str, *more: str) -> str:
        capsys.readouterr()
        assert main(["runs", "show", run_id, "--project", str(site.folder), "--store", site.store_url, *more]) == 0
        told = capsys.readouterr()
        return " ".join(f"{told.out} {told.err}".split())

    with site.open() as app:
        cut(app)
        held = app.acting("dana").start("a refund please")["run_id"]
        record = app.reading().run(held)
        assert (record["status"], record["no_worker"]) == ("queued", True)
        told = shown(held)
        assert "waits for a worker: none is running" in told
        assert "No worker is running to carry it on; start one: clearway worker" in told
        assert "cancel the run" not in told
        assert "no worker has" not in told
    site.edit("tools/desk.py", '"Refunds."', '"Refunds, and more."')
    with site.working() as app:
        record = app.reading().run(held)
        assert (bool(record["code_missing"]), record["no_worker"]) == (True, False)
        told = shown(held)
        assert f"waits for code {record['code_missing']}: no worker has it" in told
        assert "start one that has, or cancel the run" in told
        assert "No worker is running" not in told


def test_code_that_a_release_needs_and_a_worker_lacks_is_refused_clearly(site: Site) -> None:
    with site.open() as app:
        cut(app)
        held = app.acting("dana").start("a refund please")["run_id"]
    site.edit("tools/desk.py", '"Refunds."', '"Refunds, and more."')
    with site.working() as app:
        with pytest.raises(Unavailable) as missing:
            app.acting("dana").start("a refund please")
        assert missing.value.code == "code_missing"
        record = app.reading().run(held)
        assert (record["status"], record["passes"]) == ("queued", 0), "it was not even offered"
        assert record["code_missing"] == app.shelf.show(DEV, record["release"])["code"]
    site.edit("tools/desk.py", '"Refunds, and more."', '"Refunds."')
    with site.working() as app:
        assert _settled(app, held)["status"] == "done", "a worker with the code takes it"


def test_a_canary_gets_its_share_and_a_bad_one_is_rolled_back_by_itself(site: Site) -> None:
    with site.open() as app:
        good = cut(app)
        app.rollout.status(DEV)
    site.edit("clearway.toml", 'refunds = ["refund"]', 'refunds = ["question"]')
    site.edit("clearway.toml", 'questions = ["question"]', 'questions = ["refund"]')
    with site.open() as app:
        bad = cut(app, promote=False)
        olga = app.acting("olga").caller
        app.rollout.canary(olga, bad, 0.3, "carefully", Terms(route_shift=0.02))
        releases: list[str] = []
        for number in range(100):
            text = f"a refund please, number {number}"
            app.acting("dana").start(text, key=f"k{number}")
            run = app.store.read(DEV, lambda tx, n=number: tx.runs.by_key(f"k{n}"))
            assert run is not None
            releases.append(str(run.release))
            if app.rollout.status(DEV)["canary"] is None:
                break
        status = app.rollout.status(DEV)
        assert (status["active"], status["canary"]) == (good, None)
        assert len(releases) < 100
        assert status["moved_by"] == "clearway:guard"
        assert "release.rolled_back" in kinds(app)


def test_a_canary_that_does_no_harm_is_promoted_after_what_was_agreed(site: Site) -> None:
    with site.open() as app:
        cut(app)
    site.add("policies/main.cedar", "\n// harmless\n")
    with site.open() as app:
        second = cut(app, promote=False)
        app.rollout.canary(app.acting("olga").caller, second, 0.5, "carefully", Terms(promote_after=20))
        seen: set[str] = set()
        for number in range(20):
            app.acting("dana").start("a refund please", key=f"k{number}")
            found = app.store.read(DEV, lambda tx, n=number: tx.runs.by_key(f"k{n}"))
            assert found is not None
            seen.add(found.release)
        assert len(seen) == 2, "both arms have traffic"
        assert app.rollout.status(DEV)["active"] == second
        assert app.rollout.status(DEV)["canary"] is None


def test_the_policy_of_a_canary_decides_for_its_own_arm_only(site: Site) -> None:
    with site.open() as app:
        first = cut(app)
    site.add("policies/main.cedar", DENY)
    with site.working() as app:
        second = cut(app, promote=False)
        app.rollout.canary(app.acting("olga").caller, second, 0.5, "carefully", Terms(acts=False))
        ended = {(r["release"], r["status"]) for r in (asked(app, key=f"k{number}") for number in range(12))}
        course = app.acting("olga").canary_record()["course"]
    assert [point["looks"] for point in course] == list(range(1, 25)), "at each request, and at each end of a run"
    assert course[-1]["log_e"]["denials"] > course[0]["log_e"]["denials"], "the canary's policy denies more"
    assert ended == {(first, "done"), (second, "refused")}


def test_a_shadow_sees_all_and_does_nothing(site: Site) -> None:
    with site.open() as app:
        first = cut(app)
    site.add("policies/main.cedar", DENY)
    site.edit("clearway.toml", 'refunds = ["refund"]', 'refunds = ["money"]')
    with site.working() as app:
        second = cut(app, promote=False)
        app.rollout.shadow(app.acting("olga").caller, second, "let us see")
        record = asked(app)
        assert (record["status"], record["release"]) == ("done", first)
        assert {"release.shadow_route", "release.shadow_decision"} <= set(kinds(app))


def test_without_a_release_the_folder_is_followed_as_before(site: Site) -> None:
    with site.working() as app:
        assert asked(app)["status"] == "done"
        site.add("policies/main.cedar", DENY)
        app.policy.decide  # noqa: B018
        assert _eventually_refused(app)


def _eventually_refused(app: Clearway) -> bool:
    return any(asked(app)["status"] == "refused" for _ in range(20))


def _settled(app: Clearway, run_id: str) -> Json:
    for _ in range(200):
        record = app.acting("dana").wait(run_id, wait_s=0.5)
        if record["status"] in ("done", "refused", "failed", "cancelled"):
            return record
    raise AssertionError(record["status"])
