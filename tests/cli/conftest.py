"""A small project on a store of its own, and the command line over it, called in this process."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.cli.logs import CurrentStderr
from clearway.cli.main import main

FILES = {
    "clearway.toml": """\
[project]
name = "cli-desk"
[environments]
list = ["dev", "prod"]
[tenants]
list = ["acme", "globex"]
[users.dana]
tenant = "acme"
roles = { dev = ["support", "trainee"], prod = ["support"] }
[users.amir]
tenant = "acme"
roles = { dev = ["operator"], prod = ["operator"] }
groups = ["finance"]
[users.bo]
tenant = "acme"
groups = ["finance"]
[users.olga]
tenant = "acme"
roles = { dev = ["operator", "admin"], prod = ["operator", "admin"] }
groups = ["finance"]
[users.gil]
tenant = "globex"
roles = { dev = ["support"] }
[approvals]
grant_factors = "finance:1"
""",
    "policies/main.cedar": """\
@id("support-reads") permit (principal in Role::"support", action == Action::"read_account", resource);
@id("agents") permit (principal is Agent, action, resource);
@id("small-refunds") permit (principal in Role::"support", action == Action::"refund", resource)
  when { context.arguments.amount_minor <= 5000 };
@id("large-refunds") @obligation("require_approval") @approvers("finance")
permit (principal in Role::"support", action == Action::"refund", resource)
  when { context.arguments.amount_minor > 5000 && context.arguments.amount_minor <= 1000000 };
@id("support-posts") permit (principal in Role::"support", action == Action::"post", resource);
""",
    "policies/tests.yaml": """\
- name: a small refund goes through
  principal: {user: dana, environment: prod, agent: desk}
  tool: refund
  arguments: {account: "1", amount_minor: 100, memo: ""}
  expect: allow
  policies: [small-refunds, agents]
""",
    "tools/bank.py": """\
from clearway import InDoubt, Rejected, tool

@tool(impact="read", targets="account:{account}", owner="desk")
def read_account(account: str) -> dict:
    return {"account": account}

@tool(impact="external", targets="account:{account}", owner="billing",
      summary="Refund {amount_minor} to account {account}")
def refund(account: str, amount_minor: int, memo: str = "") -> dict:
    return {"refunded": amount_minor}

@tool(impact="external", targets="board:{board}", owner="desk")
def post(board: str) -> dict:
    if board == "silent":
        raise InDoubt("no_answer")
    raise Rejected("no_such_board")
""",
    "skills/desk.py": """\
from clearway import skill

@skill(tools=["read_account", "refund"], examples=["Refund 20 dollars to account 9182"], owner="desk")
async def desk(run, account: str, amount_minor: int, memo: str = ""):
    await run.call("read_account", account=account, reason="check")
    return await run.call("refund", account=account, amount_minor=amount_minor, memo=memo, reason=f"asked: {memo}")

@skill(tools=["post"], examples=["Post a notice on the board"], owner="desk")
async def notice(run, board: str):
    return await run.call("post", board=board, reason="asked")

@skill(tools=["read_account"], examples=["Remind me in an hour"], owner="desk")
async def remind(run):
    await run.sleep(3600)
""",
}
SMALL = ("run", "Refund it", "--skill", "desk", "--input", '{"account": "9182", "amount_minor": 2000}', "--as", "dana")
LARGE = (
    "run",
    "Refund it",
    "--skill",
    "desk",
    "--input",
    '{"account": "9182", "amount_minor": 240000}',
    "--as",
    "dana",
)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Its one JSON document. Fails where stdout holds anything else."""
        return json.loads(self.out)

    @property
    def data(self) -> Any:
        return self.document["data"]


Cli = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("PROJECT", "STORE_URL", "ENV", "KEY", "LOG", "LOG_LEVEL", "DEBUG", "SERVER"):
        monkeypatch.delenv(f"CLEARWAY_{name}", raising=False)
    level = logging.getLogger().level
    yield
    logger = logging.getLogger()
    logger.setLevel(level)
    for handler in [handler for handler in logger.handlers if isinstance(handler, CurrentStderr)]:
        logger.removeHandler(handler)


@pytest.fixture(scope="session")
def prepared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a migrated store without rows."""
    folder = tmp_path_factory.mktemp("cli") / "project"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    Clearway.open(folder).close()
    return folder


@pytest.fixture
def project(prepared_project: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(prepared_project, folder)
    return folder


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command as it is typed."""

    def call(*words: str) -> Ended:
        capsys.readouterr()
        code = main(words)
        written = capsys.readouterr()
        return Ended(code, written.out, written.err)

    return call


@pytest.fixture
def cli(bare: Cli, project: Path) -> Cli:
    """Runs a command on the project."""
    return lambda *words: bare("--project", str(project), *words)


@pytest.fixture
def waiting(cli: Cli) -> tuple[str, str]:
    """(run, approval) of a refund that waits for finance."""
    record = cli(*LARGE, "--json").data
    return record["run_id"], record["approvals"][0]["approval_id"]


@pytest.fixture
def digest(cli: Cli, waiting: tuple[str, str]) -> str:
    return cli("approvals", "show", waiting[1], "--json").data["presented_digest"]
