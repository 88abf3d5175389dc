"""A SQLite file that is full: no transaction of this process may grow it beyond a number of pages."""

from typing import Any

from sqlalchemy import Connection, Engine, event

_ANY = 2**32 - 2


class Limit:
    """`pages`: the most that the file may have; None for no limit. Holds for every engine of the process, from the
    next transaction on. `busy_timeout_s` replaces the time that connections wait for a lock.
    """

    def __init__(self, busy_timeout_s: float | None = None) -> None:
        self.pages: int | None = None
        self._busy_timeout_s = busy_timeout_s
        self._set = False
        event.listen(Engine, "begin", self._apply)

    def remove(self) -> None:
        event.remove(Engine, "begin", self._apply)

    def _apply(self, connection: Connection) -> None:
        if connection.dialect.name != "sqlite":
            return
        raw: Any = connection.connection.driver_connection
        if self.pages is not None or self._set:
            self._set = True
            raw.execute(f"PRAGMA max_page_count = {self.pages or _ANY}").fetchone()
        if self._busy_timeout_s is not None:
            raw.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout_s * 1000)}").fetchone()


def pages_of(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
