"""Looks at an account."""

from typing import Any

from skills.request_text import account_in
from tools.billing import read_account

from clearway import Run, skill


@skill(
    description="Tells the status, the plan and the balance of an account.",
    tools=[read_account],
    examples=[
        "What is the status of account 9182?",
        "Show me the balance of account 7001.",
        "Is account 8842 still active?",
    ],
    keywords=["status", "balance"],
    owner="desk",
    deadline_s=30,
    max_steps=3,
)
async def account_status(run: Run, text: str = "", account: str | None = None) -> dict[str, Any]:
    account = account or account_in(text)
    found = await run.call(read_account, account=account, reason="somebody asked how the account stands")
    return {"answer": f"Account {account} is {found['status']}.", **found}
