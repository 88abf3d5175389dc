"""What a run is made of: its row, the ledger of its steps, and what sequence conditions count."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from clearway.model.history import Happening
from clearway.model.ledger import Entry, LedgerState
from clearway.model.run import Run, RunStatus
from clearway.model.vault import StoredKey


class Runs(Protocol):
    def insert(self, run: Run) -> None: ...

    def get(self, run_id: str) -> Run | None: ...

    def by_key(self, idempotency_key: str) -> Run | None: ...

    def pulse(self, run_id: str) -> tuple[int, bool] | None:
        """(fence, cancel requested): what a pass checks in each of its transactions."""
        ...

    def update(self, run_id: str, *, fence: int | None = None, fence_to: int | None = None, **values: Any) -> bool:
        """Sets columns by the names of `Run`'s fields; with `fence`, only where it is still that one;
        `fence_to` sets it.

        Returns whether a row was changed."""
        ...

    def held_for(self, run_id: str) -> str | None:
        """The group whom its further effects wait for."""
        ...

    def of_release(self, release: str) -> Sequence[Run]:
        """Its runs that have not ended, oldest first."""
        ...

    def list(
        self,
        *,
        status: RunStatus | None = None,
        skill: str | None = None,
        correlation_id: str | None = None,
        held: bool = False,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> list[Run]:
        """Newest first. `held`: only those that have not ended and whose effects wait for a group. `before` is the
        (created_at, run_id) of the last row of the page before."""
        ...


class Ledger(Protocol):
    def insert(self, entry: Entry) -> None:
        """Errors: `Conflict` (`key_taken`, `business_key_taken`), leaving the transaction usable."""
        ...

    def get(self, key: str) -> Entry | None: ...

    def of_run(self, run_id: str) -> list[Entry]:
        """In order of creation."""
        ...

    def move(
        self,
        key: str,
        *,
        fence: int | None,
        from_states: Iterable[LedgerState],
        fence_to: int | None = None,
        **values: Any,
    ) -> bool:
        """Compare-and-set: sets columns by the names of `Entry`'s fields where the row has this `fence` (None: any)
        and one of these states; `fence_to` sets a new fence. Returns whether it won.

        Errors: `Conflict` (`business_key_taken`), leaving the transaction usable."""
        ...

    def by_business_key(self, tool: str, business_key: str) -> Entry | None:
        """The live row with it: claimed, started, unknown or succeeded."""
        ...

    def list(
        self,
        *,
        state: LedgerState | None = None,
        run_id: str | None = None,
        tool: str | None = None,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> list[Entry]:
        """Newest first; `before` is the (created_at, key) of the last row of the page before."""
        ...


class Happenings(Protocol):
    """What sequence conditions count. `by`: `run`, `user`, `target` (a token) or `tenant`, and `name` which."""

    def add(self, happenings: Sequence[Happening]) -> None:
        """A row that is there already (a retry's) stays as it is."""
        ...

    def count(self, tool: str, by: str, name: str, since: float, *, but_not: str) -> int:
        """Actions after `since` that happened or may have; `but_not`: the key of one that does not count."""
        ...

    def amounts(
        self, tool: str, by: str, name: str, since: float, *, but_not: str
    ) -> list[tuple[StoredKey | None, str]]:
        """Of the same actions, the data key of their run (none of a store that is older than such keys) and the amounts
        sealed under it."""
        ...
