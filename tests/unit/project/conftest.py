"""A small project that loads, to be broken in one place at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest

FILES = {
    "clearway.toml": """\
[project]
name = "acme-support"

[environments]
list = ["dev", "prod"]

[tenants]
list = ["acme", "globex"]

[users.dana]
tenant = "acme"
roles = { dev = ["support"], prod = ["support"] }

[users.amir]
tenant = "acme"
groups = ["finance"]

[users.bo]
tenant = "acme"

[services.nightly]
tenant = "globex"
roles = { prod = ["batch"] }

[approvals]
grant_factors = "finance:2"
separation_of_duties = { dev = false }

[limits]
system = { count = 100, per_s = 60 }

[limits.tools.refund]
count = 5
per_s = 60
""",
    "ownership.toml": """\
[groups.finance]
members = ["amir", "bo"]

[groups.leads]
members = ["bo", "dana"]
escalation = "finance"

[owners]
routing = "leads"
policy = "leads"
incident = "leads"
skill_approver = "leads"

[owners.skills.desk]
approver = "finance"
""",
    "services/books.py": "BOOKS = {'9182': 5}\n",
    "tools/accounts.py": """\
from clearway import Compensation, tool
from services.books import BOOKS


@tool(impact="read", targets="account:{account}")
def read_account(account: str) -> int:
    return BOOKS[account]


@tool(targets="account:{account}", compensate=Compensation("take_back", lambda arguments, result: arguments))
def refund(account: str, amount_minor: int, currency: str = "USD") -> None: ...


@tool(targets="account:{account}")
def take_back(account: str, amount_minor: int, currency: str = "USD") -> None: ...
""",
    "skills/desk.py": """\
from clearway import skill
from tools.accounts import read_account


@skill(tools=[read_account, "refund"])
async def desk(run, account: str):
    return await run.call(read_account, account=account)
""",
    "policies/main.cedar": "permit (principal, action, resource);\n",
    "policies/tests.yaml": """\
- name: reading
  principal: {user: dana, environment: dev, agent: desk}
  tool: read_account
  arguments: {account: "9182"}
  expect: allow
""",
    "prompts/desk.md": "You are the desk.\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """`project({file: text or None}, …)` writes the project with these files instead, and returns its folder."""

    def write(changes: dict[str, str | bytes | None] | None = None) -> Path:
        for name, text in {**FILES, **(changes or {})}.items():
            if text is None:
                continue
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write
