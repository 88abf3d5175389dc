"""A connection to a server, as one caller uses it."""

from collections.abc import Mapping
from typing import Any

from clearway.model.identity import Principal
from clearway.remote.connection import Connection, principal_of


class Bound:
    """The operations of one caller, `role`: in this one of their roles only."""

    def __init__(self, connection: Connection, role: str | None = None) -> None:
        self._connection = connection
        self._role = {} if role is None else {"Clearway-Role": role}
        self._caller: Principal | None = None

    @property
    def caller(self) -> Principal:
        """Who the key's holder is, asked once. Errors: `Unauthenticated`."""
        if self._caller is None:
            self._caller = principal_of(self._get("me"))
        return self._caller

    def _get(self, *path: str, **query: Any) -> Any:
        return self._connection.get("v1", *path, headers=self._role, **query)

    def _post(self, *path: str, headers: Mapping[str, str] | None = None, **body: Any) -> Any:
        return self._connection.post("v1", *path, headers={**self._role, **(headers or {})}, **body)
