"""Tools on the billing service. It honours idempotency keys, and can be asked what became of one."""

from collections.abc import Mapping
from typing import Any, Literal

import httpx
from tools.billing_client import TIMEOUT_S, account_target, billing, spell

from clearway import (
    Compensation,
    Found,
    Idempotency,
    LookupUnavailable,
    NotFoundThere,
    Rejected,
    Retry,
    Target,
    ToolContext,
    tool,
)

Arguments = Mapping[str, Any]
Kind = Literal["adjustment", "refund"]

#: Billing answers 503 before it does anything.
RETRY = Retry(attempts=3, base_s=0.1, max_s=2.0, unavailable_is_unsent=True)
#: Billing keeps the answers to idempotency keys for a day.
DEDUP_WINDOW_S = 86_400


async def own_account(arguments: Arguments) -> list[Target]:
    return await account_target(str(arguments["account"]))


async def find_charge(key: str, arguments: Arguments) -> Found | NotFoundThere | LookupUnavailable:
    """Asks billing for the charge that was sent with this idempotency key."""
    try:
        async with billing() as client:
            answer = await client.get("/charges", params={"key": key})
            charges = answer.raise_for_status().json()["charges"]
    except (httpx.HTTPError, ValueError, KeyError):
        return LookupUnavailable()
    return Found(_receipt(charges[0]), remote_ref=charges[0]["id"]) if charges else NotFoundThere()


async def balance_after(arguments: Arguments) -> dict[str, Any]:
    """What an approver sees: the balance now, and with the amount on it."""
    async with billing() as client:
        account = (await client.get(f"/accounts/{arguments['account']}")).raise_for_status().json()
    now, amount_minor = account["balance_minor"], arguments["amount_minor"]
    return {
        "before": {"balance": spell(now, account["currency"]), "status": account["status"]},
        "after": {"balance": spell(now + amount_minor, account["currency"]), "status": account["status"]},
    }


def undo(kind: Kind) -> Compensation:
    def arguments(done: Arguments, receipt: Any) -> Arguments:
        # A step that a person resolved has no receipt; the tool then says that it cannot tell which charge it was.
        return {"account": done["account"], "charge": receipt["charge"] if receipt else "", "kind": kind}

    return Compensation("reverse_charge", arguments)


@tool(
    impact="read",
    targets=own_account,
    summary="Read account {account}",
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    owner="desk",
)
async def read_account(account: str, with_contact: bool = False) -> dict[str, Any]:
    """Reads an account: status, plan, currency and balance_minor, with_contact also the customer's e-mail address."""
    async with billing() as client:
        found = (await client.get(f"/accounts/{account}")).raise_for_status().json()
    kept = ("status", "plan", "currency", "balance_minor", *(("email",) if with_contact else ()))
    return {"account": account, **{name: found[name] for name in kept}}


@tool(
    impact="internal_write",
    targets=own_account,
    summary="Adjust account {account} by {amount_minor|money:currency} for {reference}",
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    # No resend here: what came of it is asked for, and where billing cannot say, a person decides.
    # One adjustment a reference: planned anew in another run, it is the same one.
    idempotency=Idempotency(
        lookup=find_charge,
        settle_delay_s=0.5,
        business_key=lambda arguments: str(arguments["reference"]),
    ),
    compensate=undo("adjustment"),
    preview=balance_after,
    owner="desk",
)
async def write_adjustment(
    context: ToolContext, account: str, amount_minor: int, currency: str, reference: str
) -> dict[str, Any]:
    """Adjusts an account's balance. amount_minor is in the smallest unit of the currency; a negative one takes away."""
    return await _charge(context, "adjustments", account, amount_minor, currency, reference)


@tool(
    impact="external",
    targets=own_account,
    summary="Refund {amount_minor|money:currency} to account {account}",
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    # A resend with the same key is safe for a day; after that billing is asked.
    idempotency=Idempotency(remote_dedup_window_s=DEDUP_WINDOW_S, lookup=find_charge, settle_delay_s=0.5),
    compensate=undo("refund"),
    preview=balance_after,
    owner="finance",
)
async def refund(
    context: ToolContext, account: str, amount_minor: int, currency: str, reference: str = ""
) -> dict[str, Any]:
    """Refunds an amount to an account. amount_minor is in the smallest unit of the currency: 2500 USD are $25.00."""
    return await _charge(context, "refunds", account, amount_minor, currency, reference)


@tool(
    impact="internal_write",
    targets=own_account,
    summary="Take {kind} {charge} on account {account} back",
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    idempotency=Idempotency(remote_dedup_window_s=DEDUP_WINDOW_S),
    owner="finance",
)
async def reverse_charge(context: ToolContext, account: str, charge: str, kind: Kind) -> dict[str, Any]:
    """Takes an adjustment or a refund back, once."""
    if not charge:
        raise Rejected("charge_unknown", "Which charge to take back is not known.")
    async with billing() as client:
        path = f"/{kind}s/{charge}/reverse"
        answer = await client.post(path, json={}, headers={"Idempotency-Key": context.idempotency_key})
    return {"reversal": answer.raise_for_status().json()["id"], "charge": charge}


async def _charge(
    context: ToolContext, path: str, account: str, amount_minor: int, currency: str, memo: str
) -> dict[str, Any]:
    order = {"account": account, "amount_minor": amount_minor, "currency": currency, "memo": memo}
    async with billing() as client:
        answer = await client.post(f"/{path}", json=order, headers={"Idempotency-Key": context.idempotency_key})
    return _receipt(answer.raise_for_status().json())


def _receipt(charge: dict[str, Any]) -> dict[str, Any]:
    return {"charge": charge["id"], "amount_minor": charge["amount_minor"], "currency": charge["currency"]}
