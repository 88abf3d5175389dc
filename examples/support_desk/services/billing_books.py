"""The tables of the billing ledger, and reading them from outside.

The readers open the ledger's file read-only, so they also serve as the verdict after the service was killed.
Amounts are whole minor units with a currency; times are RFC 3339 UTC.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

LEDGER_FILE = "billing.db"

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, holder TEXT NOT NULL, email TEXT NOT NULL, status TEXT NOT NULL,
    balance_minor INTEGER NOT NULL, currency TEXT NOT NULL, plan TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, received_at TEXT NOT NULL, path TEXT NOT NULL, idempotency_key TEXT,
    duplicate INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS charges (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL REFERENCES accounts (id),
    kind TEXT NOT NULL CHECK (kind IN ('adjustment', 'refund')), amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL, idempotency_key TEXT, key_honoured INTEGER NOT NULL, memo TEXT NOT NULL,
    created_at TEXT NOT NULL, reversed_at TEXT) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_charge_a_key ON charges (idempotency_key) WHERE key_honoured = 1;
CREATE TABLE IF NOT EXISTS answers (
    idempotency_key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS reversals (
    charge TEXT PRIMARY KEY REFERENCES charges (id), body TEXT NOT NULL) STRICT;
"""

SEEDED_ACCOUNTS = (
    ("9182", "acme", "Ada Moreau", "ada.moreau@example.org", "active", 480_000, "USD", "pro"),
    ("7001", "acme", "Jonas Weber", "jonas.weber@example.org", "active", 12_900, "EUR", "business"),
    ("5005", "acme", "Priya Nair", "priya.nair@example.org", "active", 0, "USD", "starter"),
    ("3310", "acme", "Kenji Sato", "kenji.sato@example.org", "active", 98_000, "JPY", "pro"),
    ("4477", "acme", "Grace Okafor", "grace.okafor@example.org", "past_due", -1_500, "GBP", "starter"),
    ("6120", "globex", "Lena Fischer", "lena.fischer@example.org", "active", 700, "EUR", "starter"),
    ("2093", "acme", "Harbour Bakery", "accounts@harbour-bakery.example", "active", 1_250_000, "USD", "business"),
    ("8842", "acme", "Tom Hughes", "tom.hughes@example.org", "closed", 0, "USD", "starter"),
)

SELECT_CHARGES = """
SELECT id, account, kind, amount_minor, currency, idempotency_key, memo, created_at, reversed_at FROM charges
WHERE (? IS NULL OR account = ?) AND (? IS NULL OR idempotency_key = ?) ORDER BY number
"""


@dataclass(frozen=True)
class Charge:
    """A row of the ledger. `idempotency_key` is the key as sent, whether or not the service honours keys."""

    id: str
    account: str
    kind: str
    amount_minor: int
    currency: str
    idempotency_key: str | None
    memo: str
    created_at: str
    reversed_at: str | None


@dataclass(frozen=True)
class ReceivedRequest:
    """A POST that reached the service; `duplicate` if it was answered with an earlier request's answer."""

    received_at: str
    path: str
    idempotency_key: str | None
    duplicate: bool


def read_charges(data_dir: Path) -> list[Charge]:
    """Every charge ever committed, reversed ones included, oldest first."""
    with closing(_open_read_only(data_dir)) as db:
        return select_charges(db)


def read_requests(data_dir: Path) -> list[ReceivedRequest]:
    """Every POST received, whatever became of it, oldest first. Arming faults is not in the log."""
    with closing(_open_read_only(data_dir)) as db:
        rows = db.execute("SELECT received_at, path, idempotency_key, duplicate FROM requests ORDER BY number")
        return [ReceivedRequest(at, path, key, bool(duplicate)) for at, path, key, duplicate in rows]


def select_charges(db: sqlite3.Connection, account: str | None = None, key: str | None = None) -> list[Charge]:
    """The charges of an account, or sent with an idempotency key, or all; oldest first."""
    return [Charge(*row) for row in db.execute(SELECT_CHARGES, (account, account, key, key))]


def _open_read_only(data_dir: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{(data_dir / LEDGER_FILE).resolve().as_uri()}?mode=ro", uri=True, timeout=10)
