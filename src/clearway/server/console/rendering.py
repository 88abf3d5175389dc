"""How data becomes text of a page.

INVARIANT: every text that a template writes passes `shown`: nothing in it is invisible, reordered or taken for markup,
and what was hidden stands there, marked, as `\\u{202E}` (threats 7 and 8). Nothing from data is ever a link.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from clearway.rules.find.found import TOKEN
from clearway.rules.present import WARNINGS, visible
from clearway.server.console.marks import Openable, marked

#: A value whose text is longer, or has more lines, is collapsed, and has to be opened before approving (threat 10).
LONG_CHARS = 600
LONG_LINES = 12

_IMPACTS = {"external": "High impact", "internal_write": "Medium impact", "read": "Low impact"}
_STATES = {
    "failed_final": "failed",
    "failed_retryable": "failed, tried again",
    "unknown": "in doubt",
    "succeeded": "done",
    "consumed": "approved, carried out",
}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def shown(value: Any) -> Any:
    """What `{{ … }}` writes: text made visible, what was hidden marked; markup of our own as it is."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return ""
    return marked(visible(str(value))[0])


def lines(value: Any, openable: Openable | None = None) -> Markup:
    """As `shown`, and line ends stay. For `<pre>`."""
    return marked(visible(str(value), keep_lines=True)[0], openable)


def with_openings(value: Any, openable: Openable | None = None) -> Markup:
    """As `shown`, with a button at each token that the reader may open."""
    return marked(visible(str(value))[0], openable)


def attribute(value: Any) -> Markup:
    """As `shown`, for the value of an attribute: nothing is marked."""
    return escape(visible(str(value))[0])


def exact(value: Any, openable: Openable | None = None) -> Markup:
    """A value as JSON, over several lines where it has parts. Backslashes of what was made visible stay single."""
    return lines(exact_text(value), openable)


def exact_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2).replace("\\\\", "\\")


def editable(value: Any) -> Markup:
    """A value as JSON that can be sent back as it is, all beyond ASCII as JSON's own escapes. For `<textarea>`."""
    return escape(json.dumps(value, ensure_ascii=True, indent=2))


def template(schema: dict[str, Any]) -> str:
    """JSON to fill in: the arguments that a tool needs, each with a value of its type that stands for nothing."""
    blank: dict[str, Any] = {"integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}
    properties: dict[str, Any] = schema.get("properties", {})
    needed = [name for name in properties if name in schema.get("required", [])]
    return json.dumps({name: blank.get(str(properties[name].get("type")), "") for name in needed})


def amounts(arguments: dict[str, Any], names: Iterable[str]) -> Markup:
    """Those of `names`, as JSON texts of whole numbers for an attribute: a script's own numbers end at 2^53."""
    return escape(json.dumps({visible(name)[0]: str(arguments[name]) for name in names}))


def is_long(value: Any) -> bool:
    """Whether the value has to be opened before anybody approves it."""
    text = exact_text(value)
    return len(text) > LONG_CHARS or text.count("\n") + text.count("\\n") >= LONG_LINES


def size(value: Any) -> str:
    """`12,040 characters in 10,000 lines`."""
    text = exact_text(value)
    count = text.count("\n") + text.count("\\n") + 1
    return f"{len(text):,} characters" + (f" in {count:,} lines" if count > 1 else "")


def holds_tokens(value: Any) -> bool:
    """Whether a token stands for a sensitive value in it."""
    return TOKEN.search(json.dumps(value, ensure_ascii=False)) is not None


def rests_on_nobody(presented: dict[str, Any]) -> bool:
    """Whether an argument that decides what happens came from an untrusted source."""
    origins: dict[str, Any] = presented.get("origins") or {}
    return any(one["trust"] == "untrusted" and "consequential" in one for one in origins.values())


def warning(text: str) -> str:
    """`account: bidi` → with the code in words."""
    where, _, code = text.rpartition(": ")
    return f"{where or 'A text'} {WARNINGS.get(code, code)}"


def target(one: Any) -> str:
    """`account:9182`, or a grant's as it is."""
    if isinstance(one, str):
        return one
    of = f" of {one['tenant']}" if one.get("tenant") else ""
    return f"{one['kind']}:{one['id']}{of}"


def place(text: str) -> str:
    """Where a policy stands, from the project's folder on."""
    _, found, below = text.rpartition("/policies/")
    return f"policies/{below}" if found else text


def party(name: str | None) -> str:
    """`user:dana` → `dana`; a service or an agent keeps its kind."""
    return (name or "nobody").removeprefix("user:")


def voted(verdict: str) -> str:
    """`approved`, `rejected`."""
    return {"approve": "approved", "reject": "rejected"}.get(verdict, verdict)


def when(text: str | None) -> str:
    """`2026-03-01 14:02:07 UTC`."""
    return "" if not text else text[:19].replace("T", " ") + " UTC"


def moment(text: str | None) -> Markup:
    """A `<time>`, which the browser tells in the reader's own zone as its tooltip."""
    return Markup('<time datetime="{}">{}</time>').format(text, when(text)) if text else Markup("")


def duration(seconds: float | None) -> str:
    """`12 ms`, `3.4 s`, `5 min`, `2 h 10 min`, `3 d 4 h`."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if seconds < _HOUR:
        return f"{whole // _MINUTE} min"
    if seconds < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def took(run: dict[str, Any]) -> str:
    """From its creation to its end."""
    begun, ended = (datetime.fromisoformat(run[name]) for name in ("created_at", "finished_at"))
    return duration((ended - begun).total_seconds())


def left(text: str) -> Markup:
    """Time until then, kept up to date by the page's script."""
    seconds = datetime.fromisoformat(text).timestamp() - datetime.now(UTC).timestamp()
    told = "expired" if seconds <= 0 else f"{duration(seconds)} left"
    return Markup('<time class="left" datetime="{}" data-until="{}">{}</time>').format(text, text, told)


def money(usd: float | None) -> str:
    """Dollars; a price that is not known is not 0."""
    if usd is None:
        return "price unknown"
    return f"{usd:.2f} USD" if usd >= 1 or usd == 0 else f"{usd:.4f} USD"


def share(part: float | None) -> str:
    """`97.5 %`."""
    return "–" if part is None else f"{part * 100:.1f} %"


def impact(name: str) -> Markup:
    """A badge: colour, and the word."""
    return Markup('<span class="badge impact-{}">{}</span>').format(_plain(name), _IMPACTS.get(name, name))


def state(name: str) -> Markup:
    """A badge: colour, and the word."""
    word = _STATES.get(name, name.replace("_", " "))
    return Markup('<span class="badge state-{}">{}</span>').format(_plain(name), word)


def _plain(name: str) -> str:
    return name if re.fullmatch(r"[a-z_]{1,40}", name) else "other"


def _opening(write: Callable[[Any, Openable | None], Markup]) -> Callable[[Context, Any], Markup]:
    @pass_context
    def written(context: Context, value: Any) -> Markup:
        return write(value, context.get("openable"))

    return written


def make_environment() -> Environment:
    """The templates, with the filters of this module."""
    environment = Environment(
        loader=PackageLoader("clearway.server.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    of_text = (lines, attribute, editable, template, amounts, size, warning, target, place, party, voted)
    of_figures = (when, moment, duration, took, left, money, share)
    of_badges = (impact, state, is_long, holds_tokens, rests_on_nobody)
    filters: dict[str, Any] = {each.__name__: each for each in (*of_text, *of_figures, *of_badges)}
    # The page says what its reader may open.
    filters |= {each.__name__: _opening(each) for each in (exact, with_openings)}
    environment.filters.update(filters)
    return environment
