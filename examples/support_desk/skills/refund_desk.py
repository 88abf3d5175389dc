"""Refunds money to an account. Large refunds wait for finance; that is policy, not written here."""

from typing import Any

from skills.request_text import account_in, check_account, money_in, reference_in
from tools.billing import read_account, refund
from tools.mail import send_confirmation

from clearway import Done, Run, skill


@skill(
    description="Refunds an amount to an account, after looking at it, and confirms it to the customer.",
    tools=[read_account, refund, send_confirmation],
    examples=[
        "Refund $2,400 to account 9182",
        "Please refund 30 euros to account 7001, ticket CS-88.",
        "Give account 5005 its money back: $12.50.",
    ],
    keywords=["refund", "money back"],
    owner="finance",
    deadline_s=60,
    max_steps=6,
)
async def refund_desk(
    run: Run,
    text: str = "",
    account: str | None = None,
    amount_minor: int | None = None,
    currency: str | None = None,
    reference: str | None = None,
) -> dict[str, Any]:
    account = account or account_in(text)
    if amount_minor is None:
        amount_minor, currency = money_in(text, currency)

    found = await run.call(read_account, account=account, with_contact=True, reason="the account has to be open")
    check_account(found, currency)
    currency = str(found["currency"])
    receipt = await run.call(
        refund,
        account=account,
        amount_minor=amount_minor,
        currency=currency,
        reference=reference or reference_in(text) or "",
        reason="the customer asked for the money back",
    )
    # `propose`, not `call`: money that was paid back stays paid back, whatever becomes of the message.
    told = await run.propose(
        send_confirmation,
        account=account,
        email=found["email"],
        kind="refund",
        amount_minor=amount_minor,
        currency=currency,
        reason="the customer waits for the money",
    )
    answer = (
        "Refunded, and the customer was told." if isinstance(told, Done) else "Refunded; the customer was not told."
    )
    # A step that a person resolved has no receipt.
    return {"answer": answer, **(receipt or {})}
