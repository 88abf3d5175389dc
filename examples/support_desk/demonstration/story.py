"""How the demonstration tells what it does, and checks it: a failed expectation fails the whole."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

WIDEST = 100
_LABEL = 11


class Story:
    """Prints to `console`, and keeps the expectations: `kept` and `failed` (in words)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number = 0
        self._place = "before the first scene"
        self._tick, self._cross = ("✓", "✗") if "utf" in console.encoding.lower() else ("ok", "NOT")
        self.kept = 0
        self.failed: list[str] = []

    def title(self, text: str, below: str) -> None:
        self._console.print(Panel(Text(below), title=Text(text, style="bold"), title_align="left", box=box.ROUNDED))

    def scene(self, title: str) -> None:
        self._number += 1
        self.heading(f"{self._number}  {title}")
        self._place = f"scene {self._number}"

    def heading(self, title: str) -> None:
        self._place = title
        self._console.print()
        self._console.rule(Text(title, style="bold"), align="left")

    def says(self, label: str, text: str, style: str = "") -> None:
        """A line: who or what, then what about it."""
        line = Table.grid(padding=(0, 1))
        line.add_column(width=_LABEL)
        line.add_column(overflow="fold")
        line.add_row(Text(label, style="dim"), Text(text, style=style))
        self._console.print(line)

    def box(self, title: str, rows: Iterable[tuple[str, str]]) -> None:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim")
        grid.add_column(overflow="fold")
        for label, text in rows:
            grid.add_row(label, Text(text))
        self._console.print(Panel(grid, title=Text(title), title_align="left", box=box.ROUNDED))

    def table(self, columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]]) -> None:
        """`columns`: (heading, whether it holds numbers)."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for heading, is_number in columns:
            table.add_column(heading, justify="right" if is_number else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._console.print(table)

    def line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))

    def command(self, text: str) -> None:
        """A command to copy: on one line, however long."""
        self._console.print(Text(f"  {text}"), soft_wrap=True)

    def expect(self, what: str, found: Any, wanted: Any) -> bool:
        """Whether `found` is `wanted`; shown, and kept for the verdict."""
        if found == wanted:
            self.kept += 1
            self._mark(self._tick, "green", what)
            return True
        self.fail(f"{what}: expected {wanted!r}, found {found!r}")
        return False

    def fail(self, what: str) -> None:
        self.failed.append(f"{self._place}: {what}")
        self._mark(self._cross, "bold red", what, "red")

    def _mark(self, mark: str, mark_style: str, what: str, style: str = "") -> None:
        line = Table.grid(padding=(0, 1))
        line.add_column(width=_LABEL, justify="right")
        line.add_column(overflow="fold")
        line.add_row(Text(mark, style=mark_style), Text(what, style=style))
        self._console.print(line)


def make_console() -> Console:
    """At most 100 columns; without colours where it is no terminal."""
    console = Console(highlight=False, soft_wrap=False)
    width = min(console.width, WIDEST) if console.is_terminal else WIDEST
    return Console(highlight=False, width=width)
