"""Threat 32: a dependency that fails does not get a storm of retries, and no tenant pays for another's."""

import pytest

from clearway import Retry, Run, skill
from tests.flow.desk import read_tool, refund_tool
from tests.road import Road, Roads, allow

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

#: What a full budget of 500 pays for: a retry costs 5, one after a time-out 10 (operations.md).
RETRIES = {"refuse connection": 100, "time out before": 50}


def a_road(roads: Roads, calls: int) -> Road:
    @skill(tools=["read_account", "refund"], max_steps=100_000, deadline_s=1e9)
    async def read(run: Run, times: int = calls) -> None:
        for number in range(times):
            await run.propose("read_account", account=str(number))

    @skill(tools=["read_account", "refund"], max_steps=100_000, deadline_s=1e9)
    async def refund(run: Run, times: int = calls) -> None:
        for number in range(times):
            await run.propose("refund", account=str(number), amount_minor=500)

    retry = Retry(attempts=3, base_s=0.1, max_s=0.1)
    tools = [read_tool(roads.remote, retry=retry), refund_tool(roads.remote, retry=retry)]
    return roads.build(tools=tools, skills=[read, refund], policy={"read_account": allow(), "refund": allow()})


@pytest.mark.parametrize(("what", "ends_in"), [("refund", "refuse connection"), ("read", "time out before")])
def test_t32_where_everything_fails_one_call_in_ten_is_a_retry_at_most(roads: Roads, what: str, ends_in: str) -> None:
    calls = 10 * RETRIES[ends_in]
    road = a_road(roads, calls)
    road.remote.do(then=ends_in)
    road.run(what)
    assert len(road.remote.calls) == calls + RETRIES[ends_in]  # 1.1 to 1; with every further call it is less
    assert not road.remote.effects


def test_t32_once_the_budget_is_used_up_success_earns_it_back_slowly(roads: Roads) -> None:
    road = a_road(roads, 60)
    road.remote.do(then="refuse connection")
    road.run("read")
    assert len(road.remote.calls) == 60 + RETRIES["refuse connection"]
    road.remote.do()
    road.run("read", times=4)  # four successes earn 4, and a retry costs 5
    before = len(road.remote.calls)
    road.remote.do(then="refuse connection")
    road.run("read", times=1)
    assert len(road.remote.calls) - before == 1
    road.remote.do()
    road.run("read", times=1)
    before = len(road.remote.calls)
    road.remote.do(then="refuse connection")
    road.run("read", times=2)
    assert len(road.remote.calls) - before == 2 + 1


def test_t32_another_tenant_has_its_own_budget_and_waits_for_nothing(roads: Roads) -> None:
    road = a_road(roads, 60)
    road.remote.do(then="refuse connection")
    road.run("refund")
    assert len(road.remote.calls) == 60 + RETRIES["refuse connection"]
    road.time.slept.clear()
    before = len(road.remote.calls)
    road.remote.do("refuse connection")
    road.run("refund", by="dana", times=1)
    assert len(road.remote.calls) - before == 1
    road.remote.do("refuse connection")
    run_id = road.start("rita", "refund", times=1)
    road.work()
    assert road.as_user("rita").run_status(run_id)["status"] == "done"
    assert len(road.remote.effects) == 1
    assert len(road.time.slept) == 1
