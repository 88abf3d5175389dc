"""What a tool may raise to say precisely what happened. Anything else an effect raises counts as in doubt."""


class ToolSignal(Exception):
    """Base of what a tool raises on purpose. `code` is stored and shown; keep values out of it."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


class NotSent(ToolSignal):
    """Certainly nothing was sent: trying again is safe."""


class TryLater(ToolSignal):
    """The other side declined before doing anything, and says when to come back."""

    def __init__(self, code: str, message: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class Rejected(ToolSignal):
    """The other side definitely refused: it did not happen and will not."""


class InDoubt(ToolSignal):
    """It may have happened."""
