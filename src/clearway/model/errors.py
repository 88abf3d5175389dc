"""The one tree of exceptions.

::

    ClearwayError                    code, retryable, remedy
    ├── Invalid                      what the caller sent is wrong          422 · exit 2
    │   ├── ConfigError              a project file is wrong (file, line)   422 · exit 2
    │   ├── IdempotencyMismatch      same key, other body or arguments      422 · exit 2
    │   ├── Malformed                no request that can be read            400 · exit 2
    │   ├── TooLarge                 more than is taken                     413 · exit 2
    │   └── Unsupported              in a form that is not taken            415 · exit 2
    ├── Unauthenticated              who is asking is not known             401 · exit 3
    ├── Denied                       known, but not allowed                 403 · exit 3
    ├── NotFound                     not there, or another tenant's         404 · exit 2
    │   └── Erased                   it was there, and is erased for good   410 · exit 2
    ├── Conflict                     the thing changed or is decided        409 · exit 1
    ├── Limited                      a limit, budget or kill switch said no 429 · exit 3
    ├── Unavailable                  the store, keyring or engine is not    503 · exit 5
    │   └── ModelBusy                a model's provider is not, just now    503 · exit 5
    ├── ModelFailed                  a model's provider will not answer     502 · exit 1
    └── Internal                     a defect of ours                       500 · exit 5

Expected endings of an action are values (`clearway.model.outcome`), not exceptions.
Every error says what to do in `remedy`; neither text holds a value that a caller sent.
"""

from dataclasses import dataclass
from typing import ClassVar


class ClearwayError(Exception):
    """Base of all of Clearway's errors.

    `code` is stable and documented; `retryable` says whether the same call may succeed later.
    """

    code: str = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str | None = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class Invalid(ClearwayError):
    code = "invalid"


class ConfigError(Invalid):
    """A project file is wrong; the message names file, line, what is wrong and what to write."""

    code = "config"

    def __init__(self, message: str, *, file: str = "", line: int = 0, remedy: str = "") -> None:
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{place}{message}", remedy=remedy)
        self.file = file
        self.line = line


class IdempotencyMismatch(Invalid):
    code = "idempotency_mismatch"


class Malformed(Invalid):
    """Not a request that a server can read: a wrong host, JSON that is none."""

    code = "malformed"


class TooLarge(Invalid):
    code = "too_large"


class Unsupported(Invalid):
    """Sent in a form that is not taken, as compressed."""

    code = "unsupported"


class Unauthenticated(ClearwayError):
    code = "unauthenticated"


class Denied(ClearwayError):
    code = "denied"


class NotFound(ClearwayError):
    code = "not_found"


class Erased(NotFound):
    """Its key was shredded, or its retention is over. Nothing brings it back."""

    code = "erased"


class Conflict(ClearwayError):
    code = "conflict"


class Limited(ClearwayError):
    code = "limited"
    retryable = True

    def __init__(
        self, message: str, *, code: str | None = None, remedy: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, code=code, remedy=remedy)
        self.retry_after_s = retry_after_s


class Unavailable(ClearwayError):
    code = "unavailable"
    retryable = True


class ModelFailed(ClearwayError):
    """Asking the same again would not help: the request was refused, the key is wrong, the answer makes no sense."""

    code = "model_failed"


class ModelBusy(Unavailable):
    """A model's provider is busy, away or slow. `retry_after_s`: when it asks to be asked again; None: it did not say.
    `sent`: the request may have been worked on, hence billed, all the same."""

    code = "model_busy"

    def __init__(
        self, message: str, *, code: str | None = None, retry_after_s: float | None = None, sent: bool = False
    ) -> None:
        super().__init__(message, code=code, remedy="Ask again later, or declare a fallback model.")
        self.retry_after_s = retry_after_s
        self.sent = sent


class Internal(ClearwayError):
    code = "internal"


@dataclass(frozen=True, slots=True)
class Surface:
    """How a class of errors shows: HTTP status, and exit code of the command line."""

    status: int
    exit: int


#: INVARIANT: the one table from errors to what people and programs see. Most specific class first.
SURFACES: tuple[tuple[type[ClearwayError], Surface], ...] = (
    (Malformed, Surface(400, 2)),
    (TooLarge, Surface(413, 2)),
    (Unsupported, Surface(415, 2)),
    (Invalid, Surface(422, 2)),
    (Unauthenticated, Surface(401, 3)),
    (Denied, Surface(403, 3)),
    (Erased, Surface(410, 2)),
    (NotFound, Surface(404, 2)),
    (Conflict, Surface(409, 1)),
    (Limited, Surface(429, 3)),
    (Unavailable, Surface(503, 5)),
    (ModelFailed, Surface(502, 1)),
    (ClearwayError, Surface(500, 5)),
)


def surface_of(error: ClearwayError) -> Surface:
    """The row of `SURFACES` that fits `error`."""
    return next(shown for kind, shown in SURFACES if isinstance(error, kind))
