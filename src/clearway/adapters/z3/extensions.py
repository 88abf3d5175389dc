"""Cedar's extension types: decimal, ipaddr, datetime and duration (Cedar 4, RFC 80)."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from ipaddress import ip_interface, ip_network
from typing import Any

from clearway.adapters.z3.solving import Term, choice, either
from clearway.adapters.z3.types import DECIMALS, LEAST, MOST
from clearway.adapters.z3.values import Address, Atom, Unsupported, Value, boolean

Answer = tuple[Value, Term]

CONSTRUCTORS = frozenset({"decimal", "ip", "datetime", "duration"})

_DECIMAL = re.compile(r"-?\d+\.\d{1,4}")
_DATETIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:\.(\d{3}))?(Z|[+-]\d{4}))?")
_DURATION = re.compile(r"(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS_MS = (86_400_000, 3_600_000, 60_000, 1_000, 1)
_DAY_MS = 86_400_000
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_MULTICAST = (ip_network("224.0.0.0/4"), ip_network("ff00::/8"))


def literal(constructor: str, text: str) -> Answer:
    """`decimal("1.5")` and its like. A text that Cedar refuses is an error when it is evaluated."""
    if constructor == "ip":
        try:
            return Address(ip_interface(text)), False
        except ValueError:
            return Address(ip_interface("0.0.0.0/0")), True
    found = {"decimal": _decimal, "datetime": _datetime, "duration": _duration}[constructor](text)
    inside = found is not None and LEAST <= found <= MOST
    return Atom(constructor, found if inside else 0), not inside


def _decimal(text: str) -> int | None:
    try:
        return int(Decimal(text).scaleb(DECIMALS)) if _DECIMAL.fullmatch(text) else None
    except InvalidOperation:
        return None


def _datetime(text: str) -> int | None:
    found = _DATETIME.fullmatch(text)
    if found is None:
        return None
    day, clock, milliseconds, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}").replace(tzinfo=UTC)
        if zone not in (None, "Z"):
            away = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
            moment = moment.replace(tzinfo=timezone(-away if zone[0] == "-" else away))
    except ValueError:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(milliseconds=1) + int(milliseconds or 0)


def _duration(text: str) -> int | None:
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()[1:]):
        return None
    total = sum(int(count or 0) * unit for count, unit in zip(found.groups()[1:], _UNITS_MS, strict=True))
    return -total if found[1] else total


def call(function: str, arguments: Sequence[Value]) -> Answer:
    """A function on values that were evaluated without error. Errors: `Unsupported`."""
    if function in _COMPARISONS and _are(arguments, "decimal", "decimal"):
        return boolean(_COMPARISONS[function](_term(arguments[0]), _term(arguments[1]))), False
    if function in _ON_TIME:
        kinds, compute = _ON_TIME[function]
        if _are(arguments, *kinds):
            return compute(*(_term(argument) for argument in arguments))
    known = [argument.of for argument in arguments if isinstance(argument, Address)]
    if function in _ON_ADDRESSES and len(known) == len(arguments):
        return boolean(_ON_ADDRESSES[function](known)), False
    raise Unsupported(f"{function}()")


def _are(arguments: Sequence[Value], *kinds: str) -> bool:
    return [argument.kind if isinstance(argument, Atom) else None for argument in arguments] == list(kinds)


def _term(value: Value) -> Term:
    return value.term if isinstance(value, Atom) else None


def bounded(kind: str, term: Term) -> Answer:
    """A number, in error where it is beyond 64 bits."""
    if isinstance(term, int):
        inside = LEAST <= term <= MOST
        return Atom(kind, term if inside else 0), not inside
    return Atom(kind, term), either(term < LEAST, term > MOST)


def _whole(unit_ms: int) -> Callable[[Term], Answer]:
    def compute(term: Term) -> Answer:
        if isinstance(term, int):
            return Atom("Long", abs(term) // unit_ms * (1 if term >= 0 else -1)), False
        return Atom("Long", choice(term >= 0, term / unit_ms, -((-term) / unit_ms))), False

    return compute


def _offset(moment: Term, by: Term) -> Answer:
    return bounded("datetime", moment + by)


def _duration_since(moment: Term, earlier: Term) -> Answer:
    return bounded("duration", moment - earlier)


def _to_date(term: Term) -> Answer:
    return bounded("datetime", term - term % _DAY_MS)


def _to_time(term: Term) -> Answer:
    return Atom("duration", term % _DAY_MS), False


def _within(part: Any, whole: Any) -> bool:
    return part.version == whole.version and part.network.subnet_of(getattr(whole, "network", whole))


_COMPARISONS: dict[str, Callable[[Term, Term], Term]] = {
    "lessThan": lambda one, other: one < other,
    "lessThanOrEqual": lambda one, other: one <= other,
    "greaterThan": lambda one, other: one > other,
    "greaterThanOrEqual": lambda one, other: one >= other,
}
_ON_TIME: dict[str, tuple[tuple[str, ...], Callable[..., Answer]]] = {
    "offset": (("datetime", "duration"), _offset),
    "durationSince": (("datetime", "datetime"), _duration_since),
    "toDate": (("datetime",), _to_date),
    "toTime": (("datetime",), _to_time),
    "toMilliseconds": (("duration",), _whole(1)),
    "toSeconds": (("duration",), _whole(1_000)),
    "toMinutes": (("duration",), _whole(60_000)),
    "toHours": (("duration",), _whole(3_600_000)),
    "toDays": (("duration",), _whole(_DAY_MS)),
}
_ON_ADDRESSES: dict[str, Callable[[Sequence[Any]], bool]] = {
    "isIpv4": lambda given: given[0].version == 4,
    "isIpv6": lambda given: given[0].version == 6,
    "isLoopback": lambda given: any(_within(given[0], network) for network in _LOOPBACK),
    "isMulticast": lambda given: any(_within(given[0], network) for network in _MULTICAST),
    "isInRange": lambda given: _within(given[0], given[1]),
}
FUNCTIONS = frozenset({*_COMPARISONS, *_ON_TIME, *_ON_ADDRESSES})
