"""A run's data key, and the filing of the tokens that its masker makes.

INVARIANT: a token is filed in the transaction that first stores it, so none is stored that cannot be opened, and none
is filed for a change that was rolled back.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any
from uuid import uuid4

from clearway.model.errors import Erased
from clearway.model.identity import Scope
from clearway.model.vault import Minted, StoredKey, VaultRow
from clearway.ports import DataKey, Tx
from clearway.rules.find.found import is_token
from clearway.rules.redact import Masker, Redaction

#: A filed value counts as met for so long; then it is filed again, which says that it is still in use.
FRESH_FOR_S = 43_200.0
MOST_REMEMBERED = 50_000
#: Values of a run that its people's words are searched for.
MOST_KNOWN = 2000


class Filed:
    """What this process knows to be filed: a write less for values that every run meets. Safe between threads.

    INVARIANT: known by the id of the data key, so a key that was shredded and made anew starts from nothing."""

    def __init__(self) -> None:
        self._at: OrderedDict[tuple[str, str, str, str], float] = OrderedDict()
        self._lock = Lock()

    def has(self, scope: Scope, key_id: str, token: str, now: float) -> bool:
        at = self._at.get((scope.tenant, scope.environment, key_id, token))
        return at is not None and now - at < FRESH_FOR_S

    def note(self, scope: Scope, rows: Iterable[VaultRow]) -> None:
        tenant, environment = scope.tenant, scope.environment
        with self._lock:
            for row in rows:
                self._at[tenant, environment, row.key_id, row.token] = row.seen_at
            while len(self._at) > MOST_REMEMBERED:
                self._at.popitem(last=False)


@dataclass(slots=True)
class RunVault:
    """One run's, for one pass or one transaction. `key`: its opened data key. `subjects`: opened keys of the people
    whom it has to do with, by their token. `about`: whom a step has to do with, where its tool says so."""

    vaults: "Vaults"
    scope: Scope
    run_id: str
    masker: Masker
    key: DataKey
    subjects: dict[str, DataKey] = field(default_factory=dict[str, DataKey])
    about: dict[str, str] = field(default_factory=dict[str, str])
    _met: set[str] = field(default_factory=set[str])
    _done: int = 0

    def seal(self, value: Any) -> str:
        """Under the run's own key, so that it goes with the run."""
        return self.key.seal(value)

    def unseal(self, text: str) -> Any:
        """Errors: `Internal` (`seal`), `Unavailable`."""
        return self.key.unseal(text)

    def concerns(self, step_id: str, subject: object, shown: Any) -> None:
        """The step's tool names the person whose `shown` is: from here on the run has to do with them."""
        token = self.vaults.redaction.subject_token(subject, self.scope)
        if token:
            self.about[step_id] = token
            self._met.add(token)
            self.masker.concerns(shown, token)

    def returned(self, step_id: str, shown: Any) -> None:
        """What a step's tool has returned is of the same person."""
        if step_id in self.about:
            self.masker.concerns(shown, self.about[step_id])

    def file(self, tx: Tx) -> None:
        """Files what was minted since the last transaction that committed."""
        minted = self.masker.minted
        end = len(minted)
        if (end == self._done and self._met <= self.subjects.keys()) or not tx.writable:
            return
        opened = {subject: self._key_of(tx, subject) for subject in self._met - self.subjects.keys()}
        rows = self._rows(tx, minted[self._done : end], opened)
        tx.vault.file(rows)
        tx.on_commit(lambda: self._committed(end, rows, opened))

    def recall(self, tx: Tx) -> None:
        """Lets the masker know the run's values, as the vault has them: what people write about it may repeat them."""
        rows = tx.vault.under([self.key.id], limit=MOST_KNOWN) if self.key.id else []
        subject = self.masker.subject
        if subject:
            self.subjects[subject] = self._key_of(tx, subject)
            rows += tx.vault.under([self.subjects[subject].id], limit=MOST_KNOWN)
        for row in rows:
            key = self.subjects[subject] if row.subject and row.subject == subject else self.key
            if row.sealed is not None and row.key_id == key.id:
                self.masker.know(str(key.unseal(row.sealed, binding(row.token, row.type, row.subject))), row.type)

    def _rows(self, tx: Tx, minted: Iterable[Minted], opened: dict[str, DataKey]) -> list[VaultRow]:
        """Of what this process does not know to be filed."""
        rows, now, scope, is_filed = list[VaultRow](), tx.now, self.scope, self.vaults.filed.has
        for token, kind, value, subject in minted:
            key = self.key
            if subject:
                if subject not in self.subjects and subject not in opened:
                    opened[subject] = self._key_of(tx, subject)
                key = self.subjects.get(subject) or opened[subject]
            if key.id and not is_filed(scope, key.id, token, now):
                sealed = key.seal(value, binding(token, kind, subject))
                rows.append(VaultRow(token, key.id, kind, subject, sealed, now))
        return rows

    def _key_of(self, tx: Tx, subject: str) -> DataKey:
        """The person's live key, or a new one. INVARIANT: looked up in a transaction of its own pass, and the run is
        linked to them with it, so that nobody is erased while a run is at work on them."""
        if subject != self.masker.subject:
            tx.vault.link(subject, self.run_id)
        return self.vaults.subject_key(tx, subject)

    def _committed(self, end: int, rows: list[VaultRow], opened: dict[str, DataKey]) -> None:
        self._done = max(self._done, end)
        self.subjects.update(opened)
        self.vaults.filed.note(self.scope, rows)


@dataclass(frozen=True, slots=True)
class Vaults:
    """Makes and opens the vaults of runs. One a process."""

    redaction: Redaction
    filed: Filed = field(default_factory=Filed)

    def new(self, scope: Scope, run_id: str, masker: Masker) -> tuple[RunVault, StoredKey]:
        """Of a run that is not stored yet, with the key to store with it."""
        key, stored = self.redaction.sealer.new_key(run_id, "run", masker.subject, scope)
        return RunVault(self, scope, run_id, masker, key), stored

    def store(self, tx: Tx, vault: RunVault, key: StoredKey) -> None:
        """Stores a new run's key and what its request minted."""
        tx.vault.add_key(replace(key, created_at=tx.now))
        vault.file(tx)

    def open(self, tx: Tx, run_id: str, masker: Masker | None = None) -> RunVault:
        """Of a run that exists. Errors: `Erased`, `Unavailable` (`seal`)."""
        stored = tx.vault.key(run_id)
        masker = masker or self.redaction.masker(tx.scope)
        masker.subject = stored.owner if stored is not None else ""
        return RunVault(self, tx.scope, run_id, masker, self.redaction.sealer.open_key(stored, tx.scope))

    def person(self, tx: Tx, run_id: str, masker: Masker | None = None) -> RunVault | None:
        """As `open`, for what people write about a run: it knows the run's values. None once those were erased."""
        try:
            vault = self.open(tx, run_id, masker)
        except Erased:
            return None
        vault.recall(tx)
        return vault

    def subject_key(self, tx: Tx, subject: str) -> DataKey:
        stored = next((key for key in tx.vault.keys_of(subject) if key.wrapped is not None), None)
        if stored is not None:
            return self.redaction.sealer.open_key(stored, tx.scope)
        opened, fresh = self.redaction.sealer.new_key(f"dk_{uuid4().hex[:24]}", "subject", subject, tx.scope)
        if tx.writable:
            tx.vault.add_key(replace(fresh, created_at=tx.now))
        return opened

    def is_clear(self, tx: Tx, rows: Sequence[VaultRow]) -> bool:
        """Whether all rows of a token hold one value. A token's do, as far as 80 bits go; of stand-ins, which have
        fewer, two runs may have made the same for two values, and then neither is opened."""
        if is_token(rows[0].token):
            return True
        live = [row for row in rows if row.sealed is not None]
        return len({self.value(tx, row) for row in live}) <= 1

    def value(self, tx: Tx, row: VaultRow) -> str:
        """What is behind a row's token. Errors: `Erased`; `Internal` (`seal`) where the row was altered."""
        stored = tx.vault.key(row.key_id)
        if row.sealed is None or stored is None:
            raise Erased("The value of this token was erased.", remedy="Nobody can bring it back.")
        key = self.redaction.sealer.open_key(stored, tx.scope)
        return str(key.unseal(row.sealed, binding(row.token, row.type, row.subject)))


def binding(token: str, type_name: str, subject: str) -> str:
    """What a vault row's seal is bound to, beside the key, the tenant and the environment."""
    return f"{token}\0{type_name}\0{subject}"
