"""Policy decides twice about an effect, before and within its claim. What is recorded is the second."""

from typing import Any

import pytest

from clearway.model.decision import Decision, Verdict
from tests.flow.desk import refund_skill, refund_tool
from tests.road import Roads, allow


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_an_effect_is_recorded_with_the_policies_that_decided_in_its_claim(roads: Roads) -> None:
    road = roads.build(tools=[refund_tool(roads.remote)], skills=[refund_skill()], policy={"refund": allow()})
    seen: list[Any] = []

    def answer(action: Any) -> Decision:
        seen.append(action)
        return Decision(Verdict.ALLOW, "allowed", (f"look-{len(seen)}",))

    road.rules.by_tool["refund"] = answer
    record = road.run("desk", account="9182", amount_minor=500)
    assert record["status"] == "done"
    assert len(seen) == 2
    started = [event for event in record["events"] if event["kind"] == "action.started"]
    assert [event["payload"]["policies"] for event in started] == [["look-2"]]
