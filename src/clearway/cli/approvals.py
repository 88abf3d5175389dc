"""`clearway approvals list | show | approve | reject | edit`."""

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At, Place, page_hint
from clearway.cli.output import moment
from clearway.cli.runs import Cursor, Limit, Wait, follow_or_say
from clearway.cli.show_approval import next_commands, show_approval
from clearway.cli.show_run import vote_line
from clearway.cli.values import json_object
from clearway.model.errors import Conflict, Denied, Invalid
from clearway.operate.operations import Json

if TYPE_CHECKING:
    from clearway.operate.operations import Operations

#: So many hex digits of the presented digest have to be given, at least.
LEAST_DIGEST_CHARS = 12

Id = Annotated[str, typer.Argument(metavar="APPROVAL", help="The approval's id.")]
Digest = Annotated[
    str | None,
    typer.Option(
        "--digest", help=f"The presented digest that you saw, or its first {LEAST_DIGEST_CHARS} or more hex digits."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; needs --digest.")]
Comment = Annotated[str, typer.Option("--comment", help="Why; it is recorded and shown.")]


def declare(root: typer.Typer) -> None:
    group = group_of(root, "approvals", "Approvals: list, look, decide.")
    command(group, "list")(list_)
    command(group, "show")(show)
    command(group, "approve")(approve)
    command(group, "reject")(reject)
    command(group, "edit")(edit)
    command(group, "endorse")(vouch)


def list_(
    at: At,
    state: Annotated[str, typer.Option("--state", help="pending, approved, rejected, …, or all.")] = "pending",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List approvals, newest first."""
    with at.operations() as ops:
        page = ops.approvals(state=state, limit=limit, cursor=cursor)
        # Who decided is for people only: a program reads it in `approvals show`.
        shown = [] if at.out.as_json else [ops.approval(a["approval_id"])["votes"] for a in page["items"]]
    at.out.emit(
        "approvals",
        page,
        lambda: at.out.table(
            ("approval", "state", "what", "impact", "asked by", "until", "note", "votes"),
            [
                (
                    a["approval_id"],
                    a["state"],
                    a["summary"],
                    a["impact"],
                    a["requester"],
                    moment(a["expires_at"]),
                    a["note"],
                    "; ".join(map(vote_line, votes)),
                )
                for a, votes in zip(page["items"], shown, strict=True)
            ],
        ),
    )
    page_hint(at, page, "approvals", "list", ("--state", state), ("--limit", str(limit)))


def show(at: At, approval_id: Id) -> None:
    """Show all that has to be seen before deciding."""
    with at.operations() as ops:
        approval = ops.approval(approval_id)
    at.out.emit("approval", approval, lambda: show_approval(at, approval))
    next_commands(at, approval)


def approve(
    at: At,
    approval_id: Id,
    digest: Digest = None,
    comment: Comment = "",
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Stand in for all groups: needs the role and a comment.")
    ] = False,
    endorse: Annotated[
        list[str] | None,
        typer.Option("--endorse", metavar="NAME", help="Vouch for this argument's value in this run too. Repeatable."),
    ] = None,
    yes: Yes = False,
    wait: Wait = 0.0,
) -> int:
    """Approve, once for you. On a terminal it is shown and asked first; elsewhere --digest says what you were shown."""
    with at.desk() as app:
        ops = at.caller(app)
        seen = _seen(at, ops, approval_id, digest, yes, "Approve this?")
        for name in endorse or []:
            ops.endorse(approval_id, name, presented_digest=seen, comment=comment)
        decided = ops.approve(approval_id, presented_digest=seen, comment=comment, break_glass=break_glass)
        return _end(at, app, ops, decided, wait)


def vouch(
    at: At,
    approval_id: Id,
    argument: Annotated[list[str], typer.Option("--argument", metavar="NAME", help="Whose value. Repeatable.")],
    digest: Digest = None,
    for_user: Annotated[
        bool, typer.Option("--for-user", help="In all runs for the same user, not in this run only.")
    ] = False,
    ttl: Annotated[
        float | None,
        typer.Option("--ttl", metavar="SECONDS", help="How long it holds; 7 days for a run, a day for a user."),
    ] = None,
    comment: Comment = "",
    yes: Yes = False,
) -> None:
    """Vouch for the value of an argument that came from an untrusted source. It approves nothing by itself."""
    with at.operations() as ops:
        seen = _seen(at, ops, approval_id, digest, yes, f"Vouch for {', '.join(argument)}?")
        given = [
            ops.endorse(
                approval_id,
                name,
                presented_digest=seen,
                for_user=for_user,
                ttl_s=ttl,
                comment=comment,
            )
            for name in argument
        ]

    def show() -> None:
        for one in given:
            where = f"run {one['run_id']}" if one["run_id"] else f"all runs for {one['user']}"
            at.out.say(f"{one['endorsement_id']}: {one['argument']}, in {where}, until {one['expires_at']}")

    at.out.emit("endorsements", {"items": given, "next": None}, show)


def reject(at: At, approval_id: Id, comment: Comment, digest: Digest = None, yes: Yes = False, wait: Wait = 0.0) -> int:
    """Reject, which ends it for good."""
    with at.desk() as app:
        ops = at.caller(app)
        seen = _seen(at, ops, approval_id, digest, yes, "Reject this?")
        return _end(at, app, ops, ops.reject(approval_id, presented_digest=seen, comment=comment), wait)


def edit(
    at: At,
    approval_id: Id,
    arguments: Annotated[str, typer.Option("--arguments", metavar="JSON", help="All of the new arguments.")],
    comment: Comment,
    wait: Wait = 0.0,
) -> int:
    """Replace the arguments. That makes a new action, decided from the start, and you the one who asks for it."""
    given = json_object(arguments, "--arguments")
    with at.desk() as app:
        ops = at.caller(app)
        return _end(at, app, ops, ops.edit(approval_id, given, comment=comment), wait)


def _seen(at: At, ops: "Operations", approval_id: str, digest: str | None, yes: bool, question: str) -> str:
    """The presented digest of what the caller has seen: named with --digest, or shown here and confirmed."""
    _ = ops.caller  # who it is comes first, not after the reading
    approval = ops.approval(approval_id)
    presented = str(approval["presented_digest"])
    if digest is not None:
        _check_digest(digest, presented)
    asks = not (yes or at.out.as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    if digest is None and not asks:
        raise Invalid(
            "What you were shown has to be named with --digest.",
            code="digest_missing",
            remedy=f"Look at it first: {at.command('approvals', 'show', approval_id)}",
        )
    if asks:
        if ops.caller.name in approval["excluded"] or ops.caller.subject in approval["excluded"]:
            raise Denied(
                "Separation of duties: you may not decide on this one.",
                code="separation_of_duties",
                remedy="Somebody else has to decide.",
            )
        show_approval(at, approval)
        if not typer.confirm(question, err=True):
            raise typer.Abort
    return presented


def _check_digest(digest: str, presented: str) -> None:
    given = digest.strip().lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]+", given) or not LEAST_DIGEST_CHARS <= len(given) <= 64:
        raise Invalid(
            f"--digest is not {LEAST_DIGEST_CHARS} to 64 hex digits.",
            code="digest",
            remedy="Copy it from `clearway approvals show`.",
        )
    if not presented.removeprefix("sha256:").startswith(given):
        raise Conflict(
            "What you were shown is not what this approval is for now; nothing was recorded.",
            code="digest_mismatch",
            remedy="Look at it again with `clearway approvals show`.",
        )


def _end(at: At, app: Place, ops: "Operations", decided: Json, wait: float) -> int:
    """Says what has become of it. With --wait the run is followed, and is the result."""
    if wait > 0 and decided["kind"] == "action":
        at.out.hint(f"{decided['approval_id']}: {decided['state']}")
        return follow_or_say(at, app, ops, decided["run_id"], wait)
    at.out.emit(
        "approval",
        ops.approval(decided["approval_id"]),
        lambda: at.out.say(f"{decided['approval_id']}: {_said(decided)}"),
    )
    if decided["kind"] == "action" and decided["state"] != "pending":
        if not app.is_served():
            at.out.hint(f"No worker is running to carry the run on; start one: {at.command('worker')}")
        at.out.hint(f"follow the run: {at.command('runs', 'show', decided['run_id'], '--wait', '60')}")
    return 0


def _said(decided: Json) -> str:
    if decided["state"] == "pending":
        return "your vote is recorded; it needs more votes"
    return "edited; the new action is decided from the start" if decided["note"] == "edited" else str(decided["state"])
