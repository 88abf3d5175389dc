"""How an action ends. These are values: an expected ending is not an exception."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """It happened once. `replayed`: the recorded result was returned, nothing ran now."""

    result: Any
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Policy, a person or a limit said no; nothing was sent. `code` is stable, `policies` determined it."""

    code: str
    message: str
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """It was tried and certainly did not happen."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It was sent, and whether it happened is not known. Left only by resend, lookup or a person."""

    code: str
    message: str


Outcome = Done | Refused | Failed | Unknown


@dataclass(frozen=True, slots=True)
class Returned:
    """What a tool's function returned, normalised through JSON so that it equals what a replay returns."""

    result: Any
