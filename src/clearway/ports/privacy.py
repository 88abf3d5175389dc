"""Encryption, tokens and signatures; what is stored of keys and of values behind tokens, and for how long."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, Protocol

from clearway.model.identity import Scope
from clearway.model.vault import KeyCheck, StoredKey, VaultRow


class DataKey(Protocol):
    """An opened data key of a run or a data subject. INVARIANT: lives for one pass or one transaction, so that what is
    erased cannot be opened by whoever opened it before."""

    id: str

    def seal(self, value: Any, context: str = "") -> str:
        """Encrypts a JSON value for storage, bound to the key's id, its scope and `context`."""
        ...

    def unseal(self, text: str, context: str = "") -> Any:
        """Errors: `Internal` (`seal`) where the text was changed or belongs elsewhere."""
        ...


class Sealer(Protocol):
    def seal(self, value: Any, scope: Scope) -> str:
        """Encrypts a JSON value for storage, bound to the scope."""
        ...

    def unseal(self, text: str, scope: Scope) -> Any: ...

    def token(self, value: str, type_name: str, scope: Scope) -> str:
        """A typed, deterministic pseudonym of `value` within a tenant: `<TYPE:1…>`.

        Those by which something is known again (REQUEST, ARGUMENTS, SUBJECT, …) outlive a rotation of the token key."""
        ...

    def new_key(
        self, key_id: str, kind: Literal["run", "subject"], owner: str, scope: Scope
    ) -> tuple[DataKey, StoredKey]:
        """A new data key, opened and as it is stored (without its time)."""
        ...

    def open_key(self, key: StoredKey | None, scope: Scope) -> DataKey:
        """None: of a run that is older than data keys. Errors: `Erased`, `Unavailable` (`seal`), `Internal`."""
        ...

    def rewrap(self, key: StoredKey, scope: Scope) -> StoredKey:
        """Under the active wrapping key; the same where it is already. Errors: as `open_key`."""
        ...

    def rotate(self, purpose: Literal["seal", "token"], agree: Callable[[Sequence[KeyCheck]], None]) -> str:
        """Makes a new active key; returns its id. `agree` is called with the keys of before, and raises where they are
        not to be added to. Errors: `ConfigError`, `Unavailable` (`keyring`)."""
        ...

    def checks(self) -> Sequence[KeyCheck]:
        """By which the store knows each key again (`Store.recognise`)."""
        ...

    def sign(self, message: bytes) -> tuple[str, bytes]:
        """(key id, Ed25519 signature)."""
        ...

    def verify(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """False also where the key is not known."""
        ...

    def public_key(self, key_id: str) -> bytes:
        """32 raw bytes. Errors: `Unavailable` where the key is not here."""
        ...

    def public_keys(self) -> list[bytes]:
        """Of every signing key, retired ones too."""
        ...

    def is_signed(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the holder of `public_key` (32 raw bytes, of whomever) signed `message`."""
        ...


class Vault(Protocol):
    """Data keys, and the values behind tokens. What is shredded stays as a row that says so."""

    def add_key(self, key: StoredKey) -> None: ...

    def key(self, key_id: str) -> StoredKey | None: ...

    def keys_of(self, subject: str) -> list[StoredKey]:
        """A person's keys, the live one first; older ones were shredded."""
        ...

    def link(self, subject: str, run_id: str) -> None:
        """Notes that a run has to do with a person. Again is no error."""
        ...

    def runs_of(self, subject: str) -> list[str]: ...

    def file(self, rows: Sequence[VaultRow]) -> None:
        """Inserts; of a row that is there, `seen_at` is set."""
        ...

    def find(self, token: str) -> list[VaultRow]:
        """Every row of a token, whatever key it is under; readable ones first."""
        ...

    def under(self, key_ids: Sequence[str], *, limit: int = 100_000) -> list[VaultRow]:
        """The rows filed under these keys."""
        ...

    def run_keys(self, *, after: str = "", limit: int = 500) -> list[StoredKey]:
        """Live keys of runs and subjects, by id, from behind `after`."""
        ...

    def rewrap(self, key: StoredKey) -> bool:
        """Sets `wrapped` and `kek_id` of a key that is still live."""
        ...

    def shred(self, key_ids: Sequence[str], at: float) -> int:
        """Forgets wrapped keys and every sealed text under them (vault, runs, ledger, approvals); how many keys."""
        ...

    def forget(self, rows: Sequence[VaultRow]) -> int:
        """Forgets single values; how many."""
        ...

    def runs_with(self, tokens: Collection[str]) -> list[tuple[str, frozenset[str]]]:
        """(run, which of `tokens` its shown texts hold), of every run of the scope that holds any."""
        ...

    def unfinished(self, run_ids: Sequence[str]) -> list[str]:
        """Which of them have not ended."""
        ...


class Retention(Protocol):
    """What is old enough to go, by kind of data. Only of runs that have ended before `before`, oldest first."""

    def count(self, kind: str, before: float) -> int:
        """`transcripts` and `payloads`: runs; `vault`: values."""
        ...

    def remove(self, kind: str, before: float, at: float, *, limit: int = 200) -> int:
        """Removes up to `limit`; how many. Audit headers and the chain stay."""
        ...
