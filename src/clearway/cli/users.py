"""`clearway users list | disable | enable`: the people whom an identity provider signs in."""

from typing import Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At
from clearway.cli.output import moment
from clearway.cli.runs import Reason

User = Annotated[
    str, typer.Argument(metavar="USER", help="As `clearway users list` shows it, or as the provider calls them.")
]


def declare(root: typer.Typer) -> None:
    users = group_of(root, "users", "People of the identity provider, who have signed in to the server.")
    command(users, "list")(list_)
    command(users, "disable")(disable)
    command(users, "enable")(enable)


def list_(at: At) -> None:
    """List who has signed in, with the rights that their groups gave them the last time."""
    with at.operations() as ops:
        page = ops.users()
    at.out.emit(
        "users",
        page,
        lambda: at.out.table(
            ("user", "state", "roles", "groups", "seen at", "issuer"),
            [
                (
                    user["user"],
                    "disabled" if user["disabled"] else "active",
                    ", ".join(user["roles"]),
                    ", ".join(user["groups"]),
                    moment(user["last_seen"]),
                    user["issuer"],
                )
                for user in page["items"]
            ],
        ),
    )
    at.out.hint("Declared users stand in clearway.toml.")


def disable(at: At, who: User, reason: Reason) -> None:
    """Keep somebody out at once: their sessions end, and what they approved does not run any more."""
    with at.operations() as ops:
        done = ops.disable_user(who.removeprefix("user:"), reason)
    at.out.emit(
        "user", done, lambda: at.out.say(f"{done['user']}: disabled; {done['sessions_ended']} sessions were ended")
    )


def enable(at: At, who: User, reason: Reason) -> None:
    """Let somebody sign in again."""
    with at.operations() as ops:
        done = ops.enable_user(who.removeprefix("user:"), reason)
    at.out.emit("user", done, lambda: at.out.say(f"{done['user']}: may sign in again"))
