"""A broken project is one clear error: file, line, what is wrong, what to write. Never a traceback."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearway.model.errors import ConfigError
from clearway.project.load import load_project

from .conftest import FILES

Write = Callable[..., Path]

TOML, OWNERS = FILES["clearway.toml"], FILES["ownership.toml"]
C, O, A, M, D = "clearway.toml", "ownership.toml", "tools/accounts.py", "tools/more.py", "skills/desk.py"  # noqa: E741
TOOLS, SKILL = FILES["tools/accounts.py"], FILES["skills/desk.py"]

#: name → (file, its text or None for a file that is missing, line, part of the message)
BROKEN: dict[str, tuple[str, Any, int, str]] = {
    "no settings": (C, None, 1, "clearway init"),
    "no TOML": (C, "[project]\nname = acme\n", 2, "not TOML"),
    "open TOML": (C, '[project]\nname = "', 2, "not TOML"),
    "a key twice": (C, '[project]\nname = "a"\nname = "b"\n', 3, "not TOML"),
    "no UTF-8": (C, b'[project]\nname = "\xff"\n', 2, "Save it as UTF-8"),
    "too large": (C, "#" * 1_100_000, 1, "larger than"),
    "no name": (C, "[tenants]\nlist = ['acme']\n", 1, 'name = "acme-support"'),
    "bad name": (C, '[project]\nname = "A B"\n', 2, "small letters"),
    "unknown table": (C, TOML + "[user.eve]\n", 35, 'Did you mean "users"?'),
    "unknown key": (C, TOML.replace("name =", "nmae ="), 2, 'Did you mean "name"?'),
    "no table": (C, "environments = ['dev']\n" + TOML.replace("[environments]", "[x]"),
        1, "Write [environments] above"),
    "no environments": (C, TOML.replace('["dev", "prod"]', "[]"), 5, "is empty"),
    "an environment twice": (C, TOML.replace('["dev", "prod"]', '["dev", "dev"]'), 5, "dev twice"),
    "a slash in a tenant": (C, TOML.replace('"globex"]', '"glo/bex"]'), 8, "small letters"),
    "unknown tenant": (C, TOML.replace('tenant = "acme"', 'tenant = "amce"', 1), 11, 'Did you mean "acme"?'),
    "no tenant": (C, TOML.replace('tenant = "globex"\n', ""), 21, "has no tenant"),
    "unknown environment": (C, TOML.replace("prod = [\"support", "prdo = [\"support"), 12, 'Did you mean "prod"?'),
    "roles no list": (C, TOML.replace('prod = ["support"]', 'prod = "support"'), 12, 'Write prod = ["support"]'),
    "unknown group": (C, TOML.replace('groups = ["finance"]', 'groups = ["fiance"]'), 16, 'Did you mean "finance"?'),
    "groups of a service": (C, TOML.replace('"globex"\n', '"globex"\ngroups = ["finance"]\n'), 23, "approve nothing"),
    "bad user id": (C, TOML.replace("[users.bo]", '[users."Bo B"]'), 18, "well-formed"),
    "bad factors": (C, TOML.replace('"finance:2"', '"finance: many"'), 26, 'Write "finance:2, security:1"'),
    "factor of no group": (C, TOML.replace('"finance:2"', '"security:1"'), 26, "security"),
    "factor too large": (C, TOML.replace('"finance:2"', '"finance:3"'), 26, "which has 2"),
    "duties off in prod": (C, TOML.replace("dev = false", "prod = false"), 27, "in dev only"),
    "duties off": (C, TOML.replace("{ dev = false }", "false"), 27, "should be a table"),
    "limit without time": (C, TOML.replace(", per_s = 60 }", " }"), 30, "has no per_s"),
    "limit of nothing": (C, TOML.replace("count = 5", "count = 0"), 33, "at least 1"),
    "limit in words": (C, TOML.replace("count = 5", 'count = "5"'), 33, "an integer"),
    "limit yes": (C, TOML.replace("count = 5", "count = true"), 33, "an integer"),
    "limit for ever": (C, TOML.replace("per_s = 60\n", "per_s = inf\n"), 34, "over 0"),
    "limit of no tool": (C, TOML.replace("tools.refund", "tools.refnud"), 32, 'Did you mean "refund"?'),
    "limit of no skill": (C, TOML.replace("tools.refund", "skills.dsek"), 32, 'Did you mean "desk"?'),
    "wrong store": (C, TOML + '[store]\nurl = "mysql://x"\n', 36, "sqlite:///"),
    "store in memory": (C, TOML + '[store]\nurl = "sqlite:///:memory:"\n', 36, "a file"),
    "row security": (C, TOML + '[store]\nrow_security = "off"\n', 36, 'row_security = "require"'),
    "a member who is nobody": (O, OWNERS.replace('"bo", "dana"', '"bo", "dnaa"'), 5, 'Did you mean "dana"?'),
    "a group of one": (O, OWNERS.replace('"bo", "dana"', '"bo"'), 5, "at least 2 people"),
    "a second login of a second login": (C, TOML.replace('[users.bo]\n', '[users.bo]\nperson = "eve"\n')
        + '[users.eve]\ntenant = "acme"\nperson = "dana"\n', 19, "names a second login. Write person = \"dana\""),
    "an owner that is no group": (O, OWNERS.replace('routing = "leads"', 'routing = "laeds"'),
        9, 'Did you mean "leads"?'),
    "no policy owner": (O, OWNERS.replace('policy = "leads"\n', ""), 8, "policy owner"),
    "an owned skill that is none": (O, OWNERS.replace("skills.desk", "skills.dsek"), 14, 'Did you mean "desk"?'),
    "an escalation to nobody": (O, OWNERS.replace('escalation = "finance"', 'escalation = "x"'), 6, "group x"),
    "unknown key of an owner": (O, OWNERS.replace("approver = ", "aprover = "), 15, 'Did you mean "approver"?'),
    "ownership no TOML": (O, "[groups", 1, "not TOML"),
    "no Python": (A, "def f(:\n", 1, "SyntaxError"),
    "nul": (A, "x = 1\0\n", 1, "null bytes"),
    "an import that is not there": (A, "import json\nimport nowhere_at_all\n", 2, "ModuleNotFoundError"),
    "an exception": ("services/books.py", "BOOKS = {}\nBOOKS['x']\n", 2, "KeyError"),
    "an exit": (A, "import sys\n\nsys.exit(0)\n", 3, "SystemExit"),
    "a broken declaration": (A, TOOLS.replace("{account}", "{acount}", 1), 5, 'Did you mean "account"?'),
    "a tool that is none": (D, SKILL.replace('"refund"', '"refnud"'), 5, 'Did you mean "refund"?'),
    "a compensation that is none": (A, TOOLS.replace('"take_back"', '"tkae_back"'), 10, 'Did you mean "take_back"?'),
    "a tool twice": (M, "from clearway import tool\n@tool\ndef refund() -> None: ...\n", 2, "declared a second time"),
    "t29 a tool that looks like another": (
        M, "from clearway import tool\n@tool\ndef re_fund() -> None: ...\n",
        2, "can be taken for each other"),
    "a skill that is not async": (D, SKILL.replace("async ", "").replace("await ", ""), 5, "Write async def"),
    "a prompt twice": ("prompts/desk.txt", "x", 1, "two prompts"),
    "a policy that is no text": ("policies/main.cedar", b"\n\xff", 2, "UTF-8"),
}  # fmt: skip

PLACED = re.compile(r"[\w./-]+:[1-9][0-9]*: \S.*[.?)…]$")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_project_names_its_place_and_its_remedy(project: Write, name: str) -> None:
    file, text, line_number, part = BROKEN[name]
    start = f"{file}:{line_number}: "
    folder = project({file: text})
    with pytest.raises(ConfigError) as caught:
        load_project(folder, environ={})
    lines = str(caught.value).splitlines()
    assert any(line.startswith(start) and part in line for line in lines), lines
    assert all(PLACED.match(line) for line in lines), lines
    assert len(lines) == len(set(lines))
    assert "Traceback" not in str(caught.value)
    assert str(folder) not in str(caught.value)
    assert caught.value.file
    assert caught.value.line


def test_all_problems_are_told_at_once(project: Write) -> None:
    folder = project({
        "clearway.toml": TOML.replace("[approvals]", "[aprovals]"),
        "ownership.toml": OWNERS.replace("routing", "ruoting"),
        "tools/accounts.py": "import nowhere_at_all\n",
        "skills/desk.py": SKILL.replace("async ", "").replace("await ", ""),
    })  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        load_project(folder, environ={})
    files = {line.partition(":")[0] for line in str(caught.value).splitlines()}
    assert files == {"clearway.toml", "ownership.toml", "tools/accounts.py"}
    assert caught.value.file == "clearway.toml"


def test_t30_a_link_out_of_the_project_is_refused(project: Write, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.md"
    outside.write_text("secret")
    folder = project()
    (folder / "prompts" / "link.md").symlink_to(outside)
    with pytest.raises(ConfigError, match="leads out of the project"):
        load_project(folder, environ={})


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        load_project(tmp_path / "nowhere", environ={})
