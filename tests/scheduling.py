"""A pytest plugin: what one test process runs in a row, and what it begins with. `make test` has several processes.

A module is run by one process, which makes its fixtures once. What takes long is handed out first: the last process to
be done is then not far behind the others. (The mark `xdist_group` groups nothing under pytest 9.2: pytest-xdist's issue
1386. So this goes by the files' names.)
"""

from collections.abc import Iterable
from typing import Any

import pytest

#: Run by one process in a row, as if they were one module. Those of the workers that are killed start many processes
#: and measure leases in real time: never two at once. Those of the browser: see `tests/browser/conftest.py`.
TOGETHER = {
    "tests/crash/": "workers",
    "tests/releases/test_code_dispatch.py": "workers",
    "tests/releases/test_under_load.py": "workers",
    "tests/releases/test_tried_under_load.py": "workers",
    "tests/browser/": "browser",
}
#: Modules whose tests share nothing, and of which some take long: each test by itself.
APART = ("tests/docs/test_examples.py",)
#: The slowest first; whatever is not named comes after them, in the order of the files.
FIRST = (
    *(path for path, unit in TOGETHER.items() if unit == "workers"),
    "tests/browser/",
    "tests/docs/",
    "tests/privacy/",
    "tests/adapters/test_dbos_engine.py",
    "tests/demo/",
    "tests/releases/",
    "tests/server/",
    "tests/threats/",
    "tests/mutation/",
    "tests/adapters/",
    "tests/property/",
    "tests/cli/",
)


def unit_of(nodeid: str) -> str:
    """What `nodeid` is run together with."""
    path = nodeid.partition("::")[0]
    if path in APART:
        return nodeid
    return next((unit for start, unit in TOGETHER.items() if path.startswith(start)), path)


def in_order(nodeids: Iterable[str]) -> list[str]:
    """The slow ones first, otherwise as they were."""

    def place(nodeid: str) -> int:
        return next((number for number, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))

    return sorted(nodeids, key=place)


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is off, nobody knows this hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

    config.option.loadscopereorder = False  # our order, not by the number of tests
    return Units(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # a test process of several
        places = {nodeid: place for place, nodeid in enumerate(in_order(item.nodeid for item in items))}
        items.sort(key=lambda item: places[item.nodeid])
