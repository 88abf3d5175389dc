"""Another store's keyring, or an older copy, in place of a store's own: every command refuses, nothing is doubled."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearway.adapters.keyring import Keyring
from clearway.app import Clearway
from clearway.model.errors import Unavailable
from clearway.rules.key_checks import KeyringMismatch
from tests.cli.conftest import SMALL, Cli
from tests.cli.test_no_store import AT_A_STORE, BEGINS
from tests.cli.test_privacy_vault import SETTINGS
from tests.cli.test_worker import wait_until

_EFFECTS = """\
from pathlib import Path
from clearway import Idempotency, tool

@tool(impact="read", targets="account:{account}", owner="desk")
def read_account(account: str) -> dict:
    return {"account": account}

@tool(impact="external", targets="account:{account}", owner="billing",
      idempotency=Idempotency(business_key=lambda given: f"invoice-{given['account']}"))
def refund(account: str, amount_minor: int, memo: str = "") -> dict:
    with (Path(__file__).parent / "refunds.txt").open("a") as opened:
        opened.write("refunded\\n")
    return {"refunded": amount_minor}

@tool(impact="external", targets="board:{board}", owner="desk")
def post(board: str) -> dict:
    return {}
"""
#: What begins something, with arguments; `worker` and `serve` are started as processes below.
_BEGUN = {
    **{"keys create": "olga --env prod --first", "release cut": "--note x", "release import": "bundle --note x"},
    **{"notices test": "", "drill rollback": ""},
}


@pytest.fixture
def desk(cli: Cli, project: Path) -> Cli:
    """The command line over a project whose refunds have a business key."""
    (project / "tools" / "bank.py").write_text(_EFFECTS)
    with (project / "clearway.toml").open("a", encoding="utf-8") as opened:
        opened.write(SETTINGS)
    return cli


@pytest.fixture
def foreign(project: Path, tmp_path: Path) -> Iterator[Path]:
    """Puts another store's keyring in the place of the project's; gives where its own lies."""
    other = Keyring.open_or_create(tmp_path / "other" / "keyring.json")
    own = tmp_path / "own.json"
    shutil.move(project / ".clearway" / "keyring.json", own)
    shutil.copy(other.path, project / ".clearway" / "keyring.json")
    return own


def refunds(project: Path) -> int:
    return len((project / "tools" / "refunds.txt").read_text().splitlines())


def refused(project: Path, *words: str) -> tuple[int, str]:
    """(exit code, stderr) of a command in a process of its own, which has to end."""
    ended = subprocess.run(
        (sys.executable, "-m", "clearway", *words, "--project", str(project)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_with_another_keyring_no_effect_is_made_again_under_its_business_key(
    desk: Cli, project: Path, tmp_path: Path
) -> None:
    assert desk(*SMALL, "--key", "first").code == 0
    assert desk(*SMALL, "--key", "second").code == 0
    assert refunds(project) == 1, "the second was known by its business key"
    keyring = project / ".clearway" / "keyring.json"
    shutil.copy(keyring, tmp_path / "own.json")
    shutil.copy(Keyring.open_or_create(tmp_path / "other" / "keyring.json").path, keyring)
    for key in ("first", "third"):
        ended = desk(*SMALL, "--key", key)
        assert ended.code == 2
        assert "another store's" in ended.err
        assert "docs/runbooks" in ended.err
    for words in (("worker",), ("serve",)):
        code, said = refused(project, *words)
        assert (code, "another store's" in said) == (2, True), said
    assert refunds(project) == 1
    shutil.copy(tmp_path / "own.json", keyring)
    assert desk(*SMALL, "--key", "third").code == 0
    assert refunds(project) == 1
    assert desk("audit", "verify").code == 0


def test_every_command_that_opens_the_store_refuses_another_ones_keyring(
    desk: Cli, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundle").write_bytes(b"{}")
    said: dict[str, tuple[int, str]] = {}
    given = {**AT_A_STORE, **_BEGUN}
    assert given.keys() | {"run", "worker", "serve"} == AT_A_STORE.keys() | BEGINS
    del given["privacy scan"]  # reads bytes, opens nothing
    for words, more in given.items():
        asked = desk(*words.split(), *shlex.split(more), "--as", "olga", "--json")
        said[words] = (asked.code, asked.document["error"]["code"])
    assert said == dict.fromkeys(given, (2, "keyring_mismatch"))


def test_after_a_rotation_an_older_copy_is_refused_and_a_store_restored_from_before_opens(
    desk: Cli, project: Path, tmp_path: Path
) -> None:
    assert desk(*SMALL, "--key", "first").code == 0
    own = project / ".clearway"
    shutil.copytree(own, tmp_path / "backup")
    assert desk("privacy", "rotate", "--key", "token", "--as", "petra").code == 0
    rotated = desk("privacy", "rotate", "--as", "petra", "--json").data["key_id"]
    assert desk("audit", "verify").code == 0
    new = (own / "keyring.json").read_text()
    shutil.copy(tmp_path / "backup" / "keyring.json", own / "keyring.json")
    ended = desk(*SMALL, "--key", "second", "--json")
    assert (ended.code, ended.document["error"]["code"]) == (2, "keyring_mismatch")
    assert "older copy" in ended.document["error"]["message"]
    assert rotated in ended.document["error"]["message"]
    # The backup of the store, with the keyring of now.
    shutil.rmtree(own)
    shutil.copytree(tmp_path / "backup", own)
    (own / "keyring.json").write_text(new)
    assert desk(*SMALL, "--key", "second").code == 0
    assert refunds(project) == 1
    # From then on the older copy is refused here too.
    shutil.copy(tmp_path / "backup" / "keyring.json", own / "keyring.json")
    assert desk("runs", "list").code == 2


def test_a_worker_that_runs_goes_on_with_its_own_keys_and_takes_up_no_others(desk: Cli, project: Path) -> None:
    assert desk(*SMALL, "--key", "first").code == 0
    path = project / ".clearway" / "keyring.json"
    with Clearway.open(project) as app:
        own = path.read_text()
        path.write_text(others := Keyring.open_or_create(project / "other" / "keyring.json").path.read_text())
        with pytest.raises(Unavailable, match="another store's") as missing:
            app.sealer.public_key("sign-00000000")
        assert missing.value.code == "keyring"
        with pytest.raises(KeyringMismatch):
            app.acting("petra").rotate_keys("seal")
        assert path.read_text() == others, "no key was added to it"
        path.write_text(own)
        rotated = app.acting("petra").rotate_keys("seal")["key_id"]
    assert rotated in path.read_text()
    path.write_text(own)
    assert desk("runs", "list").code == 2, "the key was noted when it was made"


def test_while_a_worker_runs_a_command_with_another_keyring_starts_nothing(
    desk: Cli, project: Path, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    words = (sys.executable, "-m", "clearway", "worker", "--project", str(project), "--ready-file", str(ready))
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, env={**os.environ, "CLEARWAY_LOG": "json"}) as process:
        try:
            wait_until(lambda: ready.exists() or process.poll() is not None)
            assert desk(*SMALL, "--key", "first").code == 0
            path = project / ".clearway" / "keyring.json"
            own = path.read_text()
            path.write_text(Keyring.open_or_create(tmp_path / "other" / "keyring.json").path.read_text())
            assert desk(*SMALL, "--key", "second").code == 2
            path.write_text(own)
            assert desk(*SMALL, "--key", "third").code == 0
            assert refunds(project) == 1
        finally:
            process.kill()
