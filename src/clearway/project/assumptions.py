"""Reads what a policy test, or `clearway policy explain`, assumes of labels and history.

::

    untrusted: [payee]
    endorsed: [amount_minor]
    sources: {payee: [read_email]}
    history:
      done: [get_reservation]            # also done_on_target, begun
      count: {user_day: 3}
      sum: {amount_minor: {user_day: 90000}}
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from clearway.model.assumption import Assumption
from clearway.model.history import History
from clearway.model.tool import ToolSpec
from clearway.project.located import Problems, Source, Table
from clearway.rules.sequences import PERIODS, SETS

KEYS = ("untrusted", "endorsed", "sources", "history")


def read_assumption(table: Table, spec: ToolSpec | None, tools: Collection[str]) -> Assumption:
    """The keys of `KEYS` in `table`; what is wrong is noted with its line."""
    names = list(spec.schema.get("properties", {})) if spec else []
    untrusted = table.texts("untrusted", example="[payee]")
    endorsed = table.texts("endorsed", example="[payee]")
    sources = table.table("sources")
    found = {path: sources.texts(path, example="[read_email]") for path in sources.values}
    for key, paths in (("untrusted", untrusted), ("endorsed", endorsed), ("sources", found)):
        for path in paths if spec else ():
            table.choice(key, re.split(r"[.\[#]", path)[0], names, "argument")
    history = _history(table.table("history"), names, tools)
    return Assumption(frozenset(untrusted), frozenset(endorsed), found, history)


def assumption_of(given: Mapping[str, Any], spec: ToolSpec | None, tools: Collection[str]) -> Assumption:
    """As `read_assumption`, of values that came from elsewhere. Errors: `ConfigError`."""
    problems = Problems()
    table = Table(Source("", given, {}), problems, (), given)
    found = read_assumption(table, spec, tools)
    table.finish()
    problems.raise_any()
    return found


def _history(table: Table, arguments: Collection[str], tools: Collection[str]) -> History:
    sets: dict[str, frozenset[str]] = {}
    for key in SETS:
        names = table.texts(key, example="[get_reservation]")
        for name in names:
            table.choice(key, name, tools, "tool")
        sets[key] = frozenset(names)
    counts = _counters(table.table("count"))
    totals = table.table("sum")
    sums = {
        name: _counters(totals.table(name))
        for name in totals.values
        if totals.choice(name, name, arguments, "argument")
    }
    table.finish()
    # INVARIANT: as in a run: what is done was begun, and what was done on the target was done.
    done = sets["done"] | sets["done_on_target"]
    return History(done, sets["done_on_target"], sets["begun"] | done, counts, sums)


def _counters(table: Table) -> dict[str, int]:
    found: dict[str, int] = {}
    for period, value in table.values.items():
        table.known.add(period)
        if not table.choice(period, period, PERIODS, "counter"):
            continue
        if type(value) is int and 0 <= value < 2**53:
            found[period] = value
        else:
            table.wrong(period, "should be a whole number", f"Write {period}: 3.")
    return found
