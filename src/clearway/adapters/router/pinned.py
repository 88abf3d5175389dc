"""The trained router of a release: what its bundle holds, and back. Bytes in JSON, checked by digest, parsed and never
executed (see `artefact`).

::

    {"kind": "embedded", "version", "lessons", "sha256", "artefact": base64}
    {"kind": "tfidf", "version", "why"}     # the extra was missing when the release was cut; it is made of the examples
    {"kind": "embedded", "why"}             # too large to be taken along: each worker trains it
    {}                                      # nothing is trained
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clearway.adapters.router.embedded import EmbeddedRouter
from clearway.model.tool import Impact, SkillSpec
from clearway.rules.route import Router
from clearway.rules.routing.calibration import Calibration
from clearway.rules.routing.tfidf import TfidfRouter

#: A bundle holds at most 16 MiB, and other things too.
MOST_BYTES = 8 << 20


def pinned(impacts: Mapping[str, Impact], cache: Path | None, skills: Mapping[str, SkillSpec]) -> dict[str, Any]:
    """What a bundle holds of the embedded router, trained now or from the cache; where it cannot be, of TF-IDF."""
    if not skills:
        return {}
    router = EmbeddedRouter(impacts, cache)
    packed = router.pack(skills)
    if packed is None:
        model = TfidfRouter(impacts).model(skills)
        return {"kind": "tfidf", "version": model.version, "why": router.missing}
    address, version, data = packed
    if len(data) > MOST_BYTES:
        return {"kind": "embedded", "why": f"{len(data)} bytes are more than a bundle takes along"}
    return {
        "kind": "embedded",
        "version": version,
        "lessons": address,
        "sha256": hashlib.sha256(data).hexdigest(),
        "artefact": base64.b64encode(data).decode(),
    }


def router_of(
    kept: Mapping[str, Any],
    impacts: Mapping[str, Impact],
    cache: Path | None,
    calibrations: Mapping[str, Calibration],
) -> Router:
    """The router that a bundle holds; where it holds none, one that is trained here."""
    if kept.get("kind") == "tfidf":
        note = f"TF-IDF in place of the embedded router, as the release was cut: {kept['why']}"
        return TfidfRouter(impacts, calibrations.get("tfidf"), note)
    given = (str(kept["lessons"]), base64.b64decode(kept["artefact"])) if "artefact" in kept else None
    return EmbeddedRouter(impacts, cache, calibrations, pinned=given)
