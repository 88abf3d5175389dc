"""Commands at an address where there is no store: mistyped, or not begun yet."""

import shlex
from pathlib import Path

import pytest
import sqlalchemy

from clearway.adapters.sql.engine import open_engine
from tests.cli.conftest import SMALL, Cli
from tests.cli.test_documented import commands

#: Commands that begin something, and so make the store.
BEGINS = {"run", "worker", "serve", "keys create", "release cut", "release import", "notices test", "drill rollback"}
#: Commands that read the project's files only, or have a store of their own.
NEEDS_NONE = {
    *("init", "demo", "tools list", "skills list", "policy check", "policy test", "policy explain"),
    *("policy diff", "route text", "route eval", "route calibrate", "privacy explain"),
    *("owners list", "owners codeowners", "owners catalog"),
}
DIGEST = "sha256:" + 64 * "0"
SEEN = f"app_x --digest {DIGEST} --yes"
#: Every other command, with arguments that are well-formed.
AT_A_STORE = {
    **{"costs": "", "audit verify": "", "audit export": "--out evidence", "audit prove": "1"},
    **{"runs list": "", "runs show": "run_x", "runs unhold": "run_x --reason x"},
    **{"runs cancel": "run_x --reason x", "runs retry": "run_x --reason x"},
    **{"approvals list": "", "approvals show": "app_x", "approvals approve": SEEN},
    **{
        "approvals reject": f"{SEEN} --comment x",
        "approvals edit": "app_x --comment x --arguments {}",
    },
    **{"approvals endorse": f"{SEEN} --argument account"},
    **{"endorsements list": "", "endorsements revoke": "end_x --reason x"},
    **{"ledger list": "", "ledger show": "--run run_x --step 1"},
    **{"ledger resolve": "--run run_x --step 1 --happened --reason x"},
    **{"kill list": "", "kill engage": "global --reason x", "kill release": "global --reason x"},
    **{"grants list": "", "grants revoke": "gr_x --reason x"},
    **{"grants ask": "refund --target account:1 --bounds {} --reason x"},
    **{"keys list": "", "keys revoke": "key_x"},
    **{"users list": "", "users disable": "user_x --reason x", "users enable": "user_x --reason x"},
    **{"privacy reveal": "tok_x --reason x", "privacy erase": "--subject s --reason x", "privacy retention": ""},
    **{"privacy rotate": "", "privacy dataset": "--out cases.jsonl", "privacy scan": "", "notices list": ""},
    **{"release list": "", "release status": "", "release show": DIGEST, "release diff": DIGEST},
    **{"release export": f"{DIGEST} bundle", "release sign": f"{DIGEST} --reason x"},
    **{"release promote": f"{DIGEST} --reason x", "release canary": f"{DIGEST} --reason x"},
    **{"release shadow": f"{DIGEST} --reason x", "release rollback": "--reason x"},
    **{"release revoke": f"{DIGEST} --reason x", "release reinstate": f"{DIGEST} --reason x"},
}


def test_each_command_either_begins_something_needs_no_store_or_is_asked_about_one() -> None:
    assert {" ".join(path) for path, _ in commands()} == BEGINS | NEEDS_NONE | AT_A_STORE.keys()


def test_where_there_is_no_store_whatever_begins_nothing_says_so_and_writes_no_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    said: dict[str, tuple[int, str]] = {}
    for words, more in AT_A_STORE.items():
        asked = cli(
            "--store", "sqlite:///typo/clearway.db", *words.split(), *shlex.split(more), "--as", "olga", "--json"
        )
        said[words] = (asked.code, asked.document["error"]["code"])
    assert said == dict.fromkeys(AT_A_STORE, (2, "no_store"))
    assert list(here.iterdir()) == []


def test_a_file_that_holds_nothing_of_ours_is_no_store_either_and_stays_as_it_is(cli: Cli, tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    asked = cli("--store", f"sqlite:///{empty}", "runs", "list", "--json")
    assert (asked.code, asked.document["error"]["code"]) == (2, "no_store")
    assert empty.stat().st_size == 0


@pytest.mark.postgres
@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_a_database_that_nobody_migrated_is_no_store_and_gets_no_tables(cli: Cli, empty_database_url: str) -> None:
    asked = cli("--store", empty_database_url, "approvals", "list", "--json")
    assert (asked.code, asked.document["error"]["code"]) == (2, "no_store")
    engine = open_engine(empty_database_url)
    with engine.connect() as connection:
        schemas = sqlalchemy.inspect(connection).get_schema_names()
    engine.dispose()
    assert set(schemas) == {"information_schema", "public"}


def test_what_begins_something_makes_the_store(cli: Cli, tmp_path: Path) -> None:
    new = ("--store", f"sqlite:///{tmp_path}/new/clearway.db")
    assert cli(*new, "keys", "create", "olga", "--env", "prod", "--first").code == 0
    assert cli(*new, "runs", "list", "--json").data["items"] == []
    newer = ("--store", f"sqlite:///{tmp_path}/newer/clearway.db")
    assert cli(*newer, *SMALL).code == 0
    assert len(cli(*newer, "runs", "list", "--json").data["items"]) == 1


def test_what_a_project_declares_is_listed_before_anything_began(cli: Cli, tmp_path: Path) -> None:
    nowhere = ("--store", f"sqlite:///{tmp_path}/nowhere/clearway.db")
    assert "billing" in cli(*nowhere, "tools", "list").out
    assert "read_account, refund" in cli(*nowhere, "skills", "list").out
    assert not (tmp_path / "nowhere").exists()
