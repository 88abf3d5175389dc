"""The tool that writes to customers, over SMTP.

`SMTP_HOST` and `SMTP_PORT` say where the mail server is, such as 127.0.0.1 and 8025; `SMTP_FROM` is the sender.
"""

import os
import smtplib
from email.message import EmailMessage
from typing import Any, Literal

from tools.billing_client import spell

from clearway import NotSent, Retry, ToolContext, tool

TIMEOUT_S = 2.0
SENDER = "support@acme.example"

TEXT = """Hello,

we have entered {what} of {amount} on your account {account}.

Your support desk
"""


@tool(
    impact="external",
    targets="account:{account}",
    summary="E-mail the customer of account {account} about a {kind} of {amount_minor|money:currency}",
    # The address is the customer's: what is stored and shown is a token in its place.
    sensitive=("email",),
    timeout_s=TIMEOUT_S,
    retry=Retry(attempts=3, base_s=0.1, max_s=1.0),
    # No idempotency: mail servers de-duplicate nothing. A message in doubt is left to a person.
    owner="desk",
)
def send_confirmation(
    context: ToolContext,
    account: str,
    email: str,
    kind: Literal["adjustment", "refund"],
    amount_minor: int,
    currency: str,
) -> dict[str, Any]:
    """Confirms an adjustment or a refund to the customer by e-mail."""
    host, port = os.environ.get("SMTP_HOST", ""), os.environ.get("SMTP_PORT", "")
    if not host or not port.isdigit():
        raise NotSent("smtp_host", "SMTP_HOST or SMTP_PORT is not set. Write, for instance, SMTP_PORT=8025.")
    amount = spell(amount_minor, currency)
    message = EmailMessage()
    message["From"] = os.environ.get("SMTP_FROM", SENDER)
    message["To"] = email
    message["Subject"] = f"Your account {account}: {kind} of {amount}"
    # The same for every attempt of this step, so that whoever reads the mailbox can tell a double from a second one.
    message["Message-ID"] = f"<{context.idempotency_key.removeprefix('sha256:')}@clearway.invalid>"
    what = "an adjustment" if kind == "adjustment" else "a refund"
    message.set_content(TEXT.format(what=what, amount=amount, account=account))
    server = smtplib.SMTP(host, int(port), timeout=TIMEOUT_S)
    try:
        server.send_message(message)
    finally:
        # Not `with`: a failing good-bye would pass for a failure of the message, which is gone already.
        server.close()
    return {"message_id": message["Message-ID"]}
