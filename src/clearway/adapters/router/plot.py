"""Plots of routing as PNG, by Pillow (`clearway[router]`): curves over one axis, confusion matrices, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearway.model.errors import ConfigError, Invalid

_WIDTH, _HEIGHT, _MARGIN = 640, 480, 64
_COLOURS = ("#1b6ca8", "#c4501b", "#3c8d40", "#7a4fa3")
_GREY, _INK = "#d0d0d0", "#202020"
_STEPS = 5
#: Left of a matrix, for its labels; more of them than this are numbers of pixels too small to be written.
_LABELS, _MOST_LABELS = 200, 30
_LONGEST_LABEL = 26


@dataclass(frozen=True, slots=True)
class Curve:
    """`points`: (x, y), both within 0..1, in order of x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot. `mark`: an x that is marked, such as the threshold in force."""

    title: str
    x: str
    curves: Sequence[Curve]
    mark: float | None = None


@dataclass(frozen=True, slots=True)
class Matrix:
    """`rows`: of each label, how often each label stands against it. A cell is dark by its share of its row."""

    title: str
    labels: Sequence[str]
    rows: Sequence[Sequence[int]]


def write_png(path: Path, panels: Sequence[Panel | Matrix]) -> None:
    """Errors: `ConfigError` where Pillow is not installed, `Invalid` where the file cannot be written."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise ConfigError("Plots need Pillow.", remedy="Install it: pip install 'clearway[router]'.") from None
    image = Image.new("RGB", (_WIDTH * len(panels), _HEIGHT), "white")
    draw: Any = ImageDraw.Draw(image)
    font: Any = ImageFont.load_default(14)
    for number, panel in enumerate(panels):
        if isinstance(panel, Matrix):
            _draw_matrix(draw, font, panel, _WIDTH * number)
        else:
            _draw(draw, font, panel, _WIDTH * number)
    try:
        image.save(path, "PNG")
    except (OSError, ValueError):
        raise Invalid("The plot cannot be written.", code="folder", remedy="Name a file: --plot routes.png.") from None


def _draw(draw: Any, font: Any, panel: Panel, left: int) -> None:
    right, bottom, top = left + _WIDTH - _MARGIN // 2, _HEIGHT - _MARGIN, _MARGIN

    def place(x: float, y: float) -> tuple[float, float]:
        return left + _MARGIN + x * (right - left - _MARGIN), bottom - y * (bottom - top)

    for step in range(_STEPS + 1):
        at = step / _STEPS
        draw.line([place(at, 0), place(at, 1)], _GREY)
        draw.line([place(0, at), place(1, at)], _GREY)
        draw.text((place(at, 0)[0], bottom + 6), f"{at:.1f}", _INK, font, anchor="ma")
        draw.text((left + _MARGIN - 6, place(0, at)[1]), f"{at:.1f}", _INK, font, anchor="rm")
    draw.text(((left + right) / 2, top / 3), panel.title, _INK, font, anchor="ma")
    draw.text(((left + right) / 2, _HEIGHT - _MARGIN / 2), panel.x, _INK, font, anchor="ma")
    if panel.mark is not None:
        draw.line([place(panel.mark, 0), place(panel.mark, 1)], _INK, 1)
        draw.text(place(panel.mark, 1.01), f"{panel.mark:.2f}", _INK, font, anchor="mb")
    for number, curve in enumerate(panel.curves):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [place(x, y) for x, y in curve.points]
        if len(points) > 1:
            draw.line(points, colour, 3)
        for x, y in points:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), colour)
        draw.text((left + _MARGIN + 12, bottom - 18 * (len(panel.curves) - number)), curve.name, colour, font)


def _draw_matrix(draw: Any, font: Any, matrix: Matrix, left: int) -> None:
    count = max(1, len(matrix.labels))
    begin, top = left + _LABELS, _MARGIN
    wide, high = (_WIDTH - _LABELS - _MARGIN // 2) / count, (_HEIGHT - 2 * _MARGIN) / count
    draw.text(((begin + left + _WIDTH) / 2, top / 3), matrix.title, _INK, font, anchor="ma")
    for row, label in enumerate(matrix.labels):
        total = sum(matrix.rows[row]) or 1
        for column, value in enumerate(matrix.rows[row]):
            share = value / total
            corner = begin + column * wide, top + row * high
            shade = "#{:02x}{:02x}{:02x}".format(*(round(255 - share * (255 - ink)) for ink in (0x1B, 0x6C, 0xA8)))
            draw.rectangle(
                (*corner, corner[0] + wide, corner[1] + high), shade, _GREY if count <= _MOST_LABELS else None
            )
            if value and count <= _MOST_LABELS // 2:
                ink = "white" if share > 0.5 else _INK
                draw.text((corner[0] + wide / 2, corner[1] + high / 2), str(value), ink, font, anchor="mm")
        if count <= _MOST_LABELS:
            shown = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
            draw.text((begin - 6, top + (row + 0.5) * high), shown, _INK, font, anchor="rm")
