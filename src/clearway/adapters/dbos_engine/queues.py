"""Where passes wait for a worker: one queue for those that any worker can carry out, and one for each code.

A pass whose run is pinned to a release waits in the queue of the code that the release was cut with; only workers that
have loaded that code take from it, so that it goes straight to one of them, and otherwise waits without being offered
around. An executor's id names its code, so that the others know whose passes would find nobody.
"""

import uuid
from collections.abc import Iterable

import sqlalchemy
from sqlalchemy import text

ANY = "clearway"


def queue_of(code: str | None) -> str:
    """`code`: a SHA-256 in hex; None: any worker will do."""
    return ANY if code is None else f"{ANY}.{code}"


def queues_for(code: str) -> list[str]:
    """What a worker with this code takes from; empty: one that has none to speak of."""
    return [ANY, *([queue_of(code)] if code else [])]


def executor_of(code: str) -> str:
    """A fresh id for an executor with this code."""
    return f"{uuid.uuid4().hex}.{code}" if code else uuid.uuid4().hex


def codes_of(executors: Iterable[str]) -> frozenset[str]:
    """The codes that these executors have."""
    return frozenset(code for _, _, code in (each.partition(".") for each in executors) if code)


def offered(connection: sqlalchemy.Connection, schema: str) -> frozenset[str]:
    """The codes that passes wait for now. Errors: `SQLAlchemyError`."""
    table = f"{schema}.workflow_status" if schema else "workflow_status"
    found = connection.scalars(
        text(f"SELECT DISTINCT queue_name FROM {table} WHERE status = 'ENQUEUED' AND queue_name LIKE :like"),  # noqa: S608 - our own name
        {"like": f"{ANY}.%"},
    )
    return frozenset(str(name).partition(".")[2] for name in found)
