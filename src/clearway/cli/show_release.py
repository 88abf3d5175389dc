"""What people are shown of releases: what is in force, duties, differences, a rollback's plan, a canary's evidence."""

import math
from typing import Any

from clearway.cli.context import At
from clearway.cli.output import moment
from clearway.operate.operations import Json

#: So many digits of a digest tell releases apart in tables; every command takes them.
SHORT = 12


def show_pointer(at: At, found: Json) -> None:
    """What is in force, and what runs beside it."""
    if found["active"] is None:
        at.out.say("nothing was promoted here: runs follow the project's folder as it is")
        return
    at.out.say(f"in force: {found['active']}")
    at.out.fields(
        [
            ("since", f"{moment(found['moved_at'])} by {found['moved_by']}: {found['reason']}"),
            ("canary", found["canary"] and f"{found['canary']} ({found['canary_share']:.0%} of the requests)"),
            ("shadow", found["shadow"]),
        ]
    )


def show_moved(at: At, found: Json) -> None:
    """What is in force now, and what it was let through without: where signatures are asked for it would be refused."""
    show_pointer(at, found)
    if found.get("unsigned"):
        at.out.say("not signed, which this environment does not ask for; others refuse it until these have signed:")
        show_duties(at, found["unsigned"])


def show_duties(at: At, duties: list[Any]) -> None:
    """Who has to sign, and who has; nothing where nobody has to."""
    rows = [(d["duty"], d["group"] or "nobody", d["signed_by"] or "missing", "; ".join(d["why"][:3])) for d in duties]
    if rows:
        at.out.table(("duty", "group", "signed by", "because of"), rows)


def show_diff(at: At, found: Json) -> None:
    """What differs between two releases."""
    for change in found["changes"]:
        at.out.say(f"{change['kind']} {change['name']}: {change['change']}", style="bold")
        for text in (change.get("diff") or "").splitlines():
            at.out.say(f"  {text}")
        if "before" in change:
            at.out.fields([("before", change["before"]), ("after", change["after"])])
    if not found["changes"]:
        at.out.say("nothing differs")
    _show_policy(at, found["policy"])
    _show_replayed(at, found["replayed"])
    show_duties(at, found["duties"])
    if found["unsigned_widening"]:
        at.out.hint("its policies let more through, or may, and the policy owner has not signed")


def _show_policy(at: At, policy: Json) -> None:
    at.out.say(f"policies: {policy['answer']}" + (f" ({policy['why']})" if "why" in policy else ""), style="bold")
    for finding in policy.get("widenings", ()):
        request = finding["request"]
        targets = ", ".join(f"{t['kind']}:{t['id']}" for t in request["targets"])
        at.out.say(f"  {finding['action']} ({finding['impact']}): {finding['change'].replace('_', ' ')}")
        at.out.fields(
            [("for instance", request["arguments"]), ("targets", targets), ("environment", request["environment"])]
        )


def _show_replayed(at: At, replayed: Json | None) -> None:
    if replayed is None:
        return
    decisions, routes = replayed["decisions"], replayed["routes"]
    low, high = decisions["interval"]
    at.out.say(
        f"recorded calls: {decisions['changed']} of {decisions['calls']} decided otherwise "
        f"(95 %: {low:.1%} to {high:.1%}); approvals {decisions['approvals']['old']} → {decisions['approvals']['new']}",
        style="bold",
    )
    rows = [
        (line["run_id"], line["step"], line["tool"], line["old"]["verdict"], line["new"]["verdict"])
        for line in decisions["list"]
    ]
    if rows:
        at.out.table(("run", "step", "tool", "was", "would be"), rows)
    if "requests" not in routes:
        at.out.say(f"recorded requests: not routed again: {routes['skipped']}")
        return
    at.out.say(f"recorded requests: {routes['changed']} of {routes['requests']} routed otherwise", style="bold")
    moved = [(line["run_id"], line["old"] or "none", line["new"] or "none") for line in routes["list"]]
    if moved:
        at.out.table(("run", "was", "would be"), moved)


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


def short(digest: str | None) -> str:
    """A digest, as tables show it; empty for none."""
    return (digest or "").removeprefix("sha256:")[:SHORT]
