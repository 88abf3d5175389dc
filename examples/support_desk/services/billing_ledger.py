"""The billing service's own books: one SQLite file, WAL, synchronous FULL.

Amounts are whole minor units with a currency; a positive amount credits the account. Times are RFC 3339 UTC.
Once a method that charges or reverses has returned, its effect survives `kill -9` and a power cut.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from examples.support_desk.services.billing_books import (
    LEDGER_FILE,
    SCHEMA,
    SEEDED_ACCOUNTS,
    Charge,
    select_charges,
)

INSERT_CHARGE = """
INSERT INTO charges VALUES (:number, :id, :account, :kind, :amount_minor, :currency, :idempotency_key,
    :key_honoured, :memo, :created_at, :reversed_at)
"""


class Refusal(Exception):
    """A request that the service answers with an error: HTTP `status`, stable `code`, a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Order:
    """A validated adjustment or refund that is to become a charge."""

    kind: str
    account: str
    amount_minor: int
    currency: str
    memo: str


@dataclass(frozen=True)
class Receipt:
    """The JSON body that answers a charge or a reversal; `replayed` if an earlier request got it first."""

    body: dict[str, Any]
    replayed: bool


class BillingLedger:
    """The books, for one process; threads take turns."""

    def __init__(self, data_dir: Path, *, honour_keys: bool = True) -> None:
        self.honour_keys = honour_keys
        self._lock = threading.Lock()
        self._db = sqlite3.connect(data_dir / LEDGER_FILE, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(SCHEMA)
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", SEEDED_ACCOUNTS)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def record_request(self, path: str, key: str | None) -> int:
        """Note a received POST before anything is done about it; returns its number."""
        with self._transaction():
            row = (_now(), path, key)
            cursor = self._db.execute("INSERT INTO requests (received_at, path, idempotency_key) VALUES (?, ?, ?)", row)
            return int(cursor.lastrowid or 0)

    def account(self, account: str) -> dict[str, Any]:
        """The account's fields. Raises Refusal 404 `unknown_account`."""
        with self._lock:
            return self._account(account)

    def charges(self, account: str | None = None, key: str | None = None) -> list[Charge]:
        """The charges of an account, or sent with an idempotency key, or all; oldest first."""
        with self._lock:
            return select_charges(self._db, account, key)

    def account_charged(self, charge: str) -> str | None:
        """The account of a charge, None if there is no such charge."""
        with self._lock:
            row = self._db.execute("SELECT account FROM charges WHERE id = ?", (charge,)).fetchone()
            return row[0] if row else None

    def charge(self, order: Order, key: str | None, request: int) -> Receipt:
        """Commit a charge, or give the first answer again for a key that was honoured before.

        Raises Refusal: 404 `unknown_account`, 409 `account_closed`, 422 `currency_mismatch`, 422
        `idempotency_mismatch`.
        """
        fingerprint = _fingerprint(order.kind, order.account, order.amount_minor, order.currency, order.memo)
        with self._transaction():
            if (earlier := self._earlier_answer(key, fingerprint, request)) is not None:
                return Receipt(earlier, replayed=True)
            account = self._account(order.account)
            if account["status"] == "closed":
                raise Refusal(409, "account_closed", f"account {order.account} is closed")
            if account["currency"] != order.currency:
                message = f"account {order.account} is kept in {account['currency']}, not {order.currency}"
                raise Refusal(422, "currency_mismatch", message)
            body = self._insert_charge(order, key)
            self._keep_answer(key, fingerprint, body)
            return Receipt(body, replayed=False)

    def reverse(self, kind: str, charge: str, key: str | None, request: int) -> Receipt:
        """Take a charge back. A charge is reversed at most once; each later call gets the first answer again.

        Raises Refusal: 422 `idempotency_mismatch`, 404 `unknown_charge`.
        """
        fingerprint = _fingerprint("reverse", kind, charge)
        with self._transaction():
            if (earlier := self._earlier_answer(key, fingerprint, request)) is not None:
                return Receipt(earlier, replayed=True)
            found = self._db.execute(
                "SELECT account, amount_minor, currency FROM charges WHERE id = ? AND kind = ?",
                (charge, kind),
            ).fetchone()
            if found is None:
                raise Refusal(404, "unknown_charge", f"there is no {kind} {charge}")
            done = self._db.execute("SELECT body FROM reversals WHERE charge = ?", (charge,)).fetchone()
            if done is not None:
                self._mark_duplicate(request)
                self._keep_answer(key, fingerprint, json.loads(done[0]))
                return Receipt(json.loads(done[0]), replayed=True)
            account, amount_minor, currency = found
            body = {
                "id": f"rev_{charge}", "charge": charge, "account": account, "amount_minor": -amount_minor,
                "currency": currency, "created_at": _now(),
            }  # fmt: skip
            self._db.execute("INSERT INTO reversals VALUES (?, ?)", (charge, json.dumps(body)))
            self._db.execute("UPDATE charges SET reversed_at = ? WHERE id = ?", (body["created_at"], charge))
            self._credit(account, -amount_minor)
            self._keep_answer(key, fingerprint, body)
            return Receipt(body, replayed=False)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _account(self, account: str) -> dict[str, Any]:
        found = self._db.execute("SELECT * FROM accounts WHERE id = ?", (account,))
        row = found.fetchone()
        if row is None:
            raise Refusal(404, "unknown_account", f"there is no account {account}")
        return dict(zip((column[0] for column in found.description), row, strict=True))

    def _insert_charge(self, order: Order, key: str | None) -> dict[str, Any]:
        number = self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM charges").fetchone()[0]
        charge = Charge(
            id=f"{order.kind[:3]}_{number:06d}",
            **asdict(order),
            idempotency_key=key,
            created_at=_now(),
            reversed_at=None,
        )
        honoured = int(self.honour_keys and key is not None)
        self._db.execute(INSERT_CHARGE, asdict(charge) | {"number": number, "key_honoured": honoured})
        self._credit(order.account, order.amount_minor)
        return asdict(charge)

    def _credit(self, account: str, amount_minor: int) -> None:
        self._db.execute("UPDATE accounts SET balance_minor = balance_minor + ? WHERE id = ?", (amount_minor, account))

    def _earlier_answer(self, key: str | None, fingerprint: str, request: int) -> dict[str, Any] | None:
        if key is None or not self.honour_keys:
            return None
        row = self._db.execute("SELECT fingerprint, body FROM answers WHERE idempotency_key = ?", (key,)).fetchone()
        if row is None:
            return None
        if row[0] != fingerprint:
            raise Refusal(422, "idempotency_mismatch", "this idempotency key was used for another request")
        self._mark_duplicate(request)
        return json.loads(row[1])

    def _mark_duplicate(self, request: int) -> None:
        self._db.execute("UPDATE requests SET duplicate = 1 WHERE number = ?", (request,))

    def _keep_answer(self, key: str | None, fingerprint: str, body: dict[str, Any]) -> None:
        if key is not None and self.honour_keys:
            self._db.execute("INSERT INTO answers VALUES (?, ?, ?)", (key, fingerprint, json.dumps(body)))


def _fingerprint(*parts: str | int) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
