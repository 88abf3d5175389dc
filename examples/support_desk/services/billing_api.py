"""What the billing service answers, free of sockets: a request in, an answer out.

    GET  /accounts/{id}                       200 account
    GET  /charges?account=&key=               200 {"charges": [...]}; both filters optional
    GET  /charges/count?account=&key=         200 {"count": n}
    POST /adjustments, /refunds               201 charge; body {account, amount_minor, currency, memo?}
    POST /adjustments/{id}/reverse, /refunds/{id}/reverse    201 reversal; no body, or {}
    GET, POST, DELETE /faults                 200 {"armed": [...]}

A replayed answer carries `Idempotent-Replay: true`. Errors are {"error": {"code": ..., "message": ...}}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from examples.support_desk.services.billing_ledger import BillingLedger, Order, Receipt, Refusal
from examples.support_desk.services.faults import FaultPlan, read_fault

KINDS = {"adjustments": "adjustment", "refunds": "refund"}
LARGEST_AMOUNT_MINOR = 10**12
LONGEST_MEMO = 500
CURRENCY = re.compile(r"[A-Z]{3}")
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Request:
    """A request as received; `path` is split at its slashes, `body` is {} where none was sent."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True)
class Answer:
    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class BillingApi:
    """Routes requests to the ledger and to the armed faults."""

    def __init__(self, ledger: BillingLedger, plan: FaultPlan) -> None:
        self._ledger = ledger
        self._plan = plan

    def account_of(self, request: Request) -> str | None:
        """The account that a request is about, for matching faults; None where it names none."""
        match request.path:
            case ("accounts", account):
                return account
            case (_, charge, "reverse"):
                return self._ledger.account_charged(charge)
            case _:
                account = request.body.get("account", request.query.get("account"))
                return account if isinstance(account, str) else None

    def answer(self, request: Request, number: int) -> Answer:
        """Carry a request out; `number` is a POST's place in the log of requests. Raises Refusal."""
        match request.method, request.path:
            case "GET", ("accounts", account):
                return Answer(200, self._ledger.account(account))
            case "GET", ("charges",):
                return Answer(200, {"charges": self._found_charges(request.query)})
            case "GET", ("charges", "count"):
                return Answer(200, {"count": len(self._found_charges(request.query))})
            case "POST", (("adjustments" | "refunds") as kind,):
                order = read_order(KINDS[kind], request.body)
                return _receipt_answer(self._ledger.charge(order, _checked_key(request.key), number))
            case "POST", (("adjustments" | "refunds") as kind, charge, "reverse"):
                _refuse_unknown(request.body, set())
                return _receipt_answer(self._ledger.reverse(KINDS[kind], charge, _checked_key(request.key), number))
        raise Refusal(404, "unknown_route", f"there is no {request.method} /{'/'.join(request.path)}")

    def answer_about_faults(self, request: Request) -> Answer:
        """Arm, list or clear the faults. Raises Refusal."""
        if request.method == "POST":
            try:
                self._plan.arm(read_fault(request.body))
            except ValueError as error:
                raise Refusal(400, "invalid_fault", str(error)) from error
        elif request.method == "DELETE":
            self._plan.clear()
        return Answer(200, {"armed": self._plan.armed()})

    def _found_charges(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        _refuse_unknown(query, {"account", "key"})
        if "" in query.values():
            raise Refusal(400, "invalid_request", "a filter must not be empty; leave it out to list all")
        return [asdict(charge) for charge in self._ledger.charges(query.get("account"), query.get("key"))]


def refusal_answer(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(refusal.status, {"error": {"code": refusal.code, "message": refusal.message}}, headers or {})


def parse_body(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object strictly: no name twice, no NaN. Nothing sent is {}. Raises Refusal 400."""
    if not raw:
        return {}
    try:
        body = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique_names, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid_json", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_json", "the body must be a JSON object")
    return body


def read_order(kind: str, body: Mapping[str, Any]) -> Order:
    """Validate an adjustment (any amount but 0) or a refund (a positive amount). Raises Refusal 400."""
    _refuse_unknown(body, {"account", "amount_minor", "currency", "memo"})
    account, amount_minor, currency = body.get("account"), body.get("amount_minor"), body.get("currency")
    memo = body.get("memo", "")
    if not isinstance(account, str) or not account:
        raise Refusal(400, "invalid_request", "account must be a string")
    if type(amount_minor) is not int or amount_minor == 0 or abs(amount_minor) > LARGEST_AMOUNT_MINOR:
        message = f"amount_minor must be a whole number other than 0, at most {LARGEST_AMOUNT_MINOR}"
        raise Refusal(400, "invalid_request", message)
    if kind == "refund" and amount_minor < 0:
        raise Refusal(400, "invalid_request", "amount_minor of a refund must be positive")
    if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
        raise Refusal(400, "invalid_request", "currency must be three capital letters, as in ISO 4217")
    if not isinstance(memo, str) or len(memo) > LONGEST_MEMO:
        raise Refusal(400, "invalid_request", f"memo must be a string of at most {LONGEST_MEMO} characters")
    return Order(kind, account, amount_minor, currency, memo)


def _receipt_answer(receipt: Receipt) -> Answer:
    return Answer(201, receipt.body, {"Idempotent-Replay": "true"} if receipt.replayed else {})


def _checked_key(key: str | None) -> str | None:
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise Refusal(400, "invalid_request", "Idempotency-Key must be 1 to 255 visible ASCII characters")
    return key


def _refuse_unknown(given: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise Refusal(
            400,
            "invalid_request",
            f"unknown field {unknown[0]!r}; known: {', '.join(sorted(known)) or 'none'}",
        )


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return names


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
