"""What the command line writes: one JSON document, or text for people.

INVARIANT: all text for people goes through `visible`, and none of it is read as markup: no control character, no
change of reading direction and no style of somebody else's reaches the terminal (threats 9 and 35).
"""

import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clearway.model.errors import ClearwayError
from clearway.rules.present import visible

VERSION = "v1"

#: Wide enough that nothing is cut where no terminal says how wide it is.
_UNBOUND = 1_000

#: Columns that hold a time.
_TIMES = frozenset({"at", "until", "created"})

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@|(?<=[?&]password=)[^&\s]+", re.IGNORECASE)


class Output:
    """Results on stdout; progress, hints and errors on stderr."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._out, self.err = _console(stderr=False), _console(stderr=True)

    def emit(self, kind: str, data: Any, show: Callable[[], None]) -> None:
        """The result: `data` in the envelope with `--json`, otherwise what `show` says. Once a command."""
        if self.as_json:
            self._write(kind, "data", data)
        else:
            show()

    def say(self, text: str = "", *, style: str = "") -> None:
        self._out.print(line(text, style), soft_wrap=True)

    def hint(self, text: str) -> None:
        """Progress, and what to do next."""
        self.err.print(line(without_credentials(text)), soft_wrap=True)

    def fields(self, rows: Sequence[tuple[str, Any]]) -> None:
        """`name  value` lines; those without a value are left out."""
        kept = [(name, value) for name, value in rows if value not in (None, "", [], {})]
        width = max((len(name) for name, _ in kept), default=0)
        for name, value in kept:
            self.say(f"  {name:<{width}}  {value if isinstance(value, str) else inline(value)}")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """The first column is never cut or wrapped: it is what other commands take. Nor are times."""
        if not rows:
            self.hint("none")
            return
        texts = [["–" if cell is None or cell == "" else visible(str(cell))[0] for cell in row] for row in rows]
        if not self._out.is_terminal:
            widths = [max(map(len, column)) for column in zip(headers, *texts, strict=True)]
            for row in [headers, *texts]:
                self.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, header in enumerate(headers):
            table.add_column(header, no_wrap=number == 0 or header in _TIMES, overflow="fold")
        for row in texts:
            table.add_row(*map(line, row))
        self._out.print(table)

    def box(self, title: str, text: str) -> None:
        width = min(100, self._out.width)
        self._out.print(Panel(line(text), title=line(title), title_align="left", width=width))

    def error(self, error: ClearwayError) -> None:
        """One line on stderr; with `--json` the same as a document on stdout too."""
        if self.as_json:
            self._write(
                "error",
                "error",
                {
                    "code": error.code,
                    "message": without_credentials(error.message),
                    "remedy": without_credentials(error.remedy),
                    "retryable": error.retryable,
                },
            )
        first, *more = without_credentials(str(error)).splitlines() or [""]
        self.err.print(line(f"error: {first}"), soft_wrap=True)
        for text in more:
            self.err.print(line(f"       {text}"), soft_wrap=True)

    def _write(self, kind: str, key: str, value: Any) -> None:
        # ASCII: JSON leaves C1 controls and bidi characters as they are, a terminal does not.
        document = json.dumps({"clearway": VERSION, "kind": kind, key: value}, ensure_ascii=True, indent=2, default=str)
        sys.stdout.write(document + "\n")
        sys.stdout.flush()


def line(text: str, style: str = "") -> Text:
    """One line for people, whatever `text` holds."""
    return Text(visible(text)[0], style=style)


def without_credentials(text: str) -> str:
    """`text` with what stands before the host of a URL, and a password among its options, as `***`."""
    return _CREDENTIALS.sub(lambda found: "***@" if found[0].endswith("@") else "***", text)


def inline(value: Any) -> str:
    """A JSON value in one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def when(at: str | None) -> str | None:
    """`2026-11-22 13:01:19Z (+02:00 → 15:01)` for an RFC 3339 time; without the bracket where local time is UTC."""
    if at is None:
        return None
    utc = datetime.fromisoformat(at).astimezone(UTC)
    local = utc.astimezone()
    text = utc.strftime("%Y-%m-%d %H:%M:%SZ")
    if not local.utcoffset():
        return text
    offset = local.strftime("%z")
    clock = local.strftime("%H:%M") if local.date() == utc.date() else local.strftime("%Y-%m-%d %H:%M")
    return f"{text} ({offset[:3]}:{offset[3:]} → {clock})"


def moment(at: str | None) -> str | None:
    """`2026-11-22 13:01Z`: a time in a table."""
    return None if at is None else datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def time_left(until: str | None) -> str:
    """`27 min left`, by this machine's clock."""
    if until is None:
        return ""
    left = datetime.fromisoformat(until) - datetime.now(UTC)
    if left <= timedelta(0):
        return "time is up"
    seconds = int(left.total_seconds())
    size, unit = next(
        (size, unit) for size, unit in ((3600, "h"), (60, "min"), (1, "s")) if seconds >= size or size == 1
    )
    return f"{seconds // size} {unit} left"


class _Console(Console):
    """Leaves a closed pipe to `main`; Rich ends with exit code 1 there."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _console(*, stderr: bool) -> Console:
    console = _Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNBOUND
    return console
