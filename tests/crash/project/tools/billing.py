"""Tools on the billing services, which are processes with ledgers of their own.

`charge` and `held_charge` speak to the one that honours idempotency keys, the others to one that ignores them. The
memo of a charge says which step made it.
"""

import asyncio
import http.client
import json
from pathlib import Path
from typing import Any

from clearway import Idempotency, Retry, ToolContext, tool
from clearway.model.tool import Arguments, Found, NotFound
from tests.crash.boundaries import reached

KEYED, PLAIN = "keyed", "plain"

SETTINGS = json.loads((Path(__file__).parents[1] / "billing.json").read_text())
TIMEOUT_S: float = SETTINGS["timeout_s"]

#: How late billing may still commit what a worker sent before it was killed.
SETTLE_DELAY_S = 0.5


@tool(impact="read", targets="account:{account}")
def read_balance(account: str) -> dict[str, Any]:
    return _answer(_ask(KEYED, "GET", f"/accounts/{account}"))


def look_up_keyed(key: str, arguments: Arguments) -> Found | NotFound:
    return _look_up(KEYED, key)


def look_up_plain(key: str, arguments: Arguments) -> Found | NotFound:
    return _look_up(PLAIN, key)


@tool(
    impact="external",
    targets="account:{account}",
    timeout_s=TIMEOUT_S,
    idempotency=Idempotency(remote_dedup_window_s=3600.0, lookup=look_up_keyed, settle_delay_s=SETTLE_DELAY_S),
)
async def charge(ctx: ToolContext, account: str, amount_minor: int, currency: str = "USD") -> dict[str, Any]:
    return await asyncio.to_thread(_charge, KEYED, ctx, account, amount_minor, currency)


@tool(
    impact="external",
    targets="account:{account}",
    timeout_s=TIMEOUT_S,
    idempotency=Idempotency(lookup=look_up_plain, settle_delay_s=SETTLE_DELAY_S),
)
def charge_plain(ctx: ToolContext, account: str, amount_minor: int, currency: str = "USD") -> dict[str, Any]:
    return _charge(PLAIN, ctx, account, amount_minor, currency)


@tool(impact="external", targets="account:{account}", timeout_s=TIMEOUT_S, retry=Retry(attempts=1))
def charge_blind(ctx: ToolContext, account: str, amount_minor: int, currency: str = "USD") -> dict[str, Any]:
    return _charge(PLAIN, ctx, account, amount_minor, currency)


@tool(
    impact="external",
    targets="account:{account}",
    timeout_s=TIMEOUT_S,
    summary="Charge {amount_minor|money:currency} to account {account}",
    idempotency=Idempotency(remote_dedup_window_s=3600.0, lookup=look_up_keyed, settle_delay_s=SETTLE_DELAY_S),
)
def held_charge(ctx: ToolContext, account: str, amount_minor: int, currency: str = "USD") -> dict[str, Any]:
    return _charge(KEYED, ctx, account, amount_minor, currency)


def _charge(service: str, ctx: ToolContext, account: str, amount_minor: int, currency: str) -> dict[str, Any]:
    order = {
        "account": account,
        "amount_minor": amount_minor,
        "currency": currency,
        "memo": f"{ctx.run_id}/{ctx.step_id}",
    }
    reached("request")
    connection = _ask(service, "POST", "/adjustments", order, ctx.idempotency_key)
    reached("in flight")
    return _answer(connection)


def _look_up(service: str, key: str) -> Found | NotFound:
    charges = _answer(_ask(service, "GET", f"/charges?key={key}"))["charges"]
    return Found(charges[0], charges[0]["id"]) if charges else NotFound()


def _ask(
    service: str, method: str, path: str, body: dict[str, Any] | None = None, key: str | None = None
) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", SETTINGS[service], timeout=60)
    connection.request(method, path, json.dumps(body) if body else None, {"Idempotency-Key": key} if key else {})
    return connection


def _answer(connection: http.client.HTTPConnection) -> dict[str, Any]:
    try:
        response = connection.getresponse()
        if response.status >= 300:
            raise Refusal(response.status)
        return json.loads(response.read())
    finally:
        connection.close()


class Refusal(Exception):
    """An answer that is an error; the gate reads `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"billing answered {status}")
        self.status = status
