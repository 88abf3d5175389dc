"""`clearway privacy reveal | erase | retention | rotate | dataset`; `scan` and `explain` are in `privacy_scan`."""

from pathlib import Path
from typing import Annotated

import typer

from clearway.cli import privacy_scan
from clearway.cli.command import command, group_of
from clearway.cli.context import At
from clearway.model.errors import Invalid


def declare(root: typer.Typer) -> None:
    privacy = group_of(root, "privacy", "Personal data: what is found, who may see it, and how it goes.")
    command(privacy, "reveal")(reveal)
    command(privacy, "erase")(erase)
    command(privacy, "retention")(retention)
    command(privacy, "rotate")(rotate)
    command(privacy, "dataset")(dataset)
    privacy_scan.declare(privacy)


def reveal(
    at: At,
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="As it is shown: '<CARD:1…>', in quotes.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded with your name.")],
) -> None:
    """Show the value behind a token. Every opening is recorded."""
    with at.operations() as ops:
        found = ops.reveal(token, reason)
    at.out.emit("revealed", found, lambda: at.out.say(found["value"]))


def erase(
    at: At,
    subject: Annotated[str, typer.Option("--subject", help="The person, by the id that tools and requests name.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded with your name.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
) -> int:
    """Make everything of a person unreadable, for good: their tokens and every sealed copy."""
    with at.operations() as ops:
        done = ops.erase(subject, reason, dry_run=dry_run)
    verb = "would be erased" if dry_run else "erased"
    at.out.emit(
        "erasure",
        done,
        lambda: at.out.say(
            f"{verb}: {done['values']} values, {done['keys']} keys of the person, sealed copies of {done['runs']} "
            f"runs; {done['kept_with_others']} values that others share stay with them"
        ),
    )
    if not any(done[name] for name in ("values", "keys", "runs")):
        at.out.hint("nothing is stored here about a person of that id")
    if done["under_way"]:
        at.out.hint(f"under way, so nothing can be erased yet: {', '.join(done['under_way'])}")
        return 1
    return 0


def retention(at: At, dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False) -> None:
    """Remove what the rules of retention no longer keep; a worker does so every hour."""
    with at.operations() as ops:
        done = ops.apply_retention(dry_run=dry_run)
    rows = [(kind, f"{done['days'][kind]:g}", str(count)) for kind, count in done["counts"].items()]
    column = "would go" if dry_run else "removed"
    at.out.emit("retention", done, lambda: at.out.table(("kind", "kept for days", column), rows))
    if not rows:
        at.out.hint("no kind of data has a retention; see [retention] in clearway.toml")


def rotate(
    at: At,
    purpose: Annotated[
        str, typer.Option("--key", help="seal: what wraps data keys. token: what tokens are made with.")
    ] = "seal",
    only_rewrap: Annotated[
        bool, typer.Option("--only-rewrap", help="Make no new key; go on with a rotation that broke off.")
    ] = False,
) -> None:
    """Make a new key, and renew under it what the old one was used for, in every tenant."""
    if purpose not in ("seal", "token"):
        raise Invalid("There is no such key.", code="kind", remedy="Use --key seal or --key token.")
    with at.operations() as ops:
        done = ops.rotate_keys(purpose, only_rewrap=only_rewrap)
    at.out.emit("rotation", done, lambda: at.out.say(f"{done['key_id'] or purpose}: {done['renewed']} renewed"))
    at.out.hint("copy the keyring to every machine that shares the store; keep the old keys in it")


def dataset(
    at: At,
    out: Annotated[Path, typer.Option("--out", help="The file to write, a new one.")],
    days: Annotated[float | None, typer.Option("--days", help="Only runs of so many last days.")] = None,
    skill: Annotated[str | None, typer.Option("--skill", help="Only runs of this skill.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="Only runs that ended so.")] = None,
) -> None:
    """Write recorded runs as sanitized JSON lines, for evaluation. The file is yours: no retention and no erasure of
    this store reaches it."""
    from clearway.model.run import RunStatus

    final = [one.value for one in RunStatus if one.is_final]
    if status is not None and status not in final:
        raise Invalid("No run ends so.", code="status", remedy=f"Use one of: {', '.join(final)}.")
    at.check_local()
    with at.open() as app:
        wanted = RunStatus(status) if status else None
        done = app.datasets.write(at.caller(app).caller, out, days=days, skill=skill, status=wanted)
    at.out.emit("dataset", done, lambda: at.out.say(f"{done['cases']} cases; {done['digest']}"))
    if done["left_out"]:
        at.out.hint(f"left out: {done['left_out']} runs that were erased, or are too large for a line")
