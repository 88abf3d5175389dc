"""`clearway release`: cut, look, compare, sign, put in force, and the one way back."""

import base64
import sys
from pathlib import Path
from typing import Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At, page_hint
from clearway.cli.output import moment
from clearway.cli.runs import Cursor, Limit, Reason
from clearway.cli.show_release import short, show_diff, show_duties, show_evidence, show_moved, show_plan, show_pointer
from clearway.model.errors import Invalid
from clearway.model.release import Fate

Ref = Annotated[str, typer.Argument(metavar="RELEASE", help="Its digest, or eight or more of its first digits.")]
Note = Annotated[str, typer.Option("--note", help="What this release changes; it is recorded.")]
BundleFile = Annotated[Path, typer.Argument(metavar="FILE", help="The bundle's file; - is standard input or output.")]


def declare(root: typer.Typer) -> None:
    group = group_of(root, "release", "Releases: cut, compare, sign, promote, canary, shadow, rollback, revoke.")
    for name, function in (
        ("cut", cut),
        ("list", list_),
        ("show", show),
        ("status", status),
        ("diff", diff),
        ("export", export),
        ("import", import_),
        ("sign", sign),
        ("promote", promote),
        ("canary", canary),
        ("shadow", shadow),
        ("rollback", rollback),
        ("revoke", revoke),
        ("reinstate", reinstate),
    ):
        command(group, name)(function)


def cut(at: At, note: Note) -> None:
    """Make a release of the project as it is: immutable, under one digest. The same project is the same release."""
    with at.operations(make=True) as ops:
        found = ops.cut_release(note)
    said = "cut" if found["new"] else "was cut before"
    at.out.emit("release", found, lambda: at.out.say(f"{found['digest']}: {said}"))
    at.out.hint(f"what it changes: {at.command('release', 'show', short(found['digest']))}")


def list_(at: At, limit: Limit = 50, cursor: Cursor = None) -> None:
    """List releases, newest first."""
    with at.operations() as ops:
        page = ops.releases(limit=limit, cursor=cursor)

    def show_page() -> None:
        rows = [
            (
                short(r["digest"]),
                r["in_force"] or ("revoked" if r["revoked"] else ""),
                moment(r["created_at"]),
                r["created_by"],
                r["note"],
            )
            for r in page["items"]
        ]
        at.out.table(("release", "state", "created", "by", "note"), rows)

    at.out.emit("releases", page, show_page)
    page_hint(at, page)


def show(at: At, release: Ref) -> None:
    """Show a release: what is in it, who has to sign it before it may follow the one in force, and who has."""
    with at.operations() as ops:
        found = ops.release_record(release)

    def show_it() -> None:
        at.out.say(found["digest"], style="bold")
        at.out.fields(
            [
                ("state", found["in_force"] or None),
                ("revoked", found["revoked"] and found["revoked"]["reason"]),
                ("created", f"{moment(found['created_at'])} by {found['created_by']}"),
                ("note", found["note"]),
                ("tools", ", ".join(found["tools"])),
                ("skills", ", ".join(found["skills"])),
                ("files", ", ".join(found["files"])),
            ]
        )
        show_duties(at, found["duties"])

    at.out.emit("release", found, show_it)


def status(at: At) -> None:
    """Show what is in force in this tenant and environment, and how it came to be."""
    with at.operations() as ops:
        found = ops.release_status()
        canary = ops.canary_record() if found["canary"] else {}

    def show_it() -> None:
        show_pointer(at, found)
        show_evidence(at, canary)
        rows = [
            (m["generation"], m["kind"], short(m["digest"]), short(m["canary"]), moment(m["at"]), m["by"], m["reason"])
            for m in found["moves"]
        ]
        at.out.table(("move", "kind", "release", "canary", "at", "by", "reason"), rows)

    at.out.emit("release_status", found, show_it)


def diff(
    at: At,
    new: Ref,
    old: Annotated[str | None, typer.Option("--against", metavar="RELEASE", help="Else the one in force.")] = None,
    replay_days: Annotated[
        float, typer.Option("--replay-days", min=0, help="Decide the recorded calls of so many days again; 0: none.")
    ] = 0.0,
) -> int:
    """Compare two releases: texts, what policy newly allows, what recorded traffic would do. Exits with 1 where
    something is not signed for."""
    with at.operations() as ops:
        found = ops.release_diff(new, against=old, replay_days=replay_days)
    at.out.emit("release_diff", found, lambda: show_diff(at, found))
    return 1 if found["unsigned_widening"] else 0


def export(at: At, release: Ref, file: BundleFile) -> None:
    """Write a release's bundle to one file: the same bytes wherever it was cut."""
    with at.operations() as ops:
        whole = base64.b64decode(ops.export_release(release)["bundle"])
    if str(file) == "-":
        sys.stdout.buffer.write(whole)
        return
    try:
        file.write_bytes(whole)
    except OSError as error:
        raise Invalid(
            f"The file cannot be written ({error.strerror}).", code="file", remedy="Name another file."
        ) from None
    at.out.emit("bundle", {"file": str(file), "bytes": len(whole)}, lambda: at.out.say(f"{file}: {len(whole)} bytes"))


def import_(at: At, file: BundleFile, note: Note) -> None:
    """Take in a bundle that was exported elsewhere. It is checked, stored, and not in force."""
    try:
        whole = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Invalid(
            f"The file cannot be read ({error.strerror}).", code="file", remedy="Name a bundle's file."
        ) from None
    with at.operations(make=True) as ops:
        found = ops.import_release(base64.b64encode(whole).decode(), note)
    at.out.emit("release", found, lambda: at.out.say(f"{found['digest']}: taken in"))


def sign(
    at: At,
    release: Ref,
    reason: Reason,
    duty: Annotated[
        str | None, typer.Option("--for", metavar="DUTY", help="policy, routing, incident, skill:NAME.")
    ] = None,
) -> None:
    """Sign what a release changes, for every duty that you have. The author's own signature never counts."""
    with at.operations() as ops:
        found = ops.sign_release(release, reason, duty=duty)

    def show_it() -> None:
        at.out.say(f"signed for {', '.join(found['signed'])}")
        show_duties(at, found["missing"])

    at.out.emit("release_signature", found, show_it)


def promote(at: At, release: Ref, reason: Reason) -> None:
    """Put a release in force for new requests here: outside of dev only with every signature that it needs."""
    with at.operations() as ops:
        found = ops.promote_release(release, reason)
    at.out.emit("release_status", found, lambda: show_moved(at, found))


def canary(
    at: At,
    release: Ref,
    reason: Reason,
    share: Annotated[float, typer.Option("--share", help="Of the requests, between 0 and 1.")] = 0.1,
    route_shift: Annotated[
        float, typer.Option("--route-shift", help="The share of requests that may be routed otherwise, as intended.")
    ] = 0.02,
    promote_after: Annotated[
        int | None, typer.Option("--promote-after", help="Promote by itself after so many requests without an alarm.")
    ] = None,
) -> None:
    """Give a share of the requests to a second release, guarded: it goes by itself where it does harm."""
    with at.operations() as ops:
        found = ops.canary_release(release, reason, share=share, route_shift=route_shift, promote_after=promote_after)
    at.out.emit("release_status", found, lambda: show_moved(at, found))


def shadow(at: At, release: Ref, reason: Reason) -> None:
    """Let a second release route and decide beside the live one, without effects; differences are recorded."""
    with at.operations() as ops:
        found = ops.shadow_release(release, reason)
    at.out.emit("release_status", found, lambda: show_pointer(at, found))


def rollback(
    at: At,
    reason: Reason,
    to: Annotated[str | None, typer.Option("--to", metavar="RELEASE", help="Else the one before.")] = None,
    runs: Annotated[
        Fate, typer.Option("--runs", help="What happens to the runs under way of the release that goes.")
    ] = "leave",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go and what would be void; 1 where it is refused.")
    ] = False,
) -> int:
    """The one way back: end a canary, else return to the release before. What waits under the bad one is void."""
    if dry_run:
        with at.operations() as ops:
            plan = ops.rollback_plan(to=to)
        at.out.emit("rollback_plan", plan, lambda: show_plan(at, plan))
        return 1 if plan["refused"] else 0
    with at.operations() as ops:
        found = ops.rollback_release(reason, to=to, runs=runs)

    def show_it() -> None:
        show_pointer(at, found)
        at.out.say(
            f"rolled back {short(found['rolled_back'])}: {found['approvals_voided']} approvals void, "
            f"{found['grants_revoked']} grants revoked, {len(found['runs'])} runs under way ({found['fate']})"
        )
        at.out.table(("run", "skill", "status"), [(r["run_id"], r["skill"], r["status"]) for r in found["runs"]])

    at.out.emit("release_rollback", found, show_it)
    return 0


def revoke(at: At, release: Ref, reason: Reason) -> None:
    """Never promote or roll back to a release again."""
    with at.operations() as ops:
        found = ops.revoke_release(release, reason)
    at.out.emit("release", found, lambda: at.out.say(f"{found['digest']}: revoked"))


def reinstate(at: At, release: Ref, reason: Reason) -> None:
    """Ask, or as the second person agree, to have a revoked release back."""
    with at.operations() as ops:
        found = ops.reinstate_release(release, reason)
    said = "still revoked; a second person has to reinstate it too" if found["revoked"] else "reinstated"
    at.out.emit("release", found, lambda: at.out.say(f"{found['digest']}: {said}"))
