"""`clearway notices list | test`: how people were told, and whether the ways to them work."""

from typing import Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At
from clearway.cli.output import moment
from clearway.cli.runs import Limit

FOUND_SOMETHING = 1


def declare(root: typer.Typer) -> None:
    group = group_of(root, "notices", "Notices: how people were told of what waits or went wrong.")
    command(group, "list")(list_)
    command(group, "test")(try_)


def list_(
    at: At,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what is not delivered, of the newest 500, with the reason.")
    ] = False,
    limit: Limit = 50,
) -> None:
    """List deliveries, newest first, by channel."""
    with at.operations() as ops:
        page = ops.notices(failed=failed, limit=limit)

    def show() -> None:
        at.out.table(
            ("at", "kind", "channel", "state", "attempts", "why", "event"),
            [
                (moment(o["at"]), o["kind"], o["channel"], o["state"], o["attempts"], o["why"], o["event"])
                for o in page["items"]
            ],
        )
        if not page["channels"]:
            at.out.hint("The project names no channel: nobody is told of anything.")

    at.out.emit("notices", page, show)


def try_(
    at: At,
    channel: Annotated[str, typer.Argument(metavar="[CHANNEL]", help="As clearway.toml names it; else each.")] = "",
) -> int:
    """Send a trial notice. Exits with 1 where one could not be sent."""
    with at.operations(make=True) as ops:
        tried = ops.try_notices(channel or None)
    rows = [(one["channel"], "sent" if one["sent"] else "not sent", one["why"]) for one in tried["items"]]
    at.out.emit("notices_tried", tried, lambda: at.out.table(("channel", "trial", "why"), rows))
    return 0 if all(one["sent"] for one in tried["items"]) else FOUND_SOMETHING
