"""Charts as SVG, drawn on the server, each with its figures as text for those who do not see it.

Colours come from the style sheet by class, so that they follow light and dark; nothing is told by colour alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from clearway.rules.present import visible
from clearway.server.console.rendering import when

#: In pixels, where the page is as wide as it gets; narrower, a chart is scrolled, so that its text stays legible.
_WIDTH, _HEIGHT, _FOOT, _HEAD = 1_080, 190, 24, 22
_NAMES, _LONGEST = 190, 260
#: Part of a column → how it is called. From the bottom up.
PARTS: Mapping[str, str] = {"done": "done", "not_done": "failed, refused or cancelled", "under_way": "under way"}


def columns(found: Sequence[Mapping[str, Any]], title: str) -> Markup:
    """Stacked columns, one for each of `found`: `{"at", part: count, …}`."""
    top = max((sum(one.get(part, 0) for part in PARTS) for one in found), default=0)
    if not top:
        return Markup("")
    step, room = _WIDTH / len(found), _HEIGHT - _FOOT
    drawn: list[Markup] = []
    for place, one in enumerate(found):
        low = float(room)
        for part, word in PARTS.items():
            count = one.get(part, 0)
            tall = count / top * (room - _HEAD)
            if count:
                low -= tall
                drawn.append(
                    Markup(
                        '<rect class="part-{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                        "<title>{}: {} {}</title></rect>"
                    ).format(part, place * step + 1.5, low, step - 3, tall, when(one["at"]), count, word)
                )
    ends = Markup('<text x="0" y="{0}">{1}</text><text x="{2}" y="{0}" class="end">{3}</text>').format(
        _HEIGHT - 5, when(found[0]["at"])[:16], _WIDTH, "now"
    )
    line = Markup('<line x1="0" x2="{0}" y1="{1}" y2="{1}"/><text x="0" y="12">fullest: {2}</text>').format(
        _WIDTH, room, top
    )
    totals = ", ".join(f"{sum(one.get(part, 0) for one in found)} {word}" for part, word in PARTS.items())
    return _figure(f"0 0 {_WIDTH} {_HEIGHT}", title, f"{totals}; {top} in the fullest column.", [*drawn, line, ends])


def bars(found: Sequence[tuple[str, int]], title: str) -> Markup:
    """Horizontal bars with their names and counts, as given."""
    if not found:
        return Markup("")
    most, row = max(count for _, count in found), 24
    drawn = [
        Markup(
            '<text x="0" y="{0}">{1}</text><rect class="part-done" x="{2}" y="{3}" width="{4:.1f}" height="14"/>'
            '<text x="{5:.1f}" y="{0}">{6}</text>'
        ).format(
            place * row + 15,
            _short(name),
            _NAMES,
            place * row + 4,
            count / most * _LONGEST,
            _NAMES + 6 + count / most * _LONGEST,
            count,
        )
        for place, (name, count) in enumerate(found)
    ]
    said = "; ".join(f"{name}: {count}" for name, count in found)
    return _figure(f"0 0 {_NAMES + _LONGEST + 50} {len(found) * row}", title, said, drawn)


def _figure(box: str, title: str, said: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg class="chart" viewBox="{}" role="img" aria-label="{}">{}</svg>').format(
        box, f"{title}. {visible(said)[0]}", Markup("").join(parts)
    )


def _short(name: str) -> str:
    text = visible(name)[0]
    return text if len(text) <= 26 else text[:25] + "…"
