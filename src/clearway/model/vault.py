"""What the vault holds: data keys, wrapped, and the values behind tokens, sealed under them."""

from dataclasses import dataclass
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A data key as it is stored. `owner`: token of the person whose data it seals; their raw id is stored nowhere.
    Empty for a run that is about nobody known. The `key_id` of a run's is the run's id.

    `wrapped`: the key, wrapped by the tenant's key-encryption key `kek_id`; None once it was shredded, and with it
    everything that was sealed under it, in every copy of the store that knows of the erasure.
    """

    key_id: str
    kind: Literal["run", "subject"]
    owner: str
    kek_id: str
    wrapped: str | None
    created_at: float = 0.0
    erased_at: float | None = None


@dataclass(frozen=True, slots=True)
class VaultRow:
    """The value of `token`, sealed under the data key `key_id`. `subject`: token of the person whose it is, or empty.

    `sealed` is None once erased. `seen_at`: when the value was last met, to within half a day. `alias_of`: the token
    that the value had under an older token key.
    """

    token: str
    key_id: str
    type: str
    subject: str
    sealed: str | None
    seen_at: float
    alias_of: str | None = None


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What the store keeps of a key of the keyring, to know it again: nothing that could be opened or made with it.

    `check_value`: hex, derived from the key for this alone. `active`: whether new things were made with it, when this
    was noted.
    """

    key_id: str
    purpose: Literal["seal", "token", "sign"]
    active: bool
    check_value: str


class Minted(NamedTuple):
    """A token that was made in memory and is to be filed. `value`: the canonical one that the token is made of."""

    token: str
    type: str
    value: str
    subject: str = ""
