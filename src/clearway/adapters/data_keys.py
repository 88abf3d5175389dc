"""Data keys: AES-256-GCM (NIST SP 800-38D) under a key of one run or one data subject, wrapped (AES key wrap, RFC 3394)
by the tenant's key-encryption key, which is derived (HKDF, RFC 5869) from the keyring's `seal` key.

Shredding a wrapped key makes unreadable what was sealed under it. So that this holds at once and everywhere, an opened
key is never kept beyond the pass or the transaction that read it from the store.
"""

import base64
import binascii
import json
import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from clearway.adapters.keyring import Keyring
from clearway.model.errors import Erased, Internal
from clearway.model.identity import Scope
from clearway.model.vault import StoredKey
from clearway.rules.canonical import parse_json

_VERSION = "v2"
_NONCE_BYTES = 12
_KEY_BYTES = 32
#: Made once: `json.dumps` with these options makes an encoder for each value.
_written = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def make(keyring: Keyring, scope: Scope, key: StoredKey) -> tuple["AesDataKey", str, str]:
    """(a new key, its wrapped form, the id of the key that wrapped it)."""
    secret = secrets.token_bytes(_KEY_BYTES)
    kek_id, kek = keyring.wrapping_key(scope.tenant, scope.environment)
    wrapped = base64.b64encode(aes_key_wrap(kek, secret)).decode()
    return AesDataKey(keyring, scope, key.key_id, secret), wrapped, kek_id


def open_key(keyring: Keyring, scope: Scope, key: StoredKey) -> "AesDataKey":
    """Errors: `Erased`; `Unavailable` where the wrapping key is not here; `Internal` (`seal`) where it was changed."""
    return AesDataKey(keyring, scope, key.key_id, _unwrap(keyring, scope, key))


def rewrap(keyring: Keyring, scope: Scope, key: StoredKey) -> tuple[str, str]:
    """(wrapped form, wrapping key's id) under the active wrapping key. Errors: as `open_key`."""
    secret = _unwrap(keyring, scope, key)
    kek_id, kek = keyring.wrapping_key(scope.tenant, scope.environment)
    return base64.b64encode(aes_key_wrap(kek, secret)).decode(), kek_id


def _unwrap(keyring: Keyring, scope: Scope, key: StoredKey) -> bytes:
    if key.wrapped is None:
        raise Erased("This was erased: its key is gone.", remedy="Nobody can bring it back.")
    _, kek = keyring.wrapping_key(scope.tenant, scope.environment, key.kek_id)
    try:
        return aes_key_unwrap(kek, base64.b64decode(key.wrapped, validate=True))
    except (InvalidUnwrap, binascii.Error, ValueError):
        raise Internal(
            "A data key was changed, or belongs elsewhere.",
            code="seal",
            remedy="Restore it from a backup; find out who writes to the store.",
        ) from None


class AesDataKey:
    """Implements `clearway.ports.DataKey`. Shows no secret in its repr."""

    def __init__(self, keyring: Keyring, scope: Scope, key_id: str, secret: bytes) -> None:
        self.id = key_id
        self._keyring = keyring
        self._cipher = AESGCM(secret)
        self._context = b"\0".join(
            (b"clearway/data/v2", key_id.encode(), scope.tenant.encode(), scope.environment.encode())
        )
        self._old_context = f"clearway/v1\0{scope.tenant}\0{scope.environment}".encode()

    def seal(self, value: Any, context: str = "") -> str:
        plain = _written(value).encode("utf-8", "surrogatepass")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, plain, self._associated(context))
        return f"{_VERSION}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"

    def unseal(self, text: str, context: str = "") -> Any:
        version, _, body = text.partition(".")
        if version == "v1" and not context:  # of a store that is older than data keys
            return parse_json(self._keyring.unseal(text, self._old_context), what="A sealed value")
        try:
            sealed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._associated(context))
        except (InvalidTag, binascii.Error, ValueError):
            raise Internal(
                "A sealed value was changed, or belongs elsewhere.",
                code="seal",
                remedy="Restore it from a backup; find out who writes to the store.",
            ) from None
        return parse_json(plain, what="A sealed value")

    def __repr__(self) -> str:
        return f"AesDataKey({self.id!r})"

    def _associated(self, context: str) -> bytes:
        return self._context + b"\0" + context.encode("utf-8", "surrogatepass")


class KeyringKey:
    """Stands in for the data key of a run that is older than data keys: what it seals cannot be shredded."""

    id = ""

    def __init__(self, keyring: Keyring, scope: Scope) -> None:
        self._keyring = keyring
        self._context = f"clearway/v1\0{scope.tenant}\0{scope.environment}".encode()

    def seal(self, value: Any, context: str = "") -> str:
        return self._keyring.seal(_written(value).encode("utf-8", "surrogatepass"), self._bound(context))

    def unseal(self, text: str, context: str = "") -> Any:
        return parse_json(self._keyring.unseal(text, self._bound(context)), what="A sealed value")

    def _bound(self, context: str) -> bytes:
        return self._context + (b"\0" + context.encode() if context else b"")
