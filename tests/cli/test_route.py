"""`clearway route`, and what becomes of a request that no router takes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli

#: TF-IDF, so that most of these tests load no model.
SETTINGS = '\n[routing]\nrouters = ["rules", "tfidf"]\n'
UNLIKE = "Book a flight to Lisbon"


@pytest.fixture(autouse=True)
def _routing(project: Path) -> None:
    write(project, SETTINGS)


def write(project: Path, settings: str) -> None:
    kept = (project / "clearway.toml").read_text(encoding="utf-8").partition("\n[routing]")[0]
    (project / "clearway.toml").write_text(kept + settings, encoding="utf-8")


def dataset(folder: Path, *rows: tuple[str, str | None]) -> str:
    lines = [json.dumps({"text": text, "skill": skill}) for text, skill in rows]
    (folder / "set.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return str(folder / "set.jsonl")


ROWS: tuple[tuple[str, str | None], ...] = (
    ("Please refund 30 dollars to account 17", "desk"),
    ("Refund account 4 ten dollars", "desk"),
    ("Post this notice on the board", "notice"),
    ("Remind me in an hour or two", "remind"),
    (UNLIKE, None),
    ("Write a poem about foxes", None),
)


def test_route_says_skill_score_runner_up_router_version_and_why(cli: Cli) -> None:
    ended = cli("route", "Refund 25 dollars to account 17", "--explain")
    assert ended.code == 0
    assert ended.out.startswith("desk\n")
    for part in ("why", "score", "threshold", "runner-up", "router", "tfidf 1:", "passed by  rules: no keyword"):
        assert part in ended.out
    found = cli("route", "Refund 25 dollars to account 17", "--json").data
    assert {"skill", "score", "runner_up", "margin", "router", "version", "why", "threshold", "candidates"} <= set(
        found
    )


def test_what_is_out_of_scope_is_refused_with_exit_code_1(cli: Cli) -> None:
    ended = cli("route", UNLIKE, "--json")
    assert (ended.code, ended.data["skill"]) == (1, None)


@pytest.mark.parametrize("word", ["eval", "calibrate", "text"])
def test_a_text_that_is_a_commands_name_is_routed_with_route_text(cli: Cli, word: str) -> None:
    assert cli("route", "text", word, "--json").document["kind"] == "route"


def test_eval_prints_figures_and_writes_a_plot(cli: Cli, tmp_path: Path) -> None:
    file = dataset(tmp_path, *ROWS)
    found = cli("route", "eval", file, "--json", "--plot", str(tmp_path / "plot.png")).data
    assert (found["texts"], found["in_scope"], found["out_of_scope"]) == (6, 4, 2)
    assert found["accuracy"]["right"] == 4
    assert found["false_accepts"]["right"] == 0
    assert found["auroc"]["value"] == 1
    assert set(found["recall"]) == {"desk", "notice", "remind"}
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    shown = cli("route", "eval", file).out
    assert "accuracy of the best fit" in shown
    assert "AUROC" in shown


def test_eval_names_skills_that_took_what_is_not_theirs_and_what_its_texts_cannot_prove(
    cli: Cli, tmp_path: Path
) -> None:
    mine = "Refund 20 dollars to account 9182"
    ended = cli(
        "route", "eval", dataset(tmp_path, (mine, "notice"), ("Post this notice on the board", "notice")), "--json"
    )
    assert ended.data["precision"]["desk"] == {
        "value": 0,
        "right": 0,
        "of": 1,
        "interval": ended.data["precision"]["desk"]["interval"],
    }
    assert ended.data["recall"]["desk"]["value"] is None
    assert ended.data["examples"] == 1
    assert "1 of the texts are examples" in ended.err
    assert "nothing in the dataset is out of scope" in ended.err
    assert "nothing in the dataset is out of scope" in cli("route", "calibrate", dataset(tmp_path, ROWS[0])).err


def test_each_malformed_line_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"text": "a", "skill": "desk"}\n{"text": 3}\n{"text": "b", "skill": "dsek"}\n')
    ended = cli("route", "eval", str(tmp_path / "set.jsonl"))
    assert ended.code == 2
    assert "set.jsonl:2:" in ended.err
    assert "set.jsonl:3:" in ended.err
    assert cli("route", "eval", str(tmp_path / "none.jsonl")).code == 2


def test_calibrate_prints_the_trade_off_and_its_threshold_is_in_force_from_then_on(
    cli: Cli, tmp_path: Path, project: Path
) -> None:
    file = dataset(tmp_path, *ROWS, ("Refund 20 dollars to account 9182", "desk"))
    found = cli("route", "calibrate", file, "--json", "--plot", str(tmp_path / "plot.png")).data
    assert (found["router"], found["texts"], found["left_out"]) == ("tfidf", 6, 1)
    assert len(found["trade_offs"]) >= 20
    assert (project / "routes" / "calibration.json").is_file()
    assert (tmp_path / "plot.png").is_file()
    route = cli("route", "Refund account 4 ten dollars", "--json").data
    assert route["threshold"] == pytest.approx(found["scale"]["threshold"], abs=1e-3)
    assert "calibrated on 6 texts (sha256:" in route["why"]
    assert cli("route", UNLIKE).code == 1


def test_a_calibration_of_other_examples_says_so_in_every_route(cli: Cli, tmp_path: Path, project: Path) -> None:
    assert cli("route", "calibrate", dataset(tmp_path, *ROWS)).code == 0
    source = (project / "skills" / "desk.py").read_text()
    (project / "skills" / "desk.py").write_text(source.replace("Remind me in an hour", "Remind me in two hours"))
    assert "calibrate again" in cli("route", "Refund account 4 ten dollars", "--json").data["why"]


def test_a_dry_run_writes_nothing_and_a_damaged_calibration_is_named(cli: Cli, tmp_path: Path, project: Path) -> None:
    assert cli("route", "calibrate", dataset(tmp_path, *ROWS), "--dry-run").code == 0
    assert not (project / "routes" / "calibration.json").exists()
    (project / "routes").mkdir(exist_ok=True)
    (project / "routes" / "calibration.json").write_text("{}")
    ended = cli("route", "x")
    assert ended.code == 2
    assert "routes/calibration.json" in ended.err


def test_a_precision_no_threshold_has_is_refused(cli: Cli, tmp_path: Path) -> None:
    wrong = dataset(tmp_path, ("Refund account 4 ten dollars", "notice"))
    assert cli("route", "calibrate", wrong, "--precision", "0.9", "--json").document["error"]["code"] == "dataset"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ('[routing]\nrouters = ["oracle"]\n', "names a router that does not exist"),
        ('[routing]\nbelow = "guess"\n', "none of the known ways"),
        ('[routing]\nbelow = "person"\n', "has no person"),
        ('[routing]\nperson = "nobody"\n', "names the skill nobody"),
        ('[routing]\nrouters = ["model"]\n', "names no model"),
        ('[routing.patterns]\ndesk = ["("]\n', "has a bad pattern"),
        ('[routing.keywords]\ndsek = ["refund"]\n', "names the skill dsek"),
    ],
)
def test_mistakes_in_the_settings_are_named_with_their_line(
    cli: Cli, project: Path, settings: str, problem: str
) -> None:
    write(project, f"\n{settings}")
    ended = cli("route", "x")
    assert ended.code == 2
    assert problem in ended.err
    assert "clearway.toml:" in ended.err


# --- below the threshold -------------------------------------------------------------------------------------------


def ask(cli: Cli, text: str) -> Any:
    return cli("run", text, "--as", "dana", "--wait", "0", "--json").document


def test_clarify_asks_back_which_skill_is_meant_and_refuse_does_not(cli: Cli, project: Path) -> None:
    remedy = ask(cli, UNLIKE)["error"]["remedy"]
    assert "Which is meant: " in remedy
    write(project, f'{SETTINGS}below = "refuse"\n')
    error = ask(cli, UNLIKE)["error"]
    assert error["code"] == "no_route"
    assert "Which is meant" not in error["remedy"]
    assert "Lisbon" not in json.dumps(error)


def test_a_person_is_handed_what_no_router_takes_by_the_skill_for_it(cli: Cli, project: Path) -> None:
    (project / "skills" / "front.py").write_text(
        "from clearway import skill\n\n@skill(examples=[], owner='desk')\n"
        "async def front_desk(run, text: str):\n    return 'somebody will look'\n"
    )
    write(project, f'{SETTINGS}below = "person"\nperson = "front_desk"\n')
    route = ask(cli, UNLIKE)["data"]["route"]
    assert route["skill"] == "front_desk"
    assert route["why"].startswith("handed to a person: ")
    assert ask(cli, "Refund 25 dollars to account 17")["error"]["code"] == "arguments"  # desk took it, and wants more


def test_an_abstention_is_recorded_without_a_word_of_the_text(cli: Cli, tmp_path: Path) -> None:
    ask(cli, UNLIKE)
    assert cli("audit", "export", "--as", "olga", "--out", str(tmp_path / "log")).code == 0
    exported = [line for path in (tmp_path / "log").iterdir() for line in path.read_text().splitlines()]
    (event,) = [line for line in exported if "request.not_routed" in line]
    assert "Lisbon" not in event
    assert "tfidf" in event


def test_the_embedded_router_is_the_default_and_its_artefact_lies_beside_the_store(cli: Cli, project: Path) -> None:
    write(project, "")
    route = cli("route", "could I have my 20 dollars back on account 3", "--json").data
    assert route["router"] == "embedded"
    assert [path.suffix for path in (project / ".clearway" / "routers").iterdir()] == [".router"]
