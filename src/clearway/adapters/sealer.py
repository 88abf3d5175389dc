"""Sealing, tokens and signatures on the file keyring. Implements `clearway.ports.Sealer`."""

import base64
import hashlib
import hmac
import json
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clearway.adapters.keyring import Keyring
from clearway.model.errors import Unavailable
from clearway.model.identity import Scope
from clearway.rules.canonical import parse_json

_TOKEN_CHARS = 16


class KeyringSealer:
    """INVARIANT: a value sealed in one scope opens in no other, and a value has other tokens in other tenants."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._token_key = lru_cache(maxsize=256)(keyring.token_key)

    def seal(self, value: Any, scope: Scope) -> str:
        plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
            "utf-8", "surrogatepass"
        )
        return self._keyring.seal(plain, _context(scope))

    def unseal(self, text: str, scope: Scope) -> Any:
        return parse_json(self._keyring.unseal(text, _context(scope)), what="A sealed value")

    def token(self, value: str, type_name: str, scope: Scope) -> str:
        message = f"{type_name}\0{value}".encode("utf-8", "surrogatepass")
        mac = hmac.new(self._token_key(scope.tenant), message, hashlib.sha256).digest()
        return f"<{type_name}:1{base64.b32encode(mac).decode()[:_TOKEN_CHARS].lower()}>"

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
