"""`clearway costs`: what models took."""

from typing import Annotated

import typer

from clearway.cli.command import command
from clearway.cli.context import At


def declare(root: typer.Typer) -> None:
    command(root, "costs")(costs)


def costs(
    at: At, days: Annotated[int, typer.Option("--days", help="Of how many UTC days, today among them.")] = 1
) -> None:
    """Sum up the turns, tokens and dollars that models took, by day, skill and model."""
    with at.operations() as ops:
        page = ops.costs(days=days)
    at.out.emit(
        "costs",
        page,
        lambda: at.out.table(
            ("day", "skill", "model", "turns", "input", "output", "USD"),
            [
                (
                    row["day"],
                    row["skill"],
                    row["model"],
                    row["turns"],
                    row["input_tokens"],
                    row["output_tokens"],
                    "unknown" if row["usd"] is None else f"{row['usd']:.6f}",
                )
                for row in page["items"]
            ],
        ),
    )
