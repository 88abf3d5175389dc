"""A campaign's figures, as a table, as JSON and as the page of the documentation. Nothing here is rounded up."""

import os
import platform
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clearway.model.ledger import LedgerState
from tests.crash.campaign import Plan, Result
from tests.crash.verdict import CHECKS, Violation, effects

PAGE = """# Crash results

What `make crash` printed. It starts runs through the API, approves what is held as another user, kills workers with
`SIGKILL` while they work, starts new ones, lets everything come to rest, and compares Clearway's books with those of
the billing services, which are processes with ledgers of their own. Half of the kills are meant for named boundaries
(both sides of the commit of each write, and inside of a tool, before and after its request is sent), the others for
random moments; a worker that does not get to its boundary within 4 s is killed where it is, which counts as random.
Reproduce it with:

    {command}

A seed fixes which kills are made where and the moments of the random ones; the interleaving is the machine's, so
numbers of runs and of doubts differ from one time to the next.

{table}

What the rows mean:

- *Lost run*: a run whose start was acknowledged and which neither ended nor waits for people to resolve a doubt.
- *Duplicate effect*: an idempotency key, or a step of a run, with more than one charge in billing's ledger. One of the
  two billing services ignores keys, so that it would show every effect that was sent twice.
- *Effect without approval*: a charge that needed one, without a consumed approval of the same action by another person.
- *Audit gap*: a broken chain, or a charge without its intent or its outcome in the log.
- *Unknown outside the send window*: an effect that came into doubt though no kill fell between the commit of its
  intent and that of its result.
- *Ledger and billing differ*: an effect recorded as done and not charged, or charged and not recorded as done.

Effects that came into doubt were resolved by a resend under the same key, where the other side honours keys, by a
lookup, or, for the tool that declares neither, by a person who looked into billing's ledger; then the run went on.
Where a resend was absorbed by the other side, billing counts one request more than charges.

What kills cannot show is a worker that is frozen inside of a tool, after the gate's last look and before the request
leaves, for longer than its lease, and that wakes later. Where the other side honours idempotency keys, its late request
is absorbed; where only a lookup stands behind the tool, nothing on this side can stop it.
`test_t23_…` in `tests/crash/test_concurrency.py` freezes workers on both sides of the send.

## Kills by boundary

{boundaries}
"""


@dataclass(frozen=True)
class Figures:
    """`rows`: label → figure, in order."""

    database: str
    plan: Plan
    rows: dict[str, Any]
    hows: Counter[str]
    violations: list[Violation]


def figures_of(database: str, plan: Plan, result: Result) -> Figures:
    evidence = result.evidence
    statuses = Counter(run.status.value for run in evidence.runs.values())
    doubts = [event for event in evidence.events if event.kind == "action.in_doubt"]
    lookups = [event for event in evidence.events if event.kind == "action.reconciled"]
    found = Counter(violation.check for violation in result.violations)
    done = [entry for entry in effects(evidence) if entry.state is LedgerState.SUCCEEDED]
    absorbed = sum(request.duplicate for request in evidence.keyed_requests)
    rows: dict[str, Any] = {
        "Kills": sum(result.hows.values()),
        "… at named boundaries": sum(result.hows.values()) - result.hows["random"],
        "… at random moments": result.hows["random"],
        "… that left an effect between intent and result": sum(bool(window.left) for window in evidence.windows),
        "Seed": plan.seed,
        "Workers": plan.workers,
        "Runs acknowledged": len(evidence.acknowledged),
        "… that ended": sum(run.status.is_final for run in evidence.runs.values()),
        "… that failed, since an effect certainly did not happen": statuses["failed"],
        "Effects recorded as done": len(done),
        "Charges in billing's ledgers": len(evidence.charges),
        "… that needed an approval": sum(entry.tool == "held_charge" for entry in done),
        "Times an effect came into doubt": len(doubts),
        "… resends absorbed by the other side": absorbed,
        "… answered by a lookup": len(lookups),
        "… left to people, then resolved": result.for_people,
        "Events in the audit log": len(evidence.events),
        "Audit log": evidence.audit_status,
        "Duration": f"{result.duration_s:.0f} s",
        **{check.capitalize(): found[check] for check in CHECKS},
    }
    return Figures(database, plan, rows, result.hows, result.violations)


def as_table(figures: Figures) -> str:
    width = max(map(len, figures.rows))
    lines = [f"  {label:<{width}}  {value}" for label, value in figures.rows.items()]
    verdict = "VIOLATED" if figures.violations else "every promise was kept"
    return "\n".join([f"{figures.database}, {machine()}", *lines, f"  {verdict}"])


def as_json(figures: Figures) -> dict[str, Any]:
    return {
        "database": figures.database,
        "machine": machine(),
        "figures": figures.rows,
        "kills": dict(figures.hows),
        "violations": [{"check": each.check, "what": each.what} for each in figures.violations],
    }


def as_markdown(all_figures: list[Figures]) -> str:
    heads = [each.database.replace("sqlite", "SQLite").replace("postgres", "Postgres") for each in all_figures]
    lines = ["|  | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    lines += [
        f"| {label} | " + " | ".join(str(each.rows[label]) for each in all_figures) + " |"
        for label in all_figures[0].rows
    ]
    lines += ["", f"Machine: {machine()}. Date: {datetime.now(UTC):%Y-%m-%d}."]
    names = sorted(set[str]().union(*(each.hows for each in all_figures)) - {"random"})
    boundaries = ["| boundary | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    boundaries += [
        f"| {name} | " + " | ".join(str(each.hows[name]) for each in all_figures) + " |" for name in [*names, "random"]
    ]
    plan = all_figures[0].plan
    database = "both" if len(all_figures) == 2 else all_figures[0].database
    command = f"python -m tests.crash.run --kills {plan.kills} --seed {plan.seed} --database {database}"
    return PAGE.format(command=command, table="\n".join(lines), boundaries="\n".join(boundaries))


def machine() -> str:
    """What it ran on, such as "2 cores, Debian 12, Python 3.11"."""
    try:
        release = platform.freedesktop_os_release()
        system = f"{release['NAME'].split()[0]} {release.get('VERSION_ID', '')}".strip()
    except OSError:
        system = platform.system()
    major, minor, _ = platform.python_version_tuple()
    return f"{os.cpu_count()} cores, {system}, Python {major}.{minor}"
