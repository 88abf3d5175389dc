"""Server time of the page of releases where each bundle holds a trained router of five megabytes: `/releases` shows
twenty of them, each with who has to sign what it changes.

Asked for in process, past the network, by somebody signed in. `cold`: the first look of a process, which reads each
bundle once; `p50` and `max`: `ASKED` looks after it; `cpu`: processor time of one of these. Goal: 200 ms.
"""

import base64
import hashlib
import random
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.console import _FILES, _ask, _session

RELEASES, ROUTER_BYTES, ASKED = 20, 5_000_000, 15
_OWNERS = """\
[groups.finance]
members = ["dana", "bo", "vera"]
[owners]
routing = "finance"
policy = "finance"
incident = "finance"
skill_approver = "finance"
"""


def run() -> dict[str, float]:
    from clearway.app import Clearway

    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name, text in {**_FILES, "ownership.toml": _OWNERS}.items():
            (project / name).parent.mkdir(exist_ok=True)
            (project / name).write_text(text)
        with Clearway.open(project) as app:
            megabytes = _fill(app) / 1e6
        with Clearway.open(project) as app:
            return {"releases": RELEASES, "bundle_mb": megabytes, **_asked(app)}


def _fill(app: Any) -> float:
    """Stores the releases, the first of them in force; returns how many bytes one has."""
    from clearway.rules.releases import bundles

    scope = app.scope(None, "prod", "user:dana")
    author, *signers = (app.directory.find(f"user:{name}", scope) for name in ("dana", "bo", "vera"))
    digest = app.shelf.cut(author, "the project as it is")["digest"]
    bundle = bundles.read(app.shelf.export(scope, digest))
    source = random.Random(4)  # noqa: S311
    size = 0
    for number in range(RELEASES):
        data = source.randbytes(ROUTER_BYTES)
        router = {
            "kind": "embedded",
            "version": f"v{number}",
            "lessons": "none",
            "sha256": hashlib.sha256(data).hexdigest(),
            "artefact": base64.b64encode(data).decode(),
        }
        files = {**bundle.files, "prompts/desk.md": f"Be brief, in {number} words.\n"}
        whole = bundles.write(replace(bundle, router=router, files=files))
        size = len(whole)
        taken = app.shelf.take_in(author, whole, f"release {number}")["digest"]
        for signer in signers:
            if any(not duty["signed_by"] for duty in app.shelf.show(scope, taken)["duties"]):
                app.shelf.sign(signer, taken, "looked at it")
        if number == 0:
            app.rollout.promote(signers[0], taken, "to begin")
    return float(size)


def _asked(app: Any) -> dict[str, float]:
    from starlette.testclient import TestClient

    from clearway.server.app import make_app
    from clearway.server.binding import Binding, options_of

    served = make_app(app, options_of(Binding(port=8080), app))
    with TestClient(served.asgi, base_url="http://127.0.0.1:8080", follow_redirects=False) as client:
        cookie = _session(served, app, "bo")
        _ask(client, "/account", cookie)
        cold = _ask(client, "/releases", cookie)
        begun = time.process_time()
        took = [_ask(client, "/releases", cookie) for _ in range(ASKED)]
        spent = (time.process_time() - begun) / ASKED * 1000
    return {"cold_ms": cold, "p50_ms": statistics.median(took), "max_ms": max(took), "cpu_ms": spent}
