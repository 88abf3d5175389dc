"""`clearway keys create | list | revoke`."""

from typing import Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import KEY_VARIABLE, At
from clearway.cli.output import moment, when


def declare(root: typer.Typer) -> None:
    keys = group_of(root, "keys", "API keys: who calls, outside environment dev.")
    command(keys, "create")(create_key)
    command(keys, "list")(keys_list)
    command(keys, "revoke")(revoke_key)


def create_key(
    at: At,
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="A user's ID (or user:ID), or service:ID, as declared.")
    ],
    days: Annotated[int, typer.Option("--days", help="How long it is valid, at most 90.")] = 30,
    first: Annotated[
        bool,
        typer.Option(
            "--first", help="Make a key without holding one, until an admin has one: for whoever holds the store."
        ),
    ] = False,
) -> None:
    """Make an API key. It is shown this once."""
    name = subject if ":" in subject else f"user:{subject}"
    if first:
        with at.open(make=True) as app:
            key = app.access.create_first_key(app.scope(at.shared.tenant, at.environment, name), name, days=days)
    else:
        with at.operations(make=True) as ops:
            key = ops.create_key(name, days=days)
    at.out.emit("key", key, lambda: at.out.say(key["key"]))
    at.out.hint(f"for {name}, until {when(key['expires_at'])}; it is not shown again. Use it as {KEY_VARIABLE}.")


def keys_list(at: At) -> None:
    """List API keys, without their secrets."""
    with at.operations() as ops:
        page = ops.keys()
    at.out.emit(
        "keys",
        page,
        lambda: at.out.table(
            ("key", "for", "created", "until", "state"),
            [
                (
                    k["key_id"],
                    k["subject"],
                    moment(k["created_at"]),
                    moment(k["expires_at"]),
                    "revoked" if k["revoked"] else "active",
                )
                for k in page["items"]
            ],
        ),
    )


def revoke_key(
    at: At, key_id: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, not the key.")]
) -> None:
    """End an API key at once."""
    with at.operations() as ops:
        done = ops.revoke_key(key_id)
    at.out.emit("key", done, lambda: at.out.say(f"{key_id}: revoked"))
