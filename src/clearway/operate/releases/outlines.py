"""What releases say, kept by scope and digest: a page compares twenty, and each may hold megabytes of a trained router.

A bundle never changes under its digest, so what was read of it once holds for ever, and so does what differs between
two. INVARIANT: for looking only. Whatever puts a release in force, or calls it genuine, reads the stored bytes again.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, TypeVar

from clearway.model.errors import NotFound
from clearway.model.release import Bundle, Release
from clearway.operate.releases.reading import found, read
from clearway.ports import Tx
from clearway.rules.releases.bundles import router_line
from clearway.rules.releases.changes import Changes, changes

#: Outlines are as large as a project's texts; the routers' bytes are left out.
_MOST = 200
_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class Outline:
    """A release without its bytes, and its bundle without its router's. What can change of a release (whether it is
    revoked) is not to be read from here."""

    release: Release
    bundle: Bundle


def whole(release: Release) -> Outline:
    """As its stored bytes say now, with all of them. Errors: `Conflict` (`release_damaged`), `Invalid` (`bundle`)."""
    return Outline(release, read(release))


@dataclass(frozen=True, slots=True)
class Outlines:
    """One a process. Bounded: those that were not asked for longest are forgotten."""

    _outlines: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict[Hashable, Any])
    _changes: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict[Hashable, Any])
    _lock: Lock = field(default_factory=Lock)

    def of(self, tx: Tx, digest: str) -> Outline:
        """Errors: `NotFound`, `Conflict` (`release_damaged`), `Invalid` (`bundle`)."""

        def make() -> Outline:
            release = found(tx, digest)
            bundle = read(release)
            return Outline(replace(release, bundle=""), replace(bundle, router=router_line(bundle.router)))

        return self._kept(self._outlines, (tx.scope, digest), make)  # whose author is of one scope

    def find(self, tx: Tx, digest: str) -> Outline | None:
        """None where it is not stored. Errors: `Conflict` (`release_damaged`), `Invalid` (`bundle`)."""
        try:
            return self.of(tx, digest)
        except NotFound:
            return None

    def changes(self, old: Outline | None, new: Outline) -> Changes:
        """What `new` changes against `old`."""
        key = (old.release.digest if old else None, new.release.digest)
        return self._kept(self._changes, key, lambda: changes(old.bundle if old else None, new.bundle))

    def _kept(self, kept: OrderedDict[Hashable, Any], key: Hashable, make: Callable[[], _Kept]) -> _Kept:
        with self._lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        # Made outside of the lock: two that ask at once make the same.
        made = make()
        with self._lock:
            kept[key] = made
            while len(kept) > _MOST:
                kept.popitem(last=False)
        return made
