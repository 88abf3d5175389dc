"""`routes/calibration.json`: what `clearway route calibrate` found on a project's own labelled texts, by router."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clearway.model.errors import ConfigError, Invalid
from clearway.rules.canonical import parse_json
from clearway.rules.routing.scale import Figures, Judged, Scale, fit_scale, scale_of

FILE = "routes/calibration.json"
FORMAT = "clearway/calibration/v1"
_REMEDY = "Write it anew: clearway route calibrate DATASET."


@dataclass(frozen=True, slots=True)
class Calibration:
    """A router's scale, and the version of the router that it was fitted for."""

    scale: Scale
    version: str

    def note_for(self, version: str) -> str:
        """What to say of a route of another version."""
        return "" if version == self.version else f"calibrated for version {self.version}: calibrate again"


def read_calibrations(text: str) -> dict[str, Calibration]:
    """By router. Errors: `ConfigError`."""
    try:
        found: Any = parse_json(text, what=FILE)
        if found["format"] != FORMAT:
            raise ValueError("another format")
        return {
            str(name): Calibration(scale_of(row["scale"]), str(row["version"]))
            for name, row in found["routers"].items()
        }
    except (Invalid, KeyError, TypeError, ValueError, AttributeError):
        raise ConfigError("this is no calibration.", file=FILE, line=1, remedy=_REMEDY) from None


def calibrations_json(calibrations: Mapping[str, Calibration]) -> dict[str, Any]:
    """The inverse of `read_calibrations`, before it becomes text."""
    rows = {name: {"version": one.version, "scale": one.scale.as_json()} for name, one in sorted(calibrations.items())}
    return {"format": FORMAT, "routers": rows}


def calibrate(
    judged: Sequence[Judged], weights: Figures, basis: str, *, recall: float, precision: float | None
) -> Scale:
    """The threshold accepts `recall` of what is in scope; with `precision`, it is the lowest one from which on so large
    a share of what is taken is right. Errors: `Invalid` where nothing is in scope, or no threshold is that precise."""
    if not any(row.in_scope for row in judged):
        raise Invalid("The dataset has nothing in scope.", code="dataset", remedy="Add texts that belong to a skill.")
    scale = fit_scale(judged, weights, basis, recall=recall)
    if precision is None:
        return scale
    ranked = sorted(((scale.score(row.figures), row.correct) for row in judged), reverse=True)
    right, found = 0, None
    for count, (score, is_right) in enumerate(ranked, 1):
        right += is_right
        if right / count >= precision and (count == len(ranked) or ranked[count][0] < score):
            found = score
    if found is None:
        raise Invalid(
            "No threshold is as precise as that on this dataset.", code="dataset", remedy="Ask for less --precision."
        )
    return replace(scale, threshold=found)
