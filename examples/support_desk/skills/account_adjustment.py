"""Adjusts an account's balance: read it, write the adjustment, tell the customer."""

from typing import Any

from skills.request_text import account_in, check_account, money_in, reference_in
from tools.billing import read_account, write_adjustment
from tools.mail import send_confirmation

from clearway import Run, skill


@skill(
    description="Adjusts the balance of an account by a small amount, and confirms it to the customer.",
    tools=[read_account, write_adjustment, send_confirmation],
    examples=[
        "Adjust account 9182 by $25 for the late delivery, ticket CS-1042.",
        "Adjust the balance of account 7001 by -4.50 EUR.",
        "Make an adjustment of 12 dollars on account 5005, ticket CS-7.",
    ],
    keywords=["adjust", "adjustment"],
    owner="desk",
    deadline_s=60,
    max_steps=6,
)
async def account_adjustment(
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
    # Without a ticket the adjustment stands for this run alone.
    reference = reference or reference_in(text) or run.id

    found = await run.call(read_account, account=account, with_contact=True, reason="the account has to be open")
    check_account(found, currency)
    currency = str(found["currency"])
    receipt = await run.call(
        write_adjustment,
        account=account,
        amount_minor=amount_minor,
        currency=currency,
        reference=reference,
        reason="support asked for an adjustment",
    )
    # `call`, not `propose`: where this fails the run fails, and an adjustment that nobody was told of is taken back.
    await run.call(
        send_confirmation,
        account=account,
        email=found["email"],
        kind="adjustment",
        amount_minor=amount_minor,
        currency=currency,
        reason="the customer is told of every adjustment",
    )
    # A step that a person resolved has no receipt.
    return {"answer": "The account was adjusted and the customer was told.", **(receipt or {})}
