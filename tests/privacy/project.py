"""A project whose tools are given everything, give it back, quote it in their errors, hang, and undo."""

from collections.abc import Mapping
from pathlib import Path

from tests.privacy.canaries import PATTERNS

FILES = {
    "clearway.toml": f"""\
[project]
name = "canary-desk"
[environments]
list = ["dev", "prod"]
[tenants]
list = ["acme", "globex"]
[privacy.patterns]
POLICY_NO = '{PATTERNS["POLICY_NO"]}'
[users.dana]
tenant = "acme"
roles = {{ dev = ["support"], prod = ["support"] }}
[users.amir]
tenant = "acme"
roles = {{ dev = ["operator", "approver"], prod = ["operator"] }}
groups = ["finance"]
[users.olga]
tenant = "acme"
roles = {{ dev = ["operator", "admin"], prod = ["operator", "admin"] }}
groups = ["finance"]
[users.gil]
tenant = "globex"
roles = {{ dev = ["support"] }}
[approvals]
grant_factors = "finance:1"
[limits]
tenant = {{ count = 100000, per_s = 1 }}
[limits.budgets]
tenant_day = {{ steps = 100000 }}
[server]
rate = {{ count = 100000, per_s = 1000 }}
""",
    "policies/main.cedar": """\
@id("agents") permit (principal is Agent, action, resource);
@id("reads") permit (principal in Role::"support", action == Action::"find_customer", resource);
@id("books") permit (principal in Role::"support", action == Action::"book", resource);
@id("undoes") permit (principal in Role::"support", action == Action::"unbook", resource);
@id("writes") permit (principal in Role::"support", action == Action::"silent", resource);
@id("hangs") permit (principal in Role::"support", action == Action::"hang", resource);
@id("breaks") permit (principal in Role::"support", action == Action::"broken", resource);
@id("charges") @obligation("require_approval") @approvers("finance") @escalate_to("finance")
permit (principal in Role::"support", action == Action::"charge", resource);
""",
    "policies/tests.yaml": "[]\n",
    "tools/desk.py": '''\
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

from clearway import Compensation, Idempotency, InDoubt, Rejected, Retry, Sensitive, tool

seen = vars(sys).setdefault("received_by_canary_tools", [])  # in memory, where the test finds it


@tool(impact="read", targets="customer:{customer}", owner="crm")
def find_customer(customer: str, about: str = "") -> dict:
    """What it returns has the fields of a person's record, and a text."""
    seen.append(about)
    return {"customer": customer, "record": {"email": about, "comment": about, "full_name": about[:40]}, "said": about}


@tool(impact="external", targets="customer:{customer}", owner="billing", summary="Charge {customer}: {note}",
      preview=lambda a: {"before": a["note"], a["note"][:60]: a["record"]},
      idempotency=Idempotency(business_key=lambda a: a["note"]))
def charge(customer: str, note: str, record: dict, secret_word: Annotated[str, Sensitive()],
           diagnosis: Annotated[str, Sensitive()] = "", salary: Annotated[float, Sensitive()] = 0.0) -> dict:
    seen.append(note)
    return {"charged": note, "record": record, "echo": f"{secret_word} {note}", "lines": [note, {note[:50]: 1}],
            "because": diagnosis, "of": [f"so: {diagnosis.upper()}", salary, f"earns {salary}", f"{salary:,}"]}


@tool(impact="external", targets="customer:{customer}", owner="billing",
      compensate=Compensation("unbook", lambda a, r: {"customer": a["customer"], "note": a["note"]}))
def book(customer: str, note: str) -> dict:
    return {"booked": note}


@tool(impact="external", targets="customer:{customer}", owner="billing")
def unbook(customer: str, note: str) -> dict:
    return {"unbooked": note}


@tool(impact="external", targets="customer:{customer}", owner="mail", retry=Retry(attempts=2, base_s=0.01))
def broken(customer: str, note: str, how: str) -> dict:
    seen.append(note)
    raise {
        "value": ValueError(note), "key": KeyError(note), "rejected": Rejected(note[:60]), "doubt": InDoubt(note[:60]),
        "group": ExceptionGroup(note, [OSError(note)]), "os": OSError(5, note, note),
    }[how]


@tool(impact="external", targets="customer:{customer}", owner="mail", timeout_s=0.1, retry=Retry(attempts=1))
async def silent(customer: str, note: str) -> dict:
    import asyncio
    await asyncio.sleep(30)
    return {}


@tool(impact="external", targets="customer:{customer}", owner="mail", timeout_s=60)
def hang(customer: str, note: str) -> dict:
    marker = Path(os.environ["CANARY_MARKER"])
    if not marker.exists():
        marker.write_text("hanging")
        os.write(int(os.environ["CANARY_PIPE"]), b"!")
        time.sleep(60)
    return {"note": note}
''',
    "skills/desk.py": """\
import logging

from clearway import skill

log = logging.getLogger("desk.of.the.project")
TOOLS = ["find_customer", "charge", "book", "unbook", "broken", "silent", "hang"]


@skill(tools=TOOLS, sensitive=["secret_word", "diagnosis", "salary"], examples=["Help a customer"], owner="desk")
async def desk(run, note: str, record: dict, secret_word: str, mode: str = "ok", customer: str = "c-1",
               diagnosis: str = "", salary: float = 0.0):
    log.warning("asked %s by %s", note, record, extra={"note": note, "record": record})
    found = await run.call("find_customer", customer=customer, about=note, reason=f"because {note}")
    if mode == "charge":
        return await run.call("charge", customer=customer, note=note, record=record, secret_word=secret_word,
                              diagnosis=diagnosis, salary=salary, reason=f"{note} said so, {diagnosis}, {salary}")
    if mode in ("value", "key", "rejected", "doubt", "group", "os"):
        await run.call("book", customer=customer, note=note)
        return await run.call("broken", customer=customer, note=f"{note} {mode}", how=mode, reason=note)
    if mode == "silent":
        return await run.call("silent", customer=customer, note=note)
    if mode == "hang":
        return await run.call("hang", customer=customer, note=note)
    if mode == "skill":
        log.error("bad", exc_info=ValueError(note))
        raise ValueError(note)
    if mode == "malformed":
        await run.propose("charge", customer=[note], note={"n": note}, record=note, secret_word=secret_word)
        await run.propose("charge", customer=customer, note=note, more=note)
        await run.propose(f"pay {note}"[:200], note=note)
        await run.propose("broken", customer=note, note=note, how=note)
    if mode == "sleep":
        await run.sleep(3600)
    return {"note": note, "record": record, "found": found, "secret_word": secret_word,
            "said": [note, diagnosis, salary]}
""",
}


def write_project(folder: Path, more: Mapping[str, str] | None = None, settings: str = "") -> Path:
    """`more`: further files; `settings`: what is added to clearway.toml."""
    files = {**FILES, **(more or {})}
    files["clearway.toml"] += settings
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder
