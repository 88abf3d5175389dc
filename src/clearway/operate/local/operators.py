"""What operators look after: kill switches, notices, costs."""

from typing import Any

from clearway.model.errors import Invalid, NotFound
from clearway.operate.costs import MOST_DAYS, cost_rows
from clearway.operate.desk import Bound
from clearway.operate.pages import checked_limit
from clearway.operate.records import switch_record
from clearway.ports import Tx
from clearway.rules.names import did_you_mean
from clearway.runtime.limits import DAY_S
from clearway.runtime.spending import used_on

Json = dict[str, Any]


class OperatorOperations(Bound):
    def switches(self) -> Json:
        return {"items": [switch_record(switch) for switch in self._read(lambda tx: tx.switches.list())], "next": None}

    def engage(self, kind: str, id: str, reason: str) -> Json:
        known = {"tool": self._desk.tools, "agent": self._desk.skills}.get(kind)
        if known is not None and id not in known:
            raise NotFound(
                f"The project has no {'skill' if kind == 'agent' else kind} of that name, so nothing would stop.",
                remedy=did_you_mean(id, known),
            )
        return switch_record(self._desk.interventions.engage(kind, id, self.caller, reason))

    def release(self, kind: str, id: str, reason: str) -> Json:
        return switch_record(self._desk.interventions.release(kind, id, self.caller, reason))

    def notices(self, *, failed: bool = False, limit: int = 50) -> Json:
        return self._desk.notices.listed(self._here, failed=failed, limit=checked_limit(limit))

    def try_notices(self, channel: str | None = None) -> Json:
        return self._desk.notices.try_out(self.caller, channel)

    def costs(self, *, days: int = 1) -> Json:
        """Turns, tokens and dollars of models in this tenant and environment, by UTC day, skill and model, newest day
        first. A turn without an answer is not among them; what it may have cost counts against the day's budget."""
        if not 1 <= days <= MOST_DAYS:
            raise Invalid(f"Costs are told of 1 to {MOST_DAYS} days.", code="days", remedy="Use --days 7.")

        def work(tx: Tx) -> Json:
            today = int(tx.now // DAY_S)
            counted = [(day, tx.limits.counters(used_on(day))) for day in range(today, today - days, -1)]
            return {"items": [row for day, found in counted for row in cost_rows(day, found)], "next": None}

        return self._read(work)
