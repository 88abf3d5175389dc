"""The demonstration, run for real: it holds, it notices where something does not, and it leaves nothing running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from clearway.app import Clearway
from examples.support_desk import services
from examples.support_desk.demonstration.place import MARKER, PlaceTaken, prepare

CHECKOUT = Path(services.__file__).resolve().parents[3]
EXAMPLE = CHECKOUT / "examples" / "support_desk"
LIMIT_S = 120
WIDEST = 100

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Played:
    """A finished demonstration: its folder, exit code and output."""

    folder: Path
    code: int
    text: str

    def charges(self) -> list[services.Charge]:
        return services.charges(self.folder / ".clearway" / "billing")


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "examples.support_desk.demo", "--data", str(folder), *options]


def play(folder: Path, *options: str) -> Played:
    done = subprocess.run(
        command(folder, *options), cwd=CHECKOUT, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT_S,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    return Played(folder, done.returncode, done.stdout + done.stderr)


def pids(text: str) -> list[int]:
    """The processes that the demonstration says it started."""
    started = re.search(r"billing (\d+), mail (\d+), worker (\d+)", text)
    assert started is not None, text
    return [int(pid) for pid in (*started.groups(), *re.findall(r"a new one, process (\d+)", text))]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(is_so: Callable[[], bool], limit_s: float = 30) -> None:
    deadline, pause = time.monotonic() + limit_s, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {limit_s} s"
        pause.wait(0.02)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("demo") / "desk")


# --- It holds ---


def test_the_demonstration_holds(played: Played) -> None:
    assert played.code == 0, played.text
    assert re.search(r"All \d+ expectations held", played.text)
    assert "✗" not in played.text


@pytest.mark.parametrize(
    "line",
    [
        '"Refund $2,400 to account 9182"',
        "Refund $2,400.00 to account 9182",
        "4,825.00 USD, afterwards 7,225.00 USD",
        "tries to approve what she asked for: separation_of_duties",
        "2 attempts, timeout",
        "2 attempts, worker_lost",
        "is killed (SIGKILL)",
        "8 in our ledger, 8 in billing's own",
        "tenant acme: ",
        "✓ the audit chain of acme verifies",
        "✓ no customer's e-mail address is in any file of the store",
        "approve by amir",
        "reject by bo",
    ],
)
def test_it_shows(played: Played, line: str) -> None:
    assert line in played.text


def test_billing_has_one_charge_for_each_key(played: Played) -> None:
    keys = [charge.idempotency_key for charge in played.charges()]
    assert len(keys) == len(set(keys)) == 8
    assert [charge.amount_minor for charge in played.charges() if charge.amount_minor == 240_000] == [240_000]


def test_every_run_that_it_shows_can_be_looked_at_afterwards(played: Played) -> None:
    shown = set(re.findall(r"run_[0-9a-f]{20}", played.text))
    with Clearway.open(played.folder) as app:
        found = {run["run_id"] for tenant in ("acme", "globex") for run in app.reading(tenant=tenant).runs()["items"]}
    assert shown == found
    assert len(shown) == 12


def test_nothing_of_it_is_left_running(played: Played) -> None:
    assert [pid for pid in pids(played.text) if runs(pid)] == []


def test_it_keeps_to_a_hundred_columns_without_colours(played: Played) -> None:
    told = played.text.split("Try next")[0]
    assert max(len(line) for line in told.splitlines() if "project  " not in line) <= WIDEST
    assert "\x1b" not in played.text


# --- It notices ---


def test_a_billing_service_that_charges_twice_is_noticed(tmp_path: Path) -> None:
    played = play(tmp_path / "desk", "--ignore-keys")
    assert played.code == 1, played.text
    assert "✗ billing has one charge for it: expected [8000], found [8000, 8000]" in played.text
    assert "✗ no idempotency key was charged twice" in played.text
    assert re.search(r"\d+ of \d+ expectations failed", played.text)
    assert [pid for pid in pids(played.text) if runs(pid)] == []


# --- It cleans up ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_interrupted_demonstration_stops_what_it_started(tmp_path: Path, number: signal.Signals) -> None:
    output = tmp_path / "output"
    with output.open("wb") as file:
        # As from a terminal: tests that are themselves run in the background inherit an ignored SIGINT.
        process = subprocess.Popen(
            ["env", "--default-signal=INT", *command(tmp_path / "desk")],
            cwd=CHECKOUT,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until(lambda: process.poll() is not None or b"dana asks   " in output.read_bytes(), LIMIT_S)
        process.send_signal(number)
        assert process.wait(LIMIT_S) == 130
    finally:
        process.kill()
        process.wait()
    text = output.read_text(encoding="utf-8")
    assert "Interrupted" in text
    assert [pid for pid in pids(text) if runs(pid)] == []


def test_it_begins_afresh_where_it_was_before(tmp_path: Path) -> None:
    place = prepare(EXAMPLE, tmp_path / "desk")
    (place.folder / "billing").mkdir()
    (place.folder / "clearway.db").write_text("of the demonstration before")
    (place.folder / "notes.txt").write_text("somebody's")
    again = prepare(EXAMPLE, tmp_path / "desk")
    assert again.moved is None
    assert sorted(path.name for path in again.folder.iterdir()) == [MARKER, "notes.txt"]


def test_it_moves_data_aside_that_is_not_its_own(tmp_path: Path) -> None:
    project = prepare(EXAMPLE, tmp_path / "desk").project
    (project / ".clearway" / MARKER).unlink()
    (project / ".clearway" / "keyring.json").write_text("somebody's")
    moved = prepare(project, None).moved
    assert moved is not None
    assert (moved / "keyring.json").read_text() == "somebody's"
    assert json.loads((project / ".clearway" / MARKER).read_text())


def test_it_does_not_touch_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("somebody's")
    with pytest.raises(PlaceTaken, match="not empty"):
        prepare(EXAMPLE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_it_does_not_begin_where_a_worker_serves(tmp_path: Path) -> None:
    place = prepare(EXAMPLE, tmp_path / "desk")
    with Clearway.open(place.project) as app:
        app.serve()
        with pytest.raises(PlaceTaken, match="A worker serves"):
            prepare(EXAMPLE, tmp_path / "desk")
