"""`clearway endorsements list | revoke`: people's word for values from untrusted sources."""

from typing import Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At
from clearway.cli.output import moment
from clearway.cli.runs import Reason


def declare(root: typer.Typer) -> None:
    group = group_of(root, "endorsements", "Endorsements: people's word for values from untrusted sources.")
    command(group, "list")(list_)
    command(group, "revoke")(revoke)


def list_(at: At) -> None:
    """List endorsements, newest first, also those that are over."""
    with at.operations() as ops:
        page = ops.endorsements()
    at.out.emit(
        "endorsements",
        page,
        lambda: at.out.table(
            ("endorsement", "argument", "holds in", "by", "until", "revoked", "comment"),
            [
                (
                    each["endorsement_id"],
                    each["argument"],
                    each["run_id"] or f"runs for {each['user']}",
                    each["by"],
                    moment(each["expires_at"]),
                    moment(each["revoked_at"]) if each["revoked_at"] else "",
                    each["comment"],
                )
                for each in page["items"]
            ],
        ),
    )


def revoke(
    at: At,
    endorsement_id: Annotated[str, typer.Argument(metavar="ENDORSEMENT", help="The endorsement's id.")],
    reason: Reason,
) -> None:
    """Take an endorsement back, from the next decision on: your own, or anybody's as an operator."""
    with at.operations() as ops:
        revoked = ops.revoke_endorsement(endorsement_id, reason)
    at.out.emit("endorsement", revoked, lambda: at.out.say(f"{endorsement_id}: revoked"))
