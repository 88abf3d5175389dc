"""A small project for releases on the road: two skills, a tool with an effect, policies and keywords to edit."""

from pathlib import Path

FILES = {
    "clearway.toml": """\
[project]
name = "released-desk"
[environments]
list = ["dev", "prod"]
[tenants]
list = ["acme"]
[users.dana]
tenant = "acme"
roles = { dev = ["support"] }
groups = ["owners"]
[users.olga]
tenant = "acme"
roles = { dev = ["operator"] }
groups = ["owners"]
[users.amir]
tenant = "acme"
groups = ["finance"]
[users.bo]
tenant = "acme"
groups = ["finance"]
[routing]
routers = ["rules"]
[routing.keywords]
refunds = ["refund"]
questions = ["question"]
""",
    "ownership.toml": """\
[groups.owners]
members = ["dana", "olga"]
[groups.finance]
members = ["amir", "bo"]
[owners]
routing = "owners"
policy = "owners"
incident = "owners"
skill_approver = "owners"
""",
    "policies/main.cedar": """\
@id("agents") permit (principal is Agent, action, resource);
@id("support") permit (principal in Role::"support", action, resource);
""",
    "tools/desk.py": """\
from clearway import Impact, tool


@tool(impact=Impact.READ, targets=lambda arguments: ["account:" + arguments["account"]])
def look(account: str) -> dict[str, str]:
    "Reads an account."
    return {"account": account}


@tool(impact=Impact.EXTERNAL, targets=lambda arguments: ["account:" + arguments["account"]])
def refund(account: str, amount_minor: int) -> dict[str, int]:
    "Refunds."
    return {"amount_minor": amount_minor}
""",
    "skills/desk.py": """\
from clearway import Run, skill

from tools.desk import look, refund


@skill(tools=[refund])
async def refunds(run: Run, account: str = "a1") -> object:
    "Refunds money."
    return await run.call(refund, account=account, amount_minor=500)


@skill(tools=[look])
async def questions(run: Run, account: str = "a1") -> object:
    "Answers questions."
    return await run.call(look, account=account)
""",
}
HOLD = """
@id("big") @obligation("require_approval") @approvers("finance")
permit (principal in Role::"support", action == Action::"refund", resource);
"""
DENY = """
@id("nobody") forbid (principal, action == Action::"refund", resource);
"""


def write(folder: Path, **changed: str) -> Path:
    for name, text in {**FILES, **changed}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
