"""What people are told outside of the product, and how that went."""

from typing import Protocol

from clearway.model.notice import Notice, Sending


class Notices(Protocol):
    def put(self, sending: Sending) -> None:
        """Inserts, or replaces that of the same event and channel."""
        ...

    def of_event(self, seq: int) -> list[Sending]: ...

    def newest(self, *, limit: int = 50) -> list[Sending]: ...


class NoticeChannel(Protocol):
    def send(self, notice: Notice) -> None:
        """Errors: `Unavailable` (tried again later), `Invalid` and `ConfigError` (for good)."""
        ...
