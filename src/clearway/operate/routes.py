"""A project's routers: put together, asked, measured and calibrated. Needs no store."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearway.adapters.router.embedded import FIGURE_WEIGHTS, EmbeddedRouter
from clearway.adapters.router.model import ModelRouter
from clearway.adapters.router.pinned import pinned, router_of
from clearway.model.errors import ConfigError, Invalid
from clearway.model.tool import Impact, SkillSpec
from clearway.ports import ModelClient
from clearway.project.located import read_text
from clearway.project.project import Project
from clearway.rules.find import Finder, RunMemory
from clearway.rules.route import Route, Router
from clearway.rules.routing import calibration as calibrations
from clearway.rules.routing import tfidf
from clearway.rules.routing.calibration import Calibration
from clearway.rules.routing.dataset import Labelled, parse_dataset
from clearway.rules.routing.evaluation import TradeOff, trade_offs
from clearway.rules.routing.judge import impacts_of
from clearway.rules.routing.keywords import KeywordRouter
from clearway.rules.routing.scale import Judged, Scale
from clearway.rules.routing.stack import Stack
from clearway.rules.routing.tfidf import TfidfRouter

_SQLITE = "sqlite:///"
_CACHE = "routers"
_MOST_DATASET_BYTES = 64 << 20
#: Thresholds of the printed and plotted trade-off.
THRESHOLDS = tuple(step / 20 for step in range(20))


def make_router(project: Project, models: ModelClient | None, finder: Finder | None = None) -> Router:
    """The routers of `[routing]`, in order. `models`: asked by the router `model`; None leaves that one out.

    Nothing is loaded or trained here: that comes with the first text, and not where a release has brought its router
    along. Errors: `ConfigError` (calibration, patterns).
    """
    settings, found = project.settings.routing, _calibrations_of(project)
    impacts = impacts_of(project.skills, project.tools)
    made: list[Router] = []
    for name in settings.routers:
        if name == "rules":
            made.append(KeywordRouter(settings.keywords, settings.patterns))
        elif name == "embedded":
            made.append(router_of(project.router, impacts, cache_folder(project), found))
        elif name == "tfidf":
            made.append(TfidfRouter(impacts, found.get(name)))
        elif models is not None:
            made.append(ModelRouter(models, settings.model, impacts, _mask(finder), timeout_s=settings.timeout_s))
    return Stack(made or [KeywordRouter()])


def trained_router(project: Project) -> dict[str, Any]:
    """What a bundle of the project holds of its trained router; empty where none is."""
    if "embedded" not in project.settings.routing.routers:
        return {}
    return pinned(impacts_of(project.skills, project.tools), cache_folder(project), project.skills)


def _calibrations_of(project: Project) -> dict[str, Calibration]:
    """Of a release, those that it was cut with; never the folder's."""
    if not project.router and not project.files:
        return read_calibrations(project.folder)
    text = project.files.get(calibrations.FILE)
    return calibrations.read_calibrations(text) if text is not None else {}


def cache_folder(project: Project) -> Path:
    """Where trained routers are kept: beside the store, where that is a file, else in the project's `.clearway`."""
    url = project.settings.store_url
    beside = Path(url.removeprefix(_SQLITE)).parent if url.startswith(_SQLITE) else project.folder / ".clearway"
    return beside / _CACHE


def read_calibrations(folder: Path) -> dict[str, Calibration]:
    """By router; none where the project has no calibration. Errors: `ConfigError`."""
    path = folder / calibrations.FILE
    return calibrations.read_calibrations(read_text(path, calibrations.FILE)) if path.exists() else {}


def read_dataset(path: Path, skills: Mapping[str, SkillSpec]) -> list[Labelled]:
    """Errors: `ConfigError`, with a line for each problem."""
    try:
        if path.stat().st_size > _MOST_DATASET_BYTES:
            raise ConfigError(
                f"the file is larger than {_MOST_DATASET_BYTES} bytes.", file=path.name, remedy="Split it."
            )
        return parse_dataset(path.read_text(encoding="utf-8-sig"), path.name, skills)
    except OSError as error:
        raise ConfigError(f"the file cannot be read: {error.strerror}.", file=path.name) from None
    except UnicodeDecodeError:
        raise ConfigError("the file is not UTF-8.", file=path.name, remedy="Save it as UTF-8.") from None


def models_of(project: Project) -> ModelClient:
    """The providers that the project names."""
    from clearway.adapters.models.providers import Providers

    return Providers(project.settings.models.providers)


def route_all(
    router: Router, skills: Mapping[str, SkillSpec], dataset: Sequence[Labelled]
) -> list[tuple[Labelled, Route]]:
    """Each labelled text with its route."""
    return [(label, router.route(label.text, skills)) for label in dataset]


def known_texts(dataset: Sequence[Labelled], skills: Mapping[str, SkillSpec]) -> int:
    """How many of the texts are examples of the skills."""
    known = _examples(skills)
    return sum(label.text in known for label in dataset)


def _examples(skills: Mapping[str, SkillSpec]) -> set[str]:
    return {text for skill in skills.values() for text in skill.examples}


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a calibration found. `left_out`: texts of the dataset that are examples too, and so prove nothing, and those
    that the router leaves to another one. `out_of_scope`: of `texts`."""

    router: str
    calibration: Calibration
    texts: int
    left_out: int
    out_of_scope: int
    trade_offs: list[TradeOff]

    def as_json(self) -> dict[str, Any]:
        return {
            "router": self.router,
            "version": self.calibration.version,
            "scale": self.calibration.scale.as_json(),
            "texts": self.texts,
            "left_out": self.left_out,
            "out_of_scope": self.out_of_scope,
            "trade_offs": [
                {"threshold": t.threshold, "taken": t.taken, "precision": t.precision, "false_accepts": t.false_accepts}
                for t in self.trade_offs
            ],
        }


def calibrate(
    project: Project,
    dataset: Sequence[Labelled],
    *,
    recall: float = 0.95,
    precision: float | None = None,
) -> Calibrated:
    """Fits the scale of the project's embedded router (or of TF-IDF, where that routes) on `dataset`.

    Errors: `Invalid` (`dataset`) where nothing is left, or no threshold is that precise; `ConfigError` where
    the project uses neither router."""
    skills, impacts = project.skills, impacts_of(project.skills, project.tools)
    known = _examples(skills)
    kept = [label for label in dataset if label.text not in known]
    if not kept:
        raise Invalid(
            "Every text of the dataset is an example of a skill.", code="dataset", remedy="Use texts that are not."
        )
    name, version, weights, found = _figures(project, impacts, [label.text for label in kept])
    figures = [row for row in found if row is not None]
    kept = [label for label, row in zip(kept, found, strict=True) if row is not None]
    if not kept:
        raise Invalid(
            "The encoder can read none of the texts.", code="dataset", remedy="See docs/reference/routing.md."
        )
    judged = [_judged(label, *row) for label, row in zip(kept, figures, strict=True)]
    basis = f"calibrated on {len(kept)} texts ({_address(kept)})"
    scale = calibrations.calibrate(judged, weights, basis, recall=recall, precision=precision)
    rows = [(label, _scored(name, version, scale, *row)) for label, row in zip(kept, figures, strict=True)]
    thresholds = sorted({*THRESHOLDS, scale.threshold})
    return Calibrated(
        name,
        Calibration(scale, version),
        texts=len(kept),
        left_out=len(dataset) - len(kept),
        out_of_scope=sum(label.skill is None for label in kept),
        trade_offs=trade_offs(rows, thresholds),
    )


def keep_calibration(project: Project, found: Calibrated) -> Path:
    """Writes it into the project's `routes/calibration.json`, beside those of other routers. Errors: `Invalid`."""
    path = project.folder / calibrations.FILE
    every = {**read_calibrations(project.folder), found.router: found.calibration}
    try:
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(calibrations.calibrations_json(every), indent=2, sort_keys=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{calibrations.FILE} cannot be written: {error.strerror}.", code="folder") from None
    return path


Measured = tuple[list[tuple[str, float]], tuple[float, ...]]


def _figures(
    project: Project, impacts: Mapping[str, Impact], texts: Sequence[str]
) -> tuple[str, str, tuple[float, ...], Sequence[Measured | None]]:
    """(router, its version, weights of its figures, (shares, figures) of each text), before any calibration. None: the
    router leaves the text to another one."""
    routers = project.settings.routing.routers
    if "embedded" in routers:
        embedded = EmbeddedRouter(impacts, cache_folder(project))
        measured, trained = embedded.figures(texts, project.skills), embedded.trained(project.skills)
        if measured is not None and trained is not None:
            return "embedded", trained.version, FIGURE_WEIGHTS, measured
    elif "tfidf" not in routers:
        raise ConfigError(
            "The project routes by neither examples nor embeddings: there is nothing to calibrate.",
            remedy='Write [routing] and routers = ["rules", "embedded"].',
        )
    model = TfidfRouter(impacts).model(project.skills)
    return "tfidf", model.version, tfidf.FIGURE_WEIGHTS, [model.figures(text) for text in texts]


def _judged(label: Labelled, shares: list[tuple[str, float]], figures: tuple[float, ...]) -> Judged:
    margin = shares[0][1] - shares[1][1] if len(shares) > 1 else shares[0][1]
    return Judged(figures, margin, shares[0][0] == label.skill, label.skill is not None)


def _scored(
    name: str, version: str, scale: Scale, shares: list[tuple[str, float]], figures: tuple[float, ...]
) -> Route:
    return Route(None, name, scale.score(figures), "measured", version=version, candidates=tuple(shares[:1]))


def _address(dataset: Sequence[Labelled]) -> str:
    """Content address of the labelled texts."""
    lines = "\n".join(json.dumps([label.text, label.skill]) for label in dataset)
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()[:12]}"


def _mask(finder: Finder | None) -> Callable[[str], str]:
    """What a model may be sent of a text: what is personal or secret stands as its type."""
    using = finder or Finder()

    def mask(text: str) -> str:
        return using.scrub(text, RunMemory(), lambda _, kind: f"<{kind}>")

    return mask
