"""The operations of a server, as an object: implements `clearway.operate.operations.Operations` over HTTP.

::

    with Remote("https://clearway.example.com", key) as remote:
        run = remote.operations().start("Refund 40 dollars to account 9182", key="order-7")
        for event in remote.operations().follow(run["run_id"]):
            print(event["seq"], event["kind"])
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Self

from clearway.model.errors import ClearwayError
from clearway.remote.approvals import ApprovalOperations
from clearway.remote.connection import TIMEOUT_S, Connection
from clearway.remote.ledger import LedgerOperations
from clearway.remote.operators import OperatorOperations
from clearway.remote.releases import ReleaseOperations
from clearway.remote.runs import RunOperations


class Remote:
    """A server, as the holder of an API key."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = Connection(url, key, timeout_s=timeout_s)

    def operations(self, *, role: str | None = None) -> "RemoteOperations":
        """What the key's holder can do there; `role`: in this one of their roles only."""
        return RemoteOperations(self._connection, role)

    def is_served(self) -> bool:
        """Whether some process there carries runs out."""
        try:
            return bool(self._connection.get("readyz")["carried"])
        except ClearwayError:
            return False

    @contextmanager
    def working(self) -> Generator[bool]:
        """The server sees to it that runs are carried out, never this process."""
        yield False

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RemoteOperations(RunOperations, ApprovalOperations, LedgerOperations, OperatorOperations, ReleaseOperations):
    """The operations of one caller, on a server. Errors besides: `Unavailable` (`server_away`)."""
