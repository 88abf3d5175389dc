"""Erasing a person takes along what sequence conditions have kept of their runs."""

import pytest

from clearway import Run, skill, tool
from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.model.errors import Erased, Internal
from clearway.model.vault import StoredKey
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

    def amounts() -> list[tuple[StoredKey | None, str]]:
        return road.app.store.read(SCOPE, lambda tx: tx.happenings.amounts("pay", "user", "user:dana", 0.0, but_not=""))

    kept = amounts()
    sealer = road.app.sealer
    assert [sealer.open_key(key, SCOPE).unseal(sealed) for key, sealed in kept] == [{"amount_minor": 300}] * 2
    # As an earlier version sealed them.
    assert sealer.open_key(kept[0][0], SCOPE).unseal(sealer.seal({"amount_minor": 7}, SCOPE)) == {"amount_minor": 7}
    assert road.as_user("petra").erase("cus_1", "asked")["erased"]
    left = amounts()
    assert len(left) == 1

    # Also a copy that was made before is of no use to who has the keyring and the store.
    def of_the_run(run_id: str) -> StoredKey | None:
        return road.app.store.read(SCOPE, lambda tx: tx.vault.key(run_id))

    for key, sealed in kept:
        assert key is not None
        with pytest.raises(Internal):
            sealer.unseal(sealed, SCOPE)
        if (key, sealed) in left:
            continue
        with pytest.raises(Erased):
            sealer.open_key(of_the_run(key.key_id), SCOPE)
