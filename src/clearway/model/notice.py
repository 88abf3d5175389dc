"""A notice: that something waits or went wrong, and where to look. It decides nothing and holds no arguments."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Notice:
    """`id`: the same at each attempt, so that whoever receives it twice can tell. `kind`: of the event it is about.
    `at`: RFC 3339. `link`: where a person signs in and decides; following it changes nothing."""

    id: str
    kind: str
    at: str
    tenant: str
    environment: str
    title: str
    text: str
    link: str


class Delivery(StrEnum):
    """Of one notice by one channel. `given_up`: tried too often, or refused for good."""

    PENDING = "pending"
    SENT = "sent"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Sending:
    """The row of one notice and channel. `seq`: of the event. `code`: why the last attempt failed."""

    seq: int
    channel: str
    kind: str
    state: Delivery
    attempts: int
    at: float
    code: str
