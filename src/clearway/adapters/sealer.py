"""Sealing, tokens and signatures on the file keyring. Implements `clearway.ports.Sealer`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clearway.adapters import data_keys
from clearway.adapters.keyring import Keyring
from clearway.adapters.pseudonyms import TokenKey
from clearway.model.errors import Unavailable
from clearway.model.identity import Scope
from clearway.model.vault import KeyCheck, StoredKey
from clearway.rules.canonical import parse_json

NewKey = tuple[data_keys.AesDataKey, StoredKey]
#: Made with a key that no rotation changes: by these it is known that a request, an effect or a person is the same.
STABLE = frozenset(
    ("REQUEST", "ARGUMENTS", "QUESTION", "BUSINESS_KEY", "KEY", "SUBJECT", "TARGET", "ENDORSED", "STAND_IN", "USER")
)


class KeyringSealer:
    """INVARIANT: a value sealed in one scope opens in no other, and a value has other tokens in other tenants."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

        def token_key(tenant: str, _active: str) -> TokenKey:
            return TokenKey(keyring.token_key(tenant))

        def fingerprint_key(tenant: str) -> TokenKey:
            return TokenKey(keyring.fingerprint_key(tenant))

        self._token_key = lru_cache(maxsize=256)(token_key)
        self._fingerprint_key = lru_cache(maxsize=256)(fingerprint_key)

    def seal(self, value: Any, scope: Scope) -> str:
        plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
            "utf-8", "surrogatepass"
        )
        return self._keyring.seal(plain, _context(scope))

    def unseal(self, text: str, scope: Scope) -> Any:
        return parse_json(self._keyring.unseal(text, _context(scope)), what="A sealed value")

    def token(self, value: str, type_name: str, scope: Scope) -> str:
        if type_name in STABLE:
            return self._fingerprint_key(scope.tenant).token(value, type_name)
        return self._token_key(scope.tenant, self._keyring.active_id("token")).token(value, type_name)

    def new_key(self, key_id: str, kind: Literal["run", "subject"], owner: str, scope: Scope) -> NewKey:
        key = StoredKey(key_id, kind, owner, "", None)
        opened, wrapped, kek_id = data_keys.make(self._keyring, scope, key)
        return opened, replace(key, wrapped=wrapped, kek_id=kek_id)

    def open_key(self, key: StoredKey | None, scope: Scope) -> data_keys.AesDataKey | data_keys.KeyringKey:
        if key is None:
            return data_keys.KeyringKey(self._keyring, scope)
        return data_keys.open_key(self._keyring, scope, key)

    def rewrap(self, key: StoredKey, scope: Scope) -> StoredKey:
        if key.kek_id == self._keyring.active_id("seal"):
            return key
        wrapped, kek_id = data_keys.rewrap(self._keyring, scope, key)
        return replace(key, wrapped=wrapped, kek_id=kek_id)

    def rotate(
        self, purpose: Literal["seal", "token"], agree: Callable[[Sequence[KeyCheck]], None] = lambda _: None
    ) -> str:
        return self._keyring.rotate(purpose, agree)

    def checks(self) -> list[KeyCheck]:
        return self._keyring.checks()

    def sign(self, message: bytes) -> tuple[str, bytes]:
        return self._keyring.sign(message)

    def verify(self, key_id: str, message: bytes, signature: bytes) -> bool:
        try:
            return self._keyring.verify(key_id, message, signature)
        except Unavailable:
            return False

    def public_key(self, key_id: str) -> bytes:
        return self._keyring.public_key(key_id)

    def public_keys(self) -> list[bytes]:
        return self._keyring.public_keys()

    def is_signed(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def _context(scope: Scope) -> bytes:
    return f"clearway/v1\0{scope.tenant}\0{scope.environment}".encode()
