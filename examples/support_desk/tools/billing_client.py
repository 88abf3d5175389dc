"""The billing service's HTTP client, its accounts as targets, and its amounts in words.

`BILLING_URL` says where billing is, such as http://127.0.0.1:8100.
"""

import os
import ssl
from http import HTTPStatus

import httpx

from clearway import Invalid, NotSent, Target

#: Seconds that one attempt at billing may take.
TIMEOUT_S = 2.0

_TLS = ssl.create_default_context()


def billing() -> httpx.AsyncClient:
    """A client for one call: clients belong to an event loop, so none is kept. Errors: `NotSent` (`billing_url`)."""
    url = os.environ.get("BILLING_URL", "")
    if not url.startswith(("http://", "https://")):
        raise NotSent("billing_url", "BILLING_URL is not set.")
    # `retries` is for failed connections only: nothing was sent then.
    transport = httpx.AsyncHTTPTransport(verify=_TLS, retries=2)
    return httpx.AsyncClient(base_url=url, transport=transport, timeout=TIMEOUT_S)


async def account_target(account: str) -> list[Target]:
    """The account as a target, with the tenant that billing says it belongs to.

    Errors: `Invalid` (`billing_url`); those of httpx."""
    try:
        client = billing()
    except NotSent as missing:
        remedy = "Start the worker with BILLING_URL set, such as BILLING_URL=http://127.0.0.1:8100."
        raise Invalid(str(missing), code=missing.code, remedy=remedy) from None
    async with client:
        answer = await client.get(f"/accounts/{account}")
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return [Target("account", account)]
    return [Target("account", account, str(answer.raise_for_status().json()["tenant"]))]


def spell(amount_minor: int, currency: str) -> str:
    """`2,400.00 USD`, as customers read it."""
    digits = 0 if currency == "JPY" else 2
    return f"{amount_minor / 10**digits:,.{digits}f} {currency}"
