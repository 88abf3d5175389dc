"""Erasing a person takes along what sequence conditions have kept of their runs."""

from clearway import Run, skill, tool
from clearway.adapters.cedar import CedarPolicy, PolicyFile
from tests.flow.test_privacy_vault import STAFF
from tests.road import SCOPE, Json, Roads

POLICY = """
@id("at-most") permit(principal, action == Action::"pay", resource)
when { context.sum.amount_minor.user_day + context.arguments.amount_minor <= 1000 };
"""


def test_amounts_that_conditions_add_up_go_with_the_person_whose_runs_they_were_of(roads: Roads) -> None:
    @tool(impact="external", subject="customer")
    def pay(customer: str, amount_minor: int) -> Json:
        return {}

    @skill(tools=["pay"], subject="customer")
    async def payer(run: Run, customer: str, amount_minor: int) -> None:
        await run.call("pay", customer=customer, amount_minor=amount_minor)

    rules = CedarPolicy({"pay": pay.spec}, ["payer"], ["dev", "prod"], [PolicyFile("p.cedar", POLICY)])
    assert rules.check() == []
    road = roads.build(tools=[pay], skills=[payer], rules=rules, people=STAFF)
    for customer in ("cus_1", "cus_2"):
        run_id = road.start("dana", "payer", customer=customer, amount_minor=300)
        road.work()
        assert road.status(run_id) == "done"

    def amounts() -> int:
        return len(
            road.app.store.read(SCOPE, lambda tx: tx.happenings.amounts("pay", "user", "user:dana", 0.0, but_not=""))
        )

    assert amounts() == 2
    assert road.as_user("petra").erase("cus_1", "asked")["erased"]
    assert amounts() == 1
