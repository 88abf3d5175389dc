"""Loading a project that is right."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clearway.model.decision import Factor
from clearway.model.errors import ConfigError
from clearway.model.tool import RateLimit
from clearway.project.load import load_project
from clearway.project.project import Project

from .conftest import FILES

Write = Callable[..., Path]


def load(folder: Path, **environ: str) -> Project:
    return load_project(folder, environ=environ)


def test_everything_declared_is_found(project: Write) -> None:
    loaded = load(project())
    assert loaded.name == "acme-support"
    assert list(loaded.tools) == ["read_account", "refund", "take_back"]
    assert loaded.skills["desk"].tools == {"read_account", "refund"}
    assert (loaded.skills["desk"].file, loaded.skills["desk"].line) == ("skills/desk.py", 5)
    assert loaded.policies == (("policies/main.cedar", FILES["policies/main.cedar"]),)
    assert loaded.prompts == {"desk": "You are the desk.\n"}
    assert loaded.settings.environments == ("dev", "prod")
    assert loaded.settings.limits.system == RateLimit(100, 60.0)
    assert loaded.settings.limits.tools == {"refund": RateLimit(5, 60.0)}
    assert loaded.settings.grant_factors == (Factor("finance", 2),)
    assert loaded.settings.lenient_environments == {"dev"}


def test_people_have_their_roles_in_an_environment_and_groups_of_both_files(project: Write) -> None:
    loaded = load(project())
    dana = loaded.users["dana"].principal("prod")
    assert (dana.name, dana.scope.tenant, dana.roles, dana.groups) == ("user:dana", "acme", {"support"}, {"leads"})
    assert loaded.users["amir"].groups == {"finance"}
    assert loaded.users["amir"].principal("prod").roles == frozenset()
    assert loaded.services["nightly"].principal("prod").name == "service:nightly"
    assert loaded.ownership.approver_of("desk") == "finance"
    assert loaded.ownership.approver_of("other") == "leads"
    assert loaded.ownership.groups["finance"].members == {"amir", "bo"}


def test_a_group_named_on_a_users_side_counts_its_members(project: Write) -> None:
    ownership = FILES["ownership.toml"].replace('["amir", "bo"]', '["bo"]')
    assert load(project({"ownership.toml": ownership})).ownership.groups["finance"].members == {"amir", "bo"}


def test_the_store_is_relative_to_the_project_and_can_be_overridden(project: Write) -> None:
    folder = project()
    assert load(folder).settings.store_url == f"sqlite:///{folder}/.clearway/clearway.db"
    other = {"CLEARWAY_STORE_URL": "postgresql://u@h/d"}
    assert load(folder, **other).settings.store_url == "postgresql://u@h/d"
    assert (
        load_project(folder, store_url="sqlite:///x.db", environ=other).settings.store_url == f"sqlite:///{folder}/x.db"
    )


def test_t27_a_wrong_override_is_not_repeated(project: Write) -> None:
    with pytest.raises(ConfigError) as caught:
        load(project(), CLEARWAY_STORE_URL="mysql://dana:hunter2@h/d")
    assert "CLEARWAY_STORE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_project_needs_no_more_than_a_name(tmp_path: Path) -> None:
    (tmp_path / "clearway.toml").write_text('[project]\nname = "x"\n')
    loaded = load(tmp_path)
    assert (loaded.settings.tenants, loaded.tools, loaded.ownership.groups) == (("default",), {}, {})


def test_the_wrapped_function_sees_its_own_module(project: Write) -> None:
    assert load(project()).tools["read_account"].function(account="9182") == 5


def test_loading_again_reads_the_files_again(project: Write) -> None:
    before = load(project())
    after = load(project({"services/books.py": "BOOKS = {'9182': 6}\n"}))
    assert after.tools["read_account"].function(account="9182") == 6
    assert before.tools["read_account"].function(account="9182") == 5
    assert after.digest != before.digest


def test_two_projects_never_see_each_others_modules(project: Write, tmp_path_factory: pytest.TempPathFactory) -> None:
    one = load(project())
    folder = tmp_path_factory.mktemp("other")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.replace("5}", "7}"))
    other = load(folder)
    assert one.tools["read_account"].function(account="9182") == 5
    assert other.tools["read_account"].function(account="9182") == 7
    assert not {"tools", "tools.accounts", "services"} & sys.modules.keys()
    assert not list(folder.rglob("__pycache__"))


@pytest.mark.parametrize(
    "imports",
    [
        "import tools.accounts\nread_account = tools.accounts.read_account",
        "import tools.accounts as accounts\nread_account = accounts.read_account",
        "from tools import accounts\nread_account = accounts.read_account",
        "from ..tools.accounts import read_account",
        "import json, tools.accounts, services.books as b\nread_account = tools.accounts.read_account\nassert b.BOOKS",
    ],
)
def test_every_way_to_import_finds_the_projects_own_files(project: Write, imports: str) -> None:
    text = FILES["skills/desk.py"].replace("from tools.accounts import read_account", imports)
    loaded = load(project({"skills/desk.py": text}))
    assert "read_account" in loaded.skills["desk"].tools


def problems_of(project: Write, changes: dict[str, str | bytes | None]) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(project(changes))
    return str(raised.value).splitlines()


def test_a_module_that_cannot_be_imported_is_the_only_problem_it_makes(project: Write) -> None:
    broken = FILES["tools/accounts.py"] + "x = (\n"
    (found,) = problems_of(project, {"tools/accounts.py": broken})
    assert found.startswith("tools/accounts.py:16: SyntaxError at column 5: '(' was never closed.")
    (found,) = problems_of(project, {"services/books.py": "1 / 0\n"})
    assert found.startswith("services/books.py:1: ZeroDivisionError")


def test_a_skill_that_cannot_be_imported_is_not_also_missed(project: Write) -> None:
    (found,) = problems_of(project, {"skills/desk.py": FILES["skills/desk.py"] + "\nimport no_such_thing\n"})
    assert found.startswith("skills/desk.py:9: ModuleNotFoundError: No module named 'no_such_thing'.")


def test_names_that_a_broken_module_does_not_declare_are_still_problems(project: Write) -> None:
    text = FILES["clearway.toml"] + "[limits.tools.refudn]\ncount = 5\nper_s = 60\n"
    found = problems_of(project, {"clearway.toml": text, "skills/desk.py": "1 / 0\nasync def desk(run): ...\n"})
    assert ["ZeroDivisionError" in found[0], "refudn" in found[1], len(found)] == [True, True, 2]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "from tools.accounts import nothing",
            "cannot import name 'nothing' from 'tools.accounts' (tools/accounts.py)",
        ),
        ("from tools.nothing import x", "No module named 'tools.nothing'"),
        ("import tools.accounts\ntools.accounts.nothing", "module 'tools.accounts' has no attribute 'nothing'"),
        ("from .. import nothing", "cannot import name 'nothing' from the project"),
    ],
)
def test_modules_are_called_as_the_project_calls_them(project: Write, line: str, shown: str) -> None:
    (found,) = problems_of(project, {"skills/more.py": f"{line}\n"})
    assert shown in found
    assert "clearway_project" not in found


def test_an_import_inside_a_function_finds_them_too(project: Write) -> None:
    text = FILES["skills/desk.py"].replace(
        "    return await run.call(read_account, account=account)",
        "    from services.books import BOOKS\n    return BOOKS[account]",
    )
    loaded = load(project({"skills/desk.py": text}))
    assert asyncio.run(loaded.skills["desk"].function(None, account="9182")) == 5  # pyright: ignore[reportArgumentType]


def test_the_digest_is_that_of_behaviour(project: Write) -> None:
    whole = load(project()).digest
    people = FILES["clearway.toml"] + '[users.new]\ntenant = "acme"\n[store]\nurl = "sqlite:///other.db"\n'
    assert load(project({"clearway.toml": people})).digest == whole
    assert load(project({"tests/test_desk.py": "x = 1\n", "venv/lib/x.py": "x = 1\n"})).digest == whole
    for name in ("policies/main.cedar", "prompts/desk.md", "routes/main.toml", "services/books.py", "ownership.toml"):
        assert load(project({name: FILES.get(name, "") + "\n"})).digest != whole
        project()
        (project() / "routes/main.toml").unlink(missing_ok=True)
