"""Whether a keyring is the one that a store is sealed with.

INVARIANT: effects are known again by fingerprints made with the keyring's first `token` key. With another one the same
business key looks new, and the effect would go out twice: so a store is opened with no keyring but its own.
"""

from collections.abc import Sequence

from clearway.model.errors import ConfigError
from clearway.model.vault import KeyCheck

__all__ = ["KeyringMismatch", "unknown_of"]

_REMEDY = (
    "Put the keyring back that was in use ([keyring] path), from a backup or from a machine that shares the store: see "
    "docs/runbooks. Nothing was done."
)


class KeyringMismatch(ConfigError):
    """The keyring is another store's, or an older copy of this one's."""

    code = "keyring_mismatch"

    def __init__(self, message: str) -> None:
        super().__init__(message, remedy=_REMEDY)


def unknown_of(known: Sequence[KeyCheck], held: Sequence[KeyCheck]) -> list[KeyCheck]:
    """The keys that the keyring holds and the store does not know yet: all of them in a store that knows none.

    `known`: in the order in which they were noted; `held`: in the keyring's. Retired keys may be missing from the
    keyring, but for the first `token` key. Errors: `KeyringMismatch`.
    """
    if known:
        _check(known, held)
    ids = {key.key_id for key in known}
    return [key for key in held if key.key_id not in ids]


def _check(known: Sequence[KeyCheck], held: Sequence[KeyCheck]) -> None:
    here = {key.key_id: key for key in held}
    shared = [key for key in known if key.key_id in here]
    if not shared:
        raise KeyringMismatch(
            "This keyring is another store's: it has none of the keys that this store was sealed with."
        )
    for key in shared:
        if (key.purpose, key.check_value) != (here[key.key_id].purpose, here[key.key_id].check_value):
            raise KeyringMismatch(f"This keyring was changed: its key {key.key_id} is not the store's.")
    in_use = {key.purpose: key.key_id for key in known if key.active}  # of each purpose the last that was noted
    lacking = sorted(key_id for key_id in in_use.values() if key_id not in here)
    if lacking:
        raise KeyringMismatch(
            f"This keyring is an older copy, or keys were taken out of it: it lacks {', '.join(lacking)}, which this "
            "store uses."
        )
    if (first := _first_token_key(known)) != _first_token_key(held):
        raise KeyringMismatch(
            f"This keyring was changed: its first token key is not {first}, by which effects are known again."
        )


def _first_token_key(keys: Sequence[KeyCheck]) -> str:
    return next((key.key_id for key in keys if key.purpose == "token"), "")
