"""The versions that this process can carry out: the project's folder, and stored releases whose code is loaded here."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from clearway.model.errors import Unavailable
from clearway.model.identity import Scope
from clearway.model.release import Pointer
from clearway.operate.releases.reading import read
from clearway.ports import Store
from clearway.project.project import Project
from clearway.project.released import has_code_of, released
from clearway.runtime.version import Version

MOST_KEPT = 8


@dataclass(frozen=True, slots=True)
class ReleasedVersions:
    """Implements `clearway.runtime.version.Versions`. `folder`: the version of the project as it was loaded; runs of
    earlier folders go on under it. `make`: a version of a project under a release's digest. `scope`: any of the
    store's, since bundles hold for all."""

    store: Store
    project: Project
    scope: Scope
    folder: Version
    make: Callable[[Project, str], Version]
    _kept: "OrderedDict[str, Version | None]" = field(default_factory=lambda: OrderedDict[str, Version | None]())
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, release: str) -> Version | None:
        """None where the release's code is not loaded here. Errors: `Unavailable`, `Conflict` (`release_damaged`)."""
        if release == self.folder.release:
            return self.folder
        with self._lock:
            if release in self._kept:
                return self._kept[release]
        stored = self.store.read(self.scope, lambda tx: tx.releases.get(release))
        if stored is None:  # of a folder that was not released: not kept, it may be cut any time
            return self.folder
        bundle = read(stored)
        version = self.make(released(self.project, bundle), release) if has_code_of(self.project, bundle) else None
        with self._lock:
            self._kept[release] = version
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return version

    def for_request(self, pointer: Pointer | None, key: str) -> Version:
        """Errors: `Unavailable` (`code_missing`)."""
        if pointer is None:
            return self.folder
        version = self.of(arm(pointer, key))
        if version is None:
            raise Unavailable(
                "The release in force needs code that is not loaded here.",
                code="code_missing",
                remedy="Send the request to a process with the code of the release, or see `clearway release status`.",
            )
        return version


def arm(pointer: Pointer, key: str) -> str:
    """The release that a request goes to: the same one each time, for the same key and canary."""
    if pointer.canary is None:
        return pointer.digest
    drawn = hashlib.sha256(f"{pointer.canary}\0{key}".encode()).digest()
    share = int.from_bytes(drawn[:8]) / 2**64
    return pointer.canary if share < pointer.canary_share else pointer.digest
