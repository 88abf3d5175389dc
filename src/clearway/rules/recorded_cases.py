r"""Recorded cases as JSON lines: what a run was asked, what it did, how that ended; tokenized. Strict, and parsed only.

The first line says what the file is, the last one how many cases it has and their digest. A dataset may come from
anybody (threat 33): a line is data, whatever it says. No name in it is looked up, no token opened, nothing resolved.
The digest tells a damaged file, not its author.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from clearway.model.errors import Invalid
from clearway.rules.canonical import canonical, parse_json

Json = dict[str, Any]

FORMAT = "clearway/recorded-cases/v1"
MOST_LINE_BYTES = 1_048_576
MOST_CASES = 100_000
MOST_STEPS = 10_000
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A call, a turn or a sleep. `arguments`, `result`: as shown; `code`: of a refusal or failure."""

    step: str
    kind: str
    tool: str
    impact: str
    state: str
    code: str | None
    arguments: Any
    targets: list[str]
    labels: Json | None
    result: Any


@dataclass(frozen=True, slots=True)
class RecordedCase:
    """A run: its tokenized request, and what became of it."""

    case: str
    skill: str
    status: str
    code: str | None
    release: str
    text: str
    input: Json
    route: Json
    steps: list[RecordedStep]
    result: Any


class Writing:
    """The lines of a dataset, one after the other; each with its line feed, in UTF-8."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self._about = dict(about)
        self._sum = hashlib.sha256()
        self.cases = 0

    def begin(self) -> bytes:
        return self._line({"format": FORMAT, **self._about})

    def case(self, case: RecordedCase) -> bytes:
        """Errors: `Invalid` where no reader would take it: too large, too deep, no canonical JSON."""
        line = _bytes(asdict(case))
        _case(_parsed(line))
        self.cases += 1
        self._sum.update(line)
        return line

    def end(self) -> bytes:
        return _bytes({"cases": self.cases, "digest": self.digest})

    @property
    def digest(self) -> str:
        return f"sha256:{self._sum.hexdigest()}"

    def _line(self, value: Json) -> bytes:
        line = _bytes(value)
        self._sum.update(line)
        return line


def parse_cases(lines: Iterable[bytes]) -> Iterator[RecordedCase]:
    """`lines`: with their line feeds, none longer than `MOST_LINE_BYTES`. What it gives counts only once all of it was
    given without an error: the digest stands at the end.

    Errors: `Invalid` (`dataset`), naming the line and never its content."""
    digest, count, ended = hashlib.sha256(), 0, False
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            if ended:
                raise Invalid("something follows the last line")
            if count > MOST_CASES:
                raise Invalid(f"there are over {MOST_CASES} cases")
            found = _parsed(line)
            if number == 1:
                _check_first(found)
            elif "digest" in found:
                _check_last(found, count, f"sha256:{digest.hexdigest()}")
                ended = True
            else:
                case = _case(found)
                count += 1
                yield case
        except Invalid as error:
            raise _refused(number, error.message) from None
        digest.update(line)
    if not ended:
        raise _refused(number, "the last line, with the digest, is missing")


def _parsed(line: bytes) -> Json:
    if not line.endswith(b"\n"):
        raise Invalid("a line is cut off")
    try:
        found = parse_json(line, what="it", most_bytes=MOST_LINE_BYTES)
    except ValueError:  # digits without end
        raise Invalid("a number is too long") from None
    if not isinstance(found, dict):
        raise Invalid("it is no object")
    canonical(found)  # no infinite or inexact number, no half of a surrogate pair
    return found


def _check_first(found: Json) -> None:
    if found.get("format") != FORMAT:
        raise Invalid(f"it does not say that it is {FORMAT}")
    _check(found, dict.fromkeys(("format", "tenant", "environment", "made_at"), (str,)), "the first line")


def _check_last(found: Json, count: int, digest: str) -> None:
    if found.keys() != {"cases", "digest"} or found["cases"] != count or found["digest"] != digest:
        raise Invalid("the cases are not those that its last line was written for")


_CASE: dict[str, tuple[type, ...]] = {
    "case": (str,),
    "skill": (str,),
    "status": (str,),
    "code": (str, type(None)),
    "release": (str,),
    "text": (str,),
    "input": (dict,),
    "route": (dict,),
    "steps": (list,),
    "result": (object,),
}
_STEP: dict[str, tuple[type, ...]] = {
    "step": (str,),
    "kind": (str,),
    "tool": (str,),
    "impact": (str,),
    "state": (str,),
    "code": (str, type(None)),
    "arguments": (object,),
    "targets": (list,),
    "labels": (dict, type(None)),
    "result": (object,),
}
_FREE = frozenset({"text"})


def _case(found: Json) -> RecordedCase:
    _check(found, _CASE, "a case")
    steps: list[Any] = found["steps"]
    if len(steps) > MOST_STEPS:
        raise Invalid(f"a case has over {MOST_STEPS} steps")
    whole: Any = {**found, "steps": [_step(step) for step in steps]}
    return RecordedCase(**whole)


def _step(found: Any) -> RecordedStep:
    if not isinstance(found, dict):
        raise Invalid("a step is no object")
    step = cast(Json, found)
    _check(step, _STEP, "a step")
    if not all(isinstance(target, str) for target in step["targets"]):
        raise Invalid("a step's target is no text")
    return RecordedStep(**step)


def _check(found: Json, kinds: Mapping[str, tuple[type, ...]], what: str) -> None:
    if found.keys() != kinds.keys():
        raise Invalid(f"{what} does not have the fields that it should have")
    for name, types in kinds.items():
        value = found[name]
        if not isinstance(value, types):
            raise Invalid(f"{name} of {what} is of another type")
        if types != (object,) and name not in _FREE and isinstance(value, str) and len(value) > LONGEST_NAME:
            raise Invalid(f"{name} of {what} is too long")


def _bytes(value: Json) -> bytes:
    return canonical(value) + b"\n"


def _refused(line: int, why: str) -> Invalid:
    return Invalid(
        f"This is no dataset of recorded cases: line {line}: {why.rstrip('.')}.",
        code="dataset",
        remedy="Write one with: clearway privacy dataset --out cases.jsonl",
    )
