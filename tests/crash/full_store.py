"""A SQLite file that is full: no transaction of this process may make it longer."""

from typing import Any

from sqlalchemy import Connection, Engine, event

_ANY = 2**32 - 2


class Limit:
    """`is_full` holds for every engine of the process, from the next transaction on. `busy_timeout_s` replaces the time
    that connections wait for a lock.
    """

    def __init__(self, busy_timeout_s: float | None = None) -> None:
        self.is_full = False
        self._busy_timeout_s = busy_timeout_s
        self._was_full = False
        event.listen(Engine, "begin", self._apply)

    def remove(self) -> None:
        event.remove(Engine, "begin", self._apply)

    def _apply(self, connection: Connection) -> None:
        if connection.dialect.name != "sqlite":
            return
        raw: Any = connection.connection.driver_connection
        if self.is_full or self._was_full:
            self._was_full = True
            # A limit under the file's length means that length.
            raw.execute(f"PRAGMA max_page_count = {1 if self.is_full else _ANY}").fetchone()
        if self._busy_timeout_s is not None:
            raw.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout_s * 1000)}").fetchone()
