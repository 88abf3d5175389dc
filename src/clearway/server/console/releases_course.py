"""How a canary's evidence went, drawn: a line a measure, from its first request until now, and the threshold.

Told apart without colour: each line has its own dashes and its name at its end.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _FOOT = 1_040, 280, 84, 190, 18, 60
_LINE = 15
#: How far beyond the threshold is drawn.
_BEYOND = 1.15
#: Below this logarithm of an e-value all along, nothing speaks against the canary.
_FLAT = 0.2
_DASHES = ("none", "7 4", "2 3", "12 3 2 3", "14 5", "5 2 1 2")


def course(points: Sequence[Mapping[str, Any]], names: Mapping[str, str], enough: float, threshold: str) -> Markup:
    """The chart; nothing before there are two points. `names`: measure → what it is called. `enough`: the threshold's
    natural logarithm, `threshold`: the same as an e-value, for people."""
    if len(points) < 2:
        return Markup("")
    first, last = points[0]["looks"], points[-1]["looks"]

    def across(looks: int) -> float:
        return _LEFT + (looks - first) / max(1, last - first) * (_WIDTH - _LEFT - _RIGHT)

    def down(log_e: float) -> float:
        share = min(max(log_e, 0.0) / enough, _BEYOND) / _BEYOND
        return _TOP + (1 - share) * (_HEIGHT - _TOP - _FOOT)

    lines = {name: [float(point["log_e"].get(name, 0.0)) for point in points] for name in names}
    told = [name for name, values in lines.items() if max(values) >= _FLAT]
    flat = [names[name] for name in lines if name not in told]
    drawn = [_frame(down(0.0), down(enough), threshold), _below(points[0], points[-1])]
    for name, at in _spread({name: down(lines[name][-1]) for name in told}):
        path = " ".join(
            f"{across(point['looks']):.1f},{down(value):.1f}" for point, value in zip(points, lines[name], strict=True)
        )
        drawn.append(_line(names[name], path, _DASHES[list(names).index(name) % len(_DASHES)], at))
    if flat:
        drawn.append(
            Markup('<text x="{}" y="{}">Nothing speaks against it all along: {}</text>').format(
                _LEFT, _HEIGHT - 10, ", ".join(flat)
            )
        )
    said = "; ".join(
        f"{names[name]}: {lines[name][-1] / enough:.0%} of the way, at most {max(lines[name]) / enough:.0%}"
        for name in told
    )
    return Markup('<svg class="chart course" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH,
        _HEIGHT,
        f"How the evidence went in {last} looks, on a logarithmic scale up to the threshold of {threshold}. {said}",
        Markup("").join(drawn),
    )


def _frame(bottom: float, line: float, threshold: str) -> Markup:
    return Markup(
        '<line x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/><text x="{3}" y="{4:.1f}" class="end">e = 1</text>'
        '<line class="threshold" x1="{0}" x2="{1}" y1="{5:.1f}" y2="{5:.1f}"/>'
        '<text x="{3}" y="{6:.1f}" class="end">{7}</text>'
        '<text x="{8}" y="{9:.1f}">threshold: the guard ends it here</text>'
    ).format(_LEFT, _WIDTH - _RIGHT, bottom, _LEFT - 8, bottom + 4, line, line + 4, threshold, _LEFT + 6, line - 6)


def _below(first: Mapping[str, Any], last: Mapping[str, Any]) -> Markup:
    """The ends of the axis: looks, and when."""
    return Markup(
        '<text x="{0}" y="{2}">look {3}, {4}</text><text x="{1}" y="{2}" class="end">look {5}, {6}</text>'
    ).format(_LEFT, _WIDTH - _RIGHT, _HEIGHT - 34, first["looks"], _when(first), last["looks"], _when(last))


def _when(point: Mapping[str, Any]) -> str:
    return str(point["at"])[:16].replace("T", " ") + " UTC"


def _line(name: str, path: str, dashes: str, at: float) -> Markup:
    return Markup(
        '<polyline points="{0}" stroke-dasharray="{1}"><title>{2}</title></polyline>'
        '<line class="sample" x1="{3}" x2="{4}" y1="{5:.1f}" y2="{5:.1f}" stroke-dasharray="{1}"/>'
        '<text x="{6}" y="{7:.1f}">{2}</text>'
    ).format(path, dashes, name, _WIDTH - _RIGHT + 8, _WIDTH - _RIGHT + 36, at, _WIDTH - _RIGHT + 42, at + 4)


def _spread(ends: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Where each line's name stands: beside its end, and below the name above it."""
    lowest = 0.0
    for name, at in sorted(ends.items(), key=lambda pair: pair[1]):
        lowest = max(at, lowest + _LINE)
        yield name, lowest
