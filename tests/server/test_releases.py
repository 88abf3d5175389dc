"""Releases over HTTP: what is asked for before and after a move, and how the pages about them hold up."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from clearway.app import Clearway
from clearway.cli.main import main
from clearway.model.errors import Conflict, Unavailable
from clearway.model.release import Release
from clearway.rules.releases import bundles
from clearway.server.console.releases_canary import e_value, evidence
from clearway.server.console.releases_course import course
from clearway.server.console.releases_texts import MOST_LINES, Row, side_by_side, text_of
from clearway.server.console.releases_work import FAILED_FOR_S, MOST_UNDER_WAY, Comparisons, Work
from tests.server.office import ACME, POLICIES, WIDER, Office, narrower, path_of, wider, write_owned
from tests.server.site import LARGE, Site, running

Json = dict[str, Any]


@pytest.fixture(scope="module")
def owned_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_owned(tmp_path_factory.mktemp("owned") / "project")
    Clearway.open(folder).close()
    return folder


@pytest.fixture
def site(owned_project: Path, tmp_path: Path) -> Iterator[Site]:
    with Clearway.open(Path(shutil.copytree(owned_project, tmp_path / "project"))) as app, running(app) as served:
        yield served


@pytest.fixture
def office(site: Site) -> Office:
    return Office(site.app)


@pytest.fixture
def at_server(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """A command as amir, typed at a machine that has nothing but a key."""

    def call(*words: str, code: int = 0) -> Any:
        monkeypatch.setenv("CLEARWAY_KEY", site.key("amir"))
        capsys.readouterr()
        ended = main(("--server", site.url, *words, "--json"))
        document = json.loads(capsys.readouterr().out)
        assert ended == code, document
        return document.get("data", document.get("error"))

    return call


def test_a_rollback_is_told_beforehand_on_a_server_and_then_done(
    site: Site, office: Office, at_server: Callable[..., Any]
) -> None:
    assert at_server("release", "rollback", "--reason", "x", "--dry-run", code=1)["refused"]["code"] == "nothing_before"
    first = office.begin()
    second = office.promote(narrower(office))
    with site.client("dana") as client:
        run = site.ended(client.post("/v1/runs", json=LARGE).json()["data"]["run_id"])
    plan = at_server("release", "rollback", "--reason", "x", "--dry-run")
    assert (plan["from"]["digest"], plan["to"]["digest"], plan["held_for"]) == (second, first, "operations")
    assert plan["counts"] == {"runs": 1, "approvals": 1, "grants": 0}
    assert [one["approval_id"] for one in plan["approvals"]] == [run["approvals"][0]["approval_id"]]
    assert office.status["active"] == second, "it is only said"
    back = at_server("release", "rollback", "--reason", "it refuses everything", "--runs", "hold")
    assert (back["active"], back["held_for"]) == (first, "operations")
    with site.client("vera") as client:
        moved = client.get("/v1/releases/moves/3").json()["data"]
        assert client.get("/v1/releases/moves/4").status_code == 404
        assert client.get("/v1/releases/moves/³").status_code == 404
    assert moved["cleared"]["runs"] == [run["run_id"]]
    assert (moved["from"], moved["digest"], moved["reason"]) == (second, first, "it refuses everything")


def test_a_canarys_evidence_is_told_on_a_server(site: Site, office: Office, at_server: Callable[..., Any]) -> None:
    first = office.begin()
    second = wider(office)
    office.sign(second)
    with site.client("vera") as client:
        assert client.get("/v1/releases/canary").json()["data"]["canary"] is None
    at_server("release", "canary", second, "--reason", "carefully", "--share", "0.25")
    assert at_server("release", "status")["canary"] == second
    with site.client("vera") as client:
        found = client.get("/v1/releases/canary").json()["data"]
    assert (found["canary"], found["active"], found["share"], found["advice"]) == (second, first, 0.25, "watch")
    assert len(found["measures"]) == 6


def test_a_widening_passes_policy_diff_where_the_signatures_of_a_server_say_so(
    site: Site, office: Office, at_server: Callable[..., Any], tmp_path: Path
) -> None:
    """The project and its policies lie here; who has signed is asked of the server, with a key."""
    office.begin()
    second = wider(office)
    old, new = (tmp_path / name / "main.cedar" for name in ("old", "new"))
    for path, text in ((old, POLICIES), (new, WIDER)):
        path.parent.mkdir()
        path.write_text(text)
    project = ("--project", str(tmp_path / "project"))
    compared = (*project, "policy", "diff", str(old.parent), str(new.parent), "--accept", second)
    unsigned = at_server(*compared, code=1)
    assert (unsigned["answer"], unsigned["accepted_by"]) == ("wider", [])
    office.sign(second)
    signed = at_server(*compared)
    assert (signed["answer"], signed["passes"]) == ("wider", False), "it is told all the same"
    assert signed["accepted_by"] == [office.who("amir").subject]
    new.write_text(WIDER + "// not what was signed\n")
    assert at_server(*compared, code=1)["code"] == "other_policies"
    new.write_text(WIDER)
    old.write_text(POLICIES + "// not what was in force\n")
    assert at_server(*compared, code=1)["accepted_by"] == []
    without = (*project, "policy", "diff", str(old.parent), str(new.parent))
    assert at_server(*without, code=2)["code"] == "local_only", "a comparison itself asks no server"


def test_what_is_sent_names_the_move_that_its_sender_saw(site: Site, office: Office) -> None:
    office.begin()
    second = wider(office)
    office.sign(second)
    with site.client("amir") as client:
        for act, body in (
            (f"{second}/promote", {}),
            (f"{second}/canary", {"share": 0.5}),
            (f"{second}/shadow", {}),
            ("rollback", {}),
        ):
            answer = client.post(f"/v1/releases/{act}", json={"reason": "x", "seen": 0, **body})
            assert (answer.status_code, answer.json()["code"]) == (409, "moved"), act
            assert "promote by user:olga (move 1)" in answer.json()["detail"]
        assert client.post(f"/v1/releases/{second}/promote", json={"reason": "x", "seen": 1}).status_code == 200


def test_another_tenant_sees_the_releases_and_nothing_of_what_is_in_force_here(site: Site, office: Office) -> None:
    first = office.begin()
    office.promote(wider(office), "reason-of-acme")
    with site.browser(site.session("gil"), accept="text/html") as gil:
        for path in ("/releases", path_of(first), "/releases/canary", path_of(first, "diff")):
            page = gil.get(path)
            assert page.status_code == 200, path
            assert "reason-of-acme" not in page.text, path
        assert "Nothing was promoted here" in gil.get("/releases").text
        assert gil.get("/releases/moves/1").status_code == 404
        assert gil.get("/releases/rollback").status_code == 403


def test_pages_ask_for_names_that_are_none_politely(site: Site) -> None:
    with site.browser(site.session("vera"), accept="text/html") as vera:
        for path, status in (
            ("/releases/none", 422),
            ("/releases/0123456789abcdef", 404),
            ("/releases/0123456789abcdef/diff", 404),
            ("/releases/0123456789abcdef/juggle", 404),
            ("/releases/moves/x", 404),
            ("/releases?cursor=x", 422),
        ):
            answer = vera.get(path)
            assert answer.status_code == status, (path, answer.text)
            assert "<main" in answer.text, path


def test_with_five_hundred_releases_no_page_takes_half_a_second(site: Site, office: Office) -> None:
    first = office.begin()
    bundle = bundles.read(site.app.shelf.export(ACME, first))

    def fill(number: int) -> Release:
        changed = {**bundle.files, "prompts/desk.md": f"Be brief, in {number} words.\n"}
        whole = bundles.write(type(bundle)(**{**_fields(bundle), "files": changed}))
        note = f"{number} words"
        return Release(bundles.digest_of(whole), bundle.project, whole.decode(), 1.0 + number, "user:dana", note)

    releases = [fill(number) for number in range(500)]
    site.app.store.write(ACME, lambda tx: [tx.releases.insert(release) for release in releases])
    for number in range(20):
        office.app.rollout.shadow(office.who("olga"), releases[number].digest, "look")
    paths = ("/releases", path_of(releases[-1].digest), "/releases/canary", "/releases/rollback", "/releases/moves/7")
    with site.browser(site.session("amir"), accept="text/html") as amir:
        took = {path: min(_timed(amir, path) for _ in range(3)) for path in paths}
    assert max(took.values()) < 0.5, took


def _fields(value: Any) -> Json:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _timed(client: httpx.Client, path: str) -> float:
    begun = time.process_time()  # the server is a thread of this process
    assert client.get(path).status_code == 200
    return time.process_time() - begun


# --- what the pages are made of ---------------------------------------------------------------------------------------


def done(work: Work) -> Work:
    for _ in range(6_000):
        if work.is_over:
            return work
        threading.Event().wait(0.005)
    raise AssertionError("it is not over")


def test_who_asks_again_gets_the_comparison_that_is_under_way_or_done() -> None:
    now, made, go_on = [0.0], [], threading.Event()
    comparisons = Comparisons(lambda: now[0])

    def compare() -> Json:
        assert go_on.wait(20)
        made.append(1)
        return {"n": len(made)}

    first = comparisons.of(("a",), compare, lambda _: 60.0)
    assert comparisons.of(("a",), compare, lambda _: 60.0) is first
    go_on.set()
    assert done(first).found == {"n": 1}
    now[0] = 59.0
    assert comparisons.of(("a",), compare, lambda _: 60.0) is first
    now[0] = 61.0
    assert done(comparisons.of(("a",), compare, lambda _: 60.0)).found == {"n": 2}
    assert done(comparisons.of(("b",), compare, lambda _: 60.0)).found == {"n": 3}


def test_what_failed_is_said_and_tried_again_soon() -> None:
    now = [0.0]
    comparisons = Comparisons(lambda: now[0])

    def refuse() -> Json:
        raise Conflict("It is damaged.")

    def break_() -> Json:
        raise KeyError("secret")

    assert done(comparisons.of(("a",), refuse, lambda _: 60.0)).failed == "It is damaged."
    assert done(comparisons.of(("b",), break_, lambda _: 60.0)).failed == "The comparison failed with KeyError."
    now[0] = FAILED_FOR_S + 1
    assert done(comparisons.of(("a",), lambda: {"n": 1}, lambda _: 60.0)).found == {"n": 1}


def test_no_more_than_so_many_comparisons_are_under_way() -> None:
    comparisons, go_on = Comparisons(), threading.Event()

    def wait() -> Json:
        assert go_on.wait(20)
        return {}

    begun = [comparisons.of((str(number),), wait, lambda _: 60.0) for number in range(MOST_UNDER_WAY)]
    with pytest.raises(Unavailable) as refused:
        comparisons.of(("one more",), wait, lambda _: 60.0)
    assert refused.value.code == "busy"
    assert comparisons.of(("0",), wait, lambda _: 60.0) is begun[0], "who waits already is not refused"
    go_on.set()
    assert [done(work).found for work in begun] == [{}] * MOST_UNDER_WAY
    assert done(comparisons.of(("one more",), wait, lambda _: 60.0)).found == {}


def test_texts_stand_side_by_side_with_what_is_around_them() -> None:
    old = "\n".join(f"line {number}" for number in range(20)) + "\n"
    new = old.replace("line 10\n", "line ten\nand more\n").replace("line 19\n", "")
    rows = side_by_side(old, new)
    assert rows is not None
    assert rows[0] == Row("gap")
    assert Row("changed", 11, "line 10", 11, "line ten") in rows
    assert Row("added", None, "", 12, "and more") in rows
    assert Row("removed", 20, "line 19") in rows
    assert Row("same", 10, "line 9", 10, "line 9") in rows
    assert not [row for row in rows if row.old == "line 2"]


def test_nothing_of_a_text_is_taken_for_the_end_of_a_line_and_lost() -> None:
    rows = side_by_side("a", "a\u2028b\x0bc\x1cd\re\n")
    assert rows == [Row("changed", 1, "a", 1, "a\u2028b\x0bc\x1cd\re")]


def test_what_is_new_is_all_added_and_what_is_too_long_is_not_aligned() -> None:
    assert side_by_side(None, "a\nb\n") == [Row("added", None, "", 1, "a"), Row("added", None, "", 2, "b")]
    assert side_by_side(None, "x\n" * (MOST_LINES + 1)) is None
    assert text_of({"b": 1, "a": "\u202e"}) == '{\n  "a": "\u202e",\n  "b": 1\n}'
    assert text_of(None) is None


def test_the_evidence_is_drawn_against_its_threshold_and_told_in_words() -> None:
    measures = [
        {"name": "routes", "compared": 40, "canary": 9, "control": None, "tolerated": 0.02, "log_e": 14.0},
        {"name": "failures", "compared": 0, "canary": 0, "control": 0, "tolerated": None, "log_e": 0.0},
        {"name": "<b>", "compared": 3, "canary": 0, "control": 0, "tolerated": None, "log_e": -3.0},
    ]
    drawn = str(evidence(measures, 13.3046849))
    assert 'class="part-not_done"' in drawn, "past the threshold it is told by colour, and by its length and figure"
    assert "threshold 600,000" in drawn
    assert "nothing seen yet" in drawn
    assert 'aria-label="Evidence against the canary, as e-values; the threshold is 600,000. Routed otherwise' in drawn
    assert "<b>" not in drawn


def points(*log_e: float, name: str = "routes") -> list[Json]:
    return [
        {"looks": n, "at": f"2026-11-22T10:{n:02}:00Z", "log_e": {name: one, "<i>": 0.0}}
        for n, one in enumerate(log_e, 1)
    ]


def test_the_course_of_the_evidence_is_drawn_with_the_threshold_and_told_apart_without_colour() -> None:
    names = {"routes": "Routed otherwise", "failures": "Runs that fail", "<i>": "<i>"}
    seen = points(0.0, 2.0, 14.0)
    for point, failures in zip(seen, (0.0, 1.0, 14.2), strict=True):
        point["log_e"]["failures"] = failures
    drawn = str(course(seen, names, 13.3046849, "600,000"))
    root = ElementTree.fromstring(drawn)
    lines = list(root.iter("polyline"))
    assert [line.findtext("title") for line in lines] == ["Runs that fail", "Routed otherwise"]
    assert len({line.get("stroke-dasharray") for line in lines}) == 2
    (threshold,) = (line for line in root.iter("line") if line.get("class") == "threshold")
    last = [float(line.get("points", "").split()[-1].split(",")[1]) for line in lines]
    assert all(end < float(threshold.get("y1", "0")) for end in last), "above the line is past the threshold"
    said = [text.text or "" for text in root.iter("text")]
    assert {"600,000", "threshold: the guard ends it here", "Routed otherwise", "Runs that fail"} <= set(said)
    assert "look 1, 2026-11-22 10:01 UTC" in said
    assert "look 3, 2026-11-22 10:03 UTC" in said
    assert "Nothing speaks against it all along: <i>" in said, "and it is no element"
    beside = [
        float(text.get("y", "0")) for text in root.iter("text") if text.text in ("Routed otherwise", "Runs that fail")
    ]
    assert abs(beside[0] - beside[1]) >= 12, "names do not cover each other"
    assert "how the evidence went in 3 looks" in str(root.get("aria-label")).lower()
    assert course(points(1.0), names, 13.3, "x") == "", "one point is no course"


def test_e_values_are_told_as_people_write_them() -> None:
    assert [e_value(log_e) for log_e in (None, -3.0, 0.0, 3.0, 13.3046849, 40.0)] == [
        "–",
        "under 0.1",
        "1.0",
        "20",
        "600,000",
        "10^17.4",
    ]
