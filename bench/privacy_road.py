"""What redaction and the vault add to a governed step: µs and commits, on the road as it is.

Three runs take the same calls, on one store: one whose masker finds nothing, one that finds and replaces but files
nothing, and one that does all. Which is first changes from step to step. A run has `STEPS` calls of each kind: a read
of a person's record and an effect, each about another customer, with a support desk's payload of about one kilobyte,
and a read as large that tells of nobody (`plain_read`); then the next three runs begin, with empty memories. Medians;
the tools do nothing. `cpu`: of the whole process, which a busy machine disturbs less. `share`: of the processor time of
the step without redaction, what redaction adds, as the median over steps that were taken right after each other.
"""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import clearway
from bench.databases import commits, databases, empty_log
from clearway.adapters.cedar.policies import PolicyFile
from clearway.adapters.cedar.policy import CedarPolicy
from clearway.app import Clearway
from clearway.model.action import ToolCall
from clearway.model.identity import Scope
from clearway.model.outcome import Done
from clearway.model.run_ref import RunRef
from clearway.project.principals import DeclaredPrincipal
from clearway.project.project import Project
from clearway.project.settings import Settings
from clearway.rules.find import Finder, RunMemory
from clearway.rules.redact import Masker, Redaction
from clearway.runtime.carry import Carry
from clearway.runtime.passes import begin_pass
from clearway.runtime.run_api import RunContext
from clearway.runtime.vault import Filed, RunVault, Vaults

STEPS, ROUNDS = 20, 12
_KINDS = {"look": "read", "stock": "plain_read", "write": "effect"}
_SCOPE = Scope("acme", "dev")
_POLICY = """
@id("agents") permit(principal is Agent, action, resource);
@id("support") permit(principal in Role::"support", action, resource);
"""
_GIVEN = ("Maria", "Noah", "Yusuf", "Chen", "Amara", "Lucas", "Ingrid", "Mateo", "Priya", "Omar")
_FAMILY = ("Quill", "Okafor", "Lindqvist", "Garcia", "Novak", "Tanaka", "Haddad", "Moreau", "Silva", "Brandt")


def _customer(number: int) -> dict[str, Any]:
    given, family = _GIVEN[number % 10], _FAMILY[number // 10 % 10]
    name, mail = f"{given} {family}", f"{given}.{family}{number}@example.com".lower()
    return {
        "customer": f"cus_{number}",
        "name": name,
        "email": mail,
        # Not 555-01xx: those are nobody's, and taken for stand-ins.
        "phone": f"+1212556{number % 10000:04}",
        "address": {"street": f"{100 + number} Harbour Road", "city": "Springfield", "zip": f"{62000 + number % 900}"},
        "orders": [{"id": f"ord_{number}_{item}", "total_minor": 1000 + item, "state": "shipped"} for item in range(4)],
        "notes": [
            f"Customer {name} wrote on Monday about the parcel that had not arrived at {100 + number} Harbour Road.",
            f"Asked to be called back; if nobody answers, write to {mail} instead. Second reminder was sent.",
            "Prefers morning deliveries. The parcel was scanned in the depot and then went missing for two days.",
        ],
    }


@clearway.tool(impact="read", targets="customer:{customer}")
async def look(customer: str, number: int) -> dict[str, Any]:
    return _customer(number)


@clearway.tool(impact="read", targets="warehouse:{warehouse}")
async def stock(warehouse: str, number: int) -> dict[str, Any]:
    return {
        "warehouse": warehouse,
        "counted_at": f"2026-03-{1 + number % 28:02}T05:37:57",
        "items": [
            {"sku": f"LAMP-{number + item}", "title": "Desk lamp, brushed steel", "left": item, "price_minor": 4990}
            for item in range(8)
        ],
        "notes": [
            f"Shelf {number} was counted twice, since the scanner had lost its connection during the first round.",
            "Two cartons are damaged and wait for the carrier; the others are ready to be sent tomorrow morning.",
        ],
    }


@clearway.tool(impact="external", targets="customer:{customer}", sensitive=["email"])
async def write(customer: str, email: str, body: str) -> dict[str, Any]:
    return {"sent": True, "to": email}


@clearway.skill(tools=[look, stock, write], max_steps=1_000_000, deadline_s=3600.0)
async def desk(run: RunContext) -> None: ...


class _Blind(Finder):
    """Finds nothing."""

    def tokenize(self, value: Any, memory: RunMemory, token: Any, declared: Any = ()) -> Any:
        return value

    def learn(self, value: Any, memory: RunMemory, declared: Any = ()) -> None:
        return None


class _AllFiled(Filed):
    """Knows everything to be filed."""

    def has(self, scope: Scope, key_id: str, token: str, now: float) -> bool:
        return True


def run() -> dict[str, float]:
    figures: dict[str, float] = {}
    with databases() as found:
        for kind, url, folder in found:
            figures |= {f"{kind}_{name}": value for name, value in _measure(url, folder).items()}
    return figures


def _measure(url: str, folder: Path) -> dict[str, float]:
    tools = {"look": look.spec, "stock": stock.spec, "write": write.spec}
    skills = {"desk": desk.spec}
    people = {"dana": DeclaredPrincipal("user", "dana", "acme", {"dev": frozenset({"support"})})}
    project = Project(
        folder, Settings("bench", url, ("dev",), ("acme",), folder / "keyring.json"), tools, skills, users=people
    )
    policy = CedarPolicy(tools, skills, ["dev"], [PolicyFile("bench.cedar", _POLICY)])
    with Clearway(project, policy=policy) as app:
        return asyncio.run(_compare(app, url))


async def _carry(app: Clearway, how: str) -> Carry:
    run_id = str(app.acting("dana").start("go", skill="desk")["run_id"])
    loaded = app.store.write(_SCOPE, lambda tx: begin_pass(tx, run_id, "bench"))
    assert loaded is not None
    at = await app.workflow.loader.load(RunRef("acme", "dev", run_id), loaded)
    assert isinstance(at, Carry)
    if how != "whole":
        redaction = app.vaults.redaction
        finder = _Blind() if how == "blind" else redaction.finder("acme")
        at.masker = Masker((), lambda value, kind: app.sealer.token(value, kind, _SCOPE), finder)
        vaults = Vaults(Redaction(app.sealer, finder), _AllFiled())
        at.vault = RunVault(vaults, _SCOPE, run_id, at.masker, at.vault.key)
    return at


async def _compare(app: Clearway, url: str) -> dict[str, float]:
    number = iter(range(1, 10_000_000))
    samples: dict[str, list[float]] = {}
    counted: dict[str, float] = {}
    for round_number in range(ROUNDS + 1):
        runs = {how: await _carry(app, how) for how in ("blind", "found", "whole")}
        for step in range(STEPS):
            customer = next(number)
            for how in (*list(runs)[step % 3 :], *list(runs)[: step % 3]):
                at = runs[how]
                for tool in _KINDS:
                    call = ToolCall(tool, _arguments(tool, customer), f"{tool}{step}", "the customer asked for it")
                    if round_number == 0 and step > 1 and how == "whole":
                        empty_log(url)
                        before = commits(url)
                    begun, worked = time.perf_counter_ns(), time.process_time_ns()
                    outcome = await app.workflow.gate.propose(at, call)
                    took, busy = time.perf_counter_ns() - begun, time.process_time_ns() - worked
                    assert isinstance(outcome, Done), outcome
                    if round_number == 0 and step > 1 and how == "whole":
                        counted[tool] = counted.get(tool, 0) + (commits(url) - before) / (STEPS - 2)
                    elif round_number:
                        name = f"{_KINDS[tool]}_{how}"
                        samples.setdefault(f"{name}_us", []).append(took / 1000)
                        samples.setdefault(f"{name}_cpu_us", []).append(busy / 1000)
    figures = {name: statistics.median(times) for name, times in samples.items()}
    for tool, kind in _KINDS.items():
        figures[f"{kind}_added_by_finding_us"] = _added(samples, kind, "found")
        figures[f"{kind}_added_in_all_us"] = _added(samples, kind, "whole")
        figures[f"{kind}_share"] = figures[f"{kind}_added_in_all_us"] / figures[f"{kind}_blind_cpu_us"]
        figures[f"commits_per_{kind}"] = counted[tool]
    return figures


def _added(samples: dict[str, list[float]], kind: str, how: str) -> float:
    """Processor time beyond that of the same step, just before or after, without redaction: a machine that is busy with
    other things is so for both."""
    pairs = zip(samples[f"{kind}_{how}_cpu_us"], samples[f"{kind}_blind_cpu_us"], strict=True)
    return statistics.median(more - less for more, less in pairs)


def _arguments(tool: str, number: int) -> dict[str, Any]:
    if tool == "look":
        return {"customer": f"cus_{number}", "number": number}
    if tool == "stock":
        return {"warehouse": f"wh_{number % 7}", "number": number}
    customer = _customer(number)
    body = f"Dear {customer['name']}, your parcel to {customer['address']['street']} will arrive tomorrow morning."
    return {"customer": customer["customer"], "email": customer["email"], "body": body}


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name}: {value:.3f}" if value < 10 else f"{name}: {value:.0f}")
