"""What is told of releases before and while one moves: a rollback's plan, and a canary's evidence."""

import math

from clearway.cli.context import At
from clearway.operate.operations import Json


def show_plan(at: At, plan: Json) -> None:
    """What a rollback would do, for people."""
    if plan["refused"]:
        at.out.say(f"refused: {plan['refused']['message']} {plan['refused']['remedy']}".strip())
        return
    counts = plan["counts"]
    at.out.fields(
        [
            ("goes", f"{plan['from']['digest']} ({plan['from']['note']})"),
            ("in force then", f"{plan['to']['digest']} ({plan['to']['note']})"),
            ("approvals void", str(counts["approvals"])),
            ("grants revoked", str(counts["grants"])),
            ("runs under way", str(counts["runs"])),
            ("held for", plan["held_for"] and f"{plan['held_for']}, with --runs hold"),
        ]
    )
    if plan["runs"]:
        at.out.table(("run", "skill", "status"), [(run["run_id"], run["skill"], run["status"]) for run in plan["runs"]])


def show_evidence(at: At, canary: Json) -> None:
    """The evidence of a canary's guard, as e-values against the threshold; nothing where none runs."""
    if not canary.get("measures"):
        return
    rows = [
        (
            one["name"],
            str(one["compared"]),
            str(one["canary"]),
            "" if one["control"] is None else str(one["control"]),
            f"{math.exp(one['log_e']):.3g}",
        )
        for one in canary["measures"]
    ]
    at.out.say(f"evidence against the canary; it ends at an e-value of {math.exp(canary['enough']):.3g}", style="bold")
    at.out.table(("measure", "compared", "canary", "control", "e-value"), rows)
