"""A release takes its trained router along: by value, checked, the same bytes for the same project, and never trained
again."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from clearway.adapters.router import embedded
from clearway.adapters.router.embedded import EmbeddedRouter
from clearway.app import Clearway
from clearway.model.errors import Invalid
from clearway.model.identity import Scope
from clearway.operate.routes import cache_folder
from clearway.rules.canonical import canonical
from clearway.rules.routing.calibration import Calibration, calibrations_json
from clearway.rules.routing.scale import Scale
from tests.releases.desk import FILES, write

pytest.importorskip("onnxruntime", reason="the extra clearway[router] is not installed")
pytest.importorskip("sklearn", reason="the extra clearway[router] is not installed")

DEV = Scope("acme", "dev")
SETTINGS = FILES["clearway.toml"].replace('routers = ["rules"]', 'routers = ["embedded"]')
SKILLS = (
    FILES["skills/desk.py"]
    .replace("@skill(tools=[refund])", '@skill(tools=[refund], examples=["give me my money back", "a refund please"])')
    .replace("@skill(tools=[look])", '@skill(tools=[look], examples=["how does it work", "I have a question"])')
)


def house(folder: Path) -> Path:
    text, _, _ = SETTINGS.partition("[routing.keywords]")
    return write(folder, **{"clearway.toml": text, "skills/desk.py": SKILLS})


def cut(app: Clearway, *, promote: bool = True) -> str:
    olga = app.acting("olga").caller
    digest = str(app.shelf.cut(olga, "a change")["digest"])
    if promote:
        app.rollout.promote(olga, digest, "to try it")
    return digest


def never_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise AssertionError("it was trained again")

    monkeypatch.setattr(EmbeddedRouter, "_train", fail)


def asked(app: Clearway, text: str = "I want my money back") -> dict[str, Any]:
    return dict(app.acting("dana").start(text)["route"])


def test_the_router_is_in_the_release_and_a_worker_that_activates_it_does_not_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = house(tmp_path / "desk")
    with Clearway.open(folder) as app:
        digest = cut(app)
        kept = app.shelf.show(DEV, digest)["router"]
        assert (kept["kind"], "artefact" in kept, len(kept["sha256"])) == ("embedded", False, 64)
        cached = list(cache_folder(app.project).iterdir())
    for file in cached:
        file.unlink()
    never_trains(monkeypatch)
    with Clearway.open(folder) as app:
        route = asked(app)
        assert (route["router"], route["skill"], route["version"]) == ("embedded", "refunds", kept["version"])
        assert not any(cache_folder(app.project).iterdir()), "the store was enough"


def test_the_same_project_gives_the_same_bytes_and_an_exported_file_brings_the_router_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[str, bytes]] = []
    for name in ("one", "two"):
        with Clearway.open(house(tmp_path / name)) as app:
            digest = cut(app)
            found.append((digest, app.shelf.export(DEV, digest)))
    assert found[0] == found[1], "trained twice, in two folders"
    never_trains(monkeypatch)
    with Clearway.open(house(tmp_path / "three")) as app:
        olga = app.acting("olga").caller
        assert app.shelf.take_in(olga, found[0][1], "from there")["digest"] == found[0][0]
        app.rollout.promote(olga, found[0][0], "to try it")
        assert asked(app)["skill"] == "refunds"


def test_without_the_extra_the_release_holds_tf_idf_and_says_so_and_stays_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: object, __: int = 1) -> None:
        raise embedded.EncoderMissing("numpy or onnxruntime is not installed: pip install 'clearway[router]'")

    folder = house(tmp_path / "desk")
    with monkeypatch.context() as patched:
        patched.setattr(embedded.Encoder, "__init__", missing)
        with Clearway.open(folder) as app:
            digest = cut(app)
            kept = app.shelf.show(DEV, digest)["router"]
    assert kept["kind"] == "tfidf"
    assert "pip install 'clearway[router]'" in kept["why"]
    with Clearway.open(folder) as app:
        route = asked(app, "a refund please")
        assert (route["router"], route["skill"], route["version"]) == ("tfidf", "refunds", kept["version"])
        assert "as the release was cut" in route["why"]
        second = cut(app, promote=False)
        changes = app.acting("olga").release_diff(second)["changes"]
        assert {change["kind"] for change in changes} == {"router"}
        assert "artefact" not in [change["name"] for change in changes]
        assert [duty["duty"] for duty in app.shelf.show(DEV, second)["duties"]] == ["routing"]


@pytest.mark.parametrize("what", ["bytes", "digest", "kind", "field", "base64"])
def test_t30_a_router_that_is_not_what_its_digest_names_is_refused(tmp_path: Path, what: str) -> None:
    with Clearway.open(house(tmp_path / "desk")) as app:
        whole = json.loads(app.shelf.export(DEV, cut(app)))
        router = whole["router"]
        data = base64.b64decode(router["artefact"])
        match what:
            case "bytes":
                router["artefact"] = base64.b64encode(data[:-40] + bytes(8) + data[-32:]).decode()
            case "digest":
                router["sha256"] = "0" * 64
            case "kind":
                router["kind"] = "pickle"
            case "field":
                router["module"] = "os"
            case _:
                router["artefact"] = "!"
        with pytest.raises(Invalid) as refused:
            app.shelf.take_in(app.acting("olga").caller, canonical(whole), "from somewhere")
        assert refused.value.code == "bundle"


def test_a_release_is_calibrated_as_it_was_cut_and_not_as_the_folder_is(tmp_path: Path) -> None:
    folder = house(tmp_path / "desk")
    with Clearway.open(folder) as app:
        cut(app)
        before = asked(app)
    scale = Scale(
        (0.0,) * 3, (1.0,) * 3, (0.0, 1.0, 0.0), slope=1.0, offset=0.0, threshold=0.0, tie=0.0, basis="a test"
    )
    made = calibrations_json({"embedded": Calibration(scale, str(before["version"]))})
    (folder / "routes").mkdir(exist_ok=True)
    (folder / "routes" / "calibration.json").write_text(json.dumps(made))
    with Clearway.open(folder) as app:
        assert asked(app)["score"] == before["score"]
        cut(app)
        assert asked(app)["score"] != before["score"], "the calibration was cut with this one"


@pytest.mark.parametrize("cuts", [False, True], ids=["folder", "release"])
def test_what_is_in_force_can_be_prepared_and_then_no_request_trains_or_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: bool
) -> None:
    with Clearway.open(house(tmp_path / "desk")) as app:
        if cuts:
            cut(app)
        app.prepare_routes()
        never_trains(monkeypatch)
        monkeypatch.setattr(EmbeddedRouter, "_load_or_train", None)
        assert asked(app)["skill"] == "refunds"
