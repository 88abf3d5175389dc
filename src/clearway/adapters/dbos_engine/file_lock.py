"""One executor a SQLite file.

DBOS recovers at launch every pass of its executor id, also one that is at work in another process. So whoever serves
holds `<file>.lock` (flock), and every other process only wakes.
"""

import fcntl
import os
import threading
from pathlib import Path

from clearway.adapters.private_files import open_private_file
from clearway.model.errors import Conflict, Unavailable

_ATTEMPTS = 20  # 0.4 s: `is_locked` elsewhere holds the lock for a moment


class FileLock:
    """The right to carry out a SQLite file's passes. The system lets go of it when the process ends, however."""

    def __init__(self, database: Path) -> None:
        self.path = lock_path(database)
        self._descriptor: int | None = None

    def acquire(self, code: str = "") -> None:
        """`code`: of whoever holds it, for others to see.

        Errors: `Conflict` (`served`) where another holds it; `Unavailable` where the file cannot be made."""
        try:
            descriptor = open_private_file(self.path)
        except OSError as error:
            raise Unavailable(
                f"The engine's lock cannot be made ({error.strerror}).",
                code="engine_lock",
                remedy="Check the permissions of the database's folder.",
            ) from None
        for _ in range(_ATTEMPTS):
            if _try_lock(descriptor, fcntl.LOCK_EX):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()} {code}".encode(), 0)
                self._descriptor = descriptor
                return
            threading.Event().wait(0.02)
        holder, _ = _held_by(descriptor)
        os.close(descriptor)
        raise Conflict(
            f"Process {holder} carries out this database's runs already.",
            code="served",
            remedy="Let it, or stop it first; use Postgres for more than one worker.",
        )

    def release(self) -> None:
        """Lets go. The file stays: deleting it would let two processes lock two files of one name."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_path(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(database: Path) -> bool:
    """Whether some process, this one included, holds the lock."""
    return code_of_holder(database) is not None


def code_of_holder(database: Path) -> str | None:
    """The code of the process, this one included, that holds the lock; None where none does."""
    try:
        descriptor = os.open(lock_path(database), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _try_lock(descriptor, fcntl.LOCK_SH) else _held_by(descriptor)[1]
    finally:
        os.close(descriptor)


def _held_by(descriptor: int) -> tuple[str, str]:
    """(process id, code), as the holder wrote them; either may be empty in the moment of the change."""
    pid, _, code = os.pread(descriptor, 120, 0).decode("ascii", "replace").partition(" ")
    return pid, code
