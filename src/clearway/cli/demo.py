"""Finds the demonstration in a checkout and runs it. It is an example, not a part of the installed package."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import clearway
from clearway.model.errors import NotFound

DEMO = Path("examples") / "support_desk" / "demo.py"


def run_demo(arguments: Sequence[str]) -> int:
    """Runs `examples/support_desk/demo.py`. Errors: `NotFound` where there is no checkout."""
    root = _checkout()
    sys.path.insert(0, str(root))
    try:
        module = importlib.import_module(".".join(DEMO.with_suffix("").parts))
        return int(module.main(list(arguments)) or 0)
    finally:
        sys.path.remove(str(root))


def _checkout() -> Path:
    places = (Path(clearway.__file__).resolve().parents[2], Path.cwd())
    found = next((place for place in places if (place / DEMO).is_file()), None)
    if found is None:
        raise NotFound(
            "The demonstration is not here: it comes with a checkout of the project, not with the package.",
            code="no_demo",
            remedy="Go to the checkout's folder and run `make demo`.",
        )
    return found
