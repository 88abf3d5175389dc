"""The embedded router: no key, no network. Where its files are missing or wrong, TF-IDF routes and says so.

INVARIANT: numpy, onnxruntime and scikit-learn are imported when a text is routed, never before.
"""

import importlib.util
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearway.adapters.router.encoder import MODEL, VOCABULARY, Encoder, EncoderMissing
from clearway.adapters.router.wordpiece import can_tell
from clearway.model.tool import Impact, SkillSpec
from clearway.rules.canonical import digest
from clearway.rules.route import Route
from clearway.rules.routing.calibration import Calibration
from clearway.rules.routing.examples import Lesson, are_same, lessons_digest, lessons_of
from clearway.rules.routing.judge import Ranking, Teller, judge
from clearway.rules.routing.scale import Scale, scale_of
from clearway.rules.routing.tfidf import TfidfRouter

if TYPE_CHECKING:
    from clearway.adapters.router.classifier import Classifier

ROUTER = "embedded"
VERSION = 2
#: A project with fewer lessons is trained on one thread: starting more takes longer.
_MANY = 500

#: Weights in the score of the three figures; see `classifier`.
FIGURE_WEIGHTS = (1.0, 1.0, 0.5)


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier, its own scale, and its version: the address of what was trained."""

    classifier: "Classifier"
    scale: Scale
    version: str
    note: str = ""


class EmbeddedRouter:
    """`cache`: folder of trained artefacts; None: none is kept. `calibrations`, by router, go before the scale made in
    training. `encoder` makes the encoder for so many threads; it may raise `EncoderMissing`. `pinned`: (address of the
    lessons, bytes) of a trained artefact; for these lessons nothing else is loaded or trained."""

    def __init__(
        self,
        impacts: Mapping[str, Impact],
        cache: Path | None,
        calibrations: Mapping[str, Calibration] | None = None,
        encoder: Callable[[int], Encoder] = Encoder,
        *,
        pinned: tuple[str, bytes] | None = None,
    ) -> None:
        self._impacts = impacts
        self._cache = cache
        self._calibrations = calibrations or {}
        self._make_encoder = encoder
        self._pinned = pinned
        #: Why TF-IDF has to do; empty while the encoder can.
        self.missing = ""
        self._encoder: Encoder | None = None
        self._fallback: TfidfRouter | None = None
        self._unlettered = self._tfidf("the text is in no letters that the encoder can read")
        self._trained: tuple[tuple[SkillSpec, ...], Trained] | None = None
        self._lock = threading.Lock()

    def route(self, text: str, skills: Mapping[str, SkillSpec]) -> Route:
        if not skills:
            return Teller(ROUTER, "").abstention("there is no skill to choose from")
        with self._lock:
            trained = None if self._fallback else self._ready(skills)
        if trained is None or self._encoder is None:
            assert self._fallback is not None  # noqa: S101 - _ready set it
            return self._fallback.route(text, skills)
        if not can_tell(text):
            return self._unlettered.route(text, skills)
        shares, figures = trained.classifier.figures(self._encoder.encode([text]), text)
        teller = Teller(ROUTER, trained.version, trained.note)
        return judge(Ranking(shares, trained.scale.score(figures)), trained.scale, self._impacts, teller)

    def prepare(self, skills: Mapping[str, SkillSpec]) -> None:
        """Loads or trains now what the first text would wait for; texts that come meanwhile wait for the same."""
        if skills:
            self.trained(skills)

    def trained(self, skills: Mapping[str, SkillSpec]) -> Trained | None:
        """What this project's lessons give, from the cache or trained now; None where TF-IDF has to do."""
        with self._lock:
            return None if self._fallback else self._ready(skills)

    def pack(self, skills: Mapping[str, SkillSpec]) -> tuple[str, str, bytes] | None:
        """(address of the lessons, version, bytes) of what is trained for them; None where TF-IDF has to do."""
        trained = self.trained(skills)
        if trained is None:
            return None
        from clearway.adapters.router import artefact

        found = trained.classifier.artefact
        return _address(lessons_of(skills)), trained.version, artefact.pack(found.meta, found.arrays)

    def figures(self, texts: Sequence[str], skills: Mapping[str, SkillSpec]) -> "list[tuple[Any, Any] | None] | None":
        """(shares, figures) of each text, for calibration; None where TF-IDF has to do, for one text or for all."""
        trained = self.trained(skills)
        if trained is None or self._encoder is None:
            return None
        encoded = self._encoder.encode(texts)
        return [
            trained.classifier.figures(encoded[n : n + 1], text) if can_tell(text) else None
            for n, text in enumerate(texts)
        ]

    @property
    def fallback(self) -> TfidfRouter | None:
        """What routes where the encoder cannot; None while it can, or nothing was routed yet."""
        return self._fallback

    def _ready(self, skills: Mapping[str, SkillSpec]) -> Trained | None:
        """Called with the lock held."""
        if self._trained is not None and are_same(self._trained[0], skills):
            return self._trained[1]
        try:
            self._encoder = self._encoder or self._make_encoder(1)
            trained = self._load_or_train(lessons_of(skills), self._encoder)
        except EncoderMissing as missing:
            self.missing = str(missing)
            self._fallback = self._tfidf(self.missing)
            return None
        self._trained = tuple(skills.values()), trained
        return trained

    def _tfidf(self, why: str) -> TfidfRouter:
        note = f"TF-IDF in place of the embedded router: {why}"
        return TfidfRouter(self._impacts, self._calibrations.get("tfidf"), note)

    def _load_or_train(self, lessons: list[Lesson], encoder: Encoder) -> Trained:
        from clearway.adapters.router import artefact
        from clearway.adapters.router.classifier import Classifier

        address = _address(lessons)
        path = self._cache / f"{address}.router" if self._cache else None
        if self._pinned is not None and self._pinned[0] == address:
            found = artefact.unpack(self._pinned[1])
        else:
            found = artefact.load(path) if path else None
        if found is None:
            data = self._train(lessons, encoder)
            found = artefact.unpack(data)
            if path:
                artefact.keep(path, data)
        version, calibration = f"{VERSION}:{found.version}", self._calibrations.get(ROUTER)
        if calibration is None:
            return Trained(Classifier(found), scale_of(found.meta["scale"]), version)
        return Trained(Classifier(found), calibration.scale, version, calibration.note_for(version))

    def _train(self, lessons: list[Lesson], encoder: Encoder) -> bytes:
        if importlib.util.find_spec("sklearn") is None:
            raise EncoderMissing("scikit-learn is not installed: pip install 'clearway[router]'")
        from clearway.adapters.router import artefact
        from clearway.adapters.router.training import train

        many = len(lessons) > _MANY and self._make_encoder is Encoder
        using = Encoder(os.cpu_count() or 1) if many else encoder
        return artefact.pack(*train(lessons, using.encode([row.text for row in lessons])))


def _address(lessons: list[Lesson]) -> str:
    """Of everything that training depends on: the file's name in the cache."""
    parts = [VERSION, MODEL.sha256, VOCABULARY.sha256, lessons_digest(lessons)]
    return digest("clearway/router/v1", parts).removeprefix("sha256:")[:32]
