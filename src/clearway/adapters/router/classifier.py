"""A trained router at work: logistic regression on embeddings, plus a linear SVM on TF-IDF, in numpy.

Three figures say how surely a text belongs to some skill at all: the logits' log-sum-exp, the similarity to the
nearest example, and the SVM's margin for the chosen skill.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController  # pyright: ignore[reportMissingTypeStubs]

from clearway.adapters.router.artefact import Artefact
from clearway.rules.routing.ngrams import tfidf

#: What each layer of the encoder counts for, as in `encoder.LAYERS`.
LAYER_WEIGHTS = (1.0, 0.7, 0.5)


def embedding(encoded: Any, means: Any) -> Any:
    """(texts, layers × width): each layer centred, at length 1, times its weight."""
    centred = encoded - means
    centred /= np.maximum(np.linalg.norm(centred, axis=2, keepdims=True), 1e-9)
    return (centred * np.asarray(LAYER_WEIGHTS, np.float32)[:, None]).reshape(len(encoded), -1)


def directions(encoded: Any) -> Any:
    """(texts, width): the last layer at length 1, whose products are cosines."""
    last = encoded[:, 0]
    return last / np.maximum(np.linalg.norm(last, axis=1, keepdims=True), 1e-9)


def log_sum_exp(logits: Any) -> Any:
    largest = logits.max(axis=1)
    return largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))


class Classifier:
    """`artefact`: as `training.train` makes it."""

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact
        meta, arrays = artefact.meta, artefact.arrays
        controller: Any = ThreadpoolController()
        self._blas: Any = controller.select(user_api="blas")
        self.skills: list[str] = list(meta["skills"])
        self._inverse: Mapping[str, float] = dict(
            zip(json.loads(meta["grams"]), arrays["inverse"].tolist(), strict=True)
        )
        self._place = {gram: place for place, gram in enumerate(self._inverse)}
        self._svm_weight = float(meta["svm_weight"])
        self._means = arrays["means"]
        self._weights, self._offsets = arrays["weights"], arrays["offsets"]
        self._near = arrays["near"].astype(np.float32)
        self._svm, self._svm_offsets = arrays["svm"], arrays["svm_offsets"]

    def figures(self, encoded: Any, text: str) -> tuple[list[tuple[str, float]], tuple[float, ...]]:
        """(shares, best first; figures) of one text, `encoded` as the encoder gives it: (1, layers, width)."""
        # Products with one vector: on several threads they take longer, by far where other work shares the cores.
        with self._blas.limit(limits=1):
            logits = embedding(encoded, self._means) @ self._weights + self._offsets
            nearest = (self._near @ directions(encoded)[0]).max(keepdims=True)
        shares, figures = measured(logits, self._margins(text)[None], nearest, self._svm_weight)
        order = sorted(range(len(self.skills)), key=lambda place: (-shares[0, place], self.skills[place]))
        ranked = [(self.skills[place], float(shares[0, place])) for place in order]
        return ranked, tuple(float(figure) for figure in figures[0])

    def _margins(self, text: str) -> Any:
        """The SVM's, by skill: only the rows of the n-grams that occur are read."""
        vector = tfidf(text, self._inverse)
        places = [self._place[gram] for gram in vector]
        values = np.fromiter(vector.values(), np.float32, len(vector))
        return values @ self._svm[places].astype(np.float32) + self._svm_offsets


def measured(logits: Any, margins: Any, nearest: Any, svm_weight: float) -> tuple[Any, Any]:
    """(shares, figures) of texts from their logits and margins by skill, and their nearest similarity."""
    joined = logits + svm_weight * margins
    total = log_sum_exp(joined)
    shares = np.exp(joined - total[:, None])
    best = joined.argmax(axis=1)
    return shares, np.stack([total, nearest, margins[np.arange(len(best)), best]], axis=1)
