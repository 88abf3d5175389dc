"""Releases, their signatures, and which of them is in force."""

from collections.abc import Sequence
from typing import Any, Protocol

from clearway.model.release import Move, Pointer, Release, Signature


class Releases(Protocol):
    """Bundles and their signatures hold for every scope; pointer and moves are the scope's own."""

    def insert(self, release: Release) -> bool:
        """False where this digest is stored already: the same bundle, cut again."""
        ...

    def get(self, digest: str) -> Release | None: ...

    def find(self, start: str) -> list[Release]:
        """Those whose digest begins with `start`; two at most."""
        ...

    def revoke(self, digest: str, at: float, by: str, reason: str) -> bool:
        """False where it is revoked already, or not there."""
        ...

    def reinstate(self, digest: str, votes: Sequence[str], *, done: bool) -> bool:
        """Records who wants the revocation taken back; `done` takes it back. False where it is not revoked."""
        ...

    def sign(self, signature: Signature) -> bool:
        """False where this person has signed it for this duty already."""
        ...

    def signatures(self, digest: str) -> list[Signature]: ...

    def pointer(self) -> Pointer | None:
        """What is in force in this scope; None where nothing was ever promoted."""
        ...

    def move(self, pointer: Pointer, *, kind: str, from_generation: int) -> bool:
        """Compare-and-set of the pointer (0: none was there), with its `Move`. Returns whether it won."""
        ...

    def note_guard(self, generation: int, guard: dict[str, Any]) -> bool:
        """Keeps a canary's evidence. False where the pointer was moved meanwhile."""
        ...

    def moves(self, *, limit: int = 50) -> list[Move]:
        """Newest first."""
        ...

    def list(self, *, limit: int = 50, before: tuple[float, str] | None = None) -> list[Release]:
        """Newest first, without their bundles; `before` is the (created_at, digest) of the last of the page before."""
        ...
