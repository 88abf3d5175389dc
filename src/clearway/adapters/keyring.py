"""The file keyring: every secret of a project, and the few things done with them.

Purposes: `seal` (AES-256-GCM, NIST SP 800-38D, random 96-bit nonces: rotate before 2^32 seals), `token` (HKDF,
RFC 5869, to a tenant's HMAC key), `sign` (Ed25519, RFC 8032). One key a purpose is active; older ones stay, to open
what they sealed and to verify what they signed.
"""

import base64
import binascii
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from clearway.adapters.keyring_file import (
    PURPOSES,
    SECRET_BYTES,
    Key,
    KeyringMissing,
    Purpose,
    create,
    locked,
    read,
    write,
)
from clearway.adapters.private_files import make_private_folder
from clearway.model.errors import ConfigError, Internal, Unavailable
from clearway.model.vault import KeyCheck
from clearway.rules.key_checks import unknown_of

__all__ = ["Keyring", "KeyringMissing", "Purpose"]

_VERSION = "v1"
_NONCE_BYTES = 12
_CHECK_BYTES = 16
_SYNC = "Give every machine the same keyring file."


class Keyring:
    """Seals, signs and derives; safe to share between threads. Shows no secret in its repr."""

    def __init__(self, path: Path, keys: tuple[Key, ...]) -> None:
        self.path = path
        self._take(keys)

    @classmethod
    def open(cls, path: Path | str) -> "Keyring":
        """Opens an existing keyring. Errors: `KeyringMissing`; `ConfigError` (malformed, readable by others)."""
        found = Path(path).absolute()
        return cls(found, read(found))

    @classmethod
    def open_or_create(cls, path: Path | str) -> "Keyring":
        """As `open`; makes file (0600) and folder (0700) with fresh keys where there is none.

        For a store that does not exist yet: new keys open nothing that was sealed before, and what older ones signed
        looks forged. Of two processes that create it at once, both end up with the same keys.
        """
        found = Path(path).absolute()
        try:
            make_private_folder(found.parent)
            if not found.exists():
                create(found, tuple(_fresh(purpose) for purpose in PURPOSES))
        except OSError as error:
            raise ConfigError(
                f"The keyring cannot be made ({error.strerror}).",
                file=str(found),
                remedy="Name a file in a folder that this user may write.",
            ) from None
        return cls.open(found)

    def rotate(self, purpose: Purpose, agree: Callable[[Sequence[KeyCheck]], None] = lambda _: None) -> str:
        """Adds a key, makes it the purpose's active one, returns its id. The older keys stay.

        A new `token` key gives every value a new token: what is joined by token no longer joins. `agree` is called
        with the file's keys before anything is written, and raises where they are not to be added to.
        Errors: `ConfigError`; `Unavailable` (`keyring`) where the file cannot be written.
        """
        new = _fresh(purpose)
        try:
            with locked(self.path):  # two rotations at once would otherwise lose a key
                found = read(self.path)
                agree(_checks(found))
                kept = (replace(key, active=key.active and key.purpose != purpose) for key in found)
                keys = (*kept, new)
                write(self.path, keys)
        except OSError as error:
            raise Unavailable(
                f"The keyring cannot be written ({error.strerror}).",
                code="keyring",
                remedy="Check the permissions of its file and folder.",
            ) from None
        self._take(keys)
        return new.id

    def seal(self, plaintext: bytes, context: bytes) -> str:
        """`v1.<key id>.<base64url of nonce and ciphertext>`; opens only with the same `context`."""
        key = self._active("seal")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + AESGCM(key.secret).encrypt(nonce, plaintext, _associated(key.id, context))
        return f"{_VERSION}.{key.id}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"

    def unseal(self, text: str, context: bytes) -> bytes:
        """The bytes that `seal` took.

        Errors, with code `seal`: `Unavailable` where the key is not here (rotated elsewhere, so it may yet come);
        `Internal` where the text was changed, belongs to another context, or is not sealed at all.
        """
        version, _, rest = text.partition(".")
        key_id, _, body = rest.partition(".")
        try:
            sealed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            sealed = b""
        if version != _VERSION or not key_id or len(sealed) <= _NONCE_BYTES:
            raise Internal("A sealed value is malformed.", code="seal", remedy="Restore it from a backup.")
        key = self._find(key_id, "seal")
        try:
            return AESGCM(key.secret).decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _associated(key_id, context)
            )
        except InvalidTag:
            raise Internal(
                "A sealed value was changed, or belongs elsewhere.",
                code="seal",
                remedy="Restore it from a backup; find out who writes to the store.",
            ) from None

    def wrapping_key(self, tenant: str, environment: str, key_id: str = "") -> tuple[str, bytes]:
        """(id, 32 bytes): the tenant's key-encryption key, of the active `seal` key or of the one named.

        Errors: `Unavailable` (`seal`) where that one is not here."""
        key = self._find(key_id, "seal") if key_id else self._active("seal")
        info = b"\0".join((b"clearway/kek/v1", tenant.encode(), environment.encode()))
        return key.id, _derived(key.secret, info)

    def token_key(self, tenant: str) -> bytes:
        """32 bytes, the same for a tenant until `token` is rotated; other tenants' tell nothing about it."""
        return _derived(self._active("token").secret, b"clearway/token/v1\0" + tenant.encode())

    def fingerprint_key(self, tenant: str) -> bytes:
        """As `token_key`, of the keyring's first `token` key: a rotation must not let an effect look new."""
        first = next(key for key in self._keys if key.purpose == "token")
        return _derived(first.secret, b"clearway/token/v1\0" + tenant.encode())

    def checks(self) -> list[KeyCheck]:
        """By which a store knows each key again, in the file's order."""
        return _checks(self._keys)

    def active_id(self, purpose: Purpose) -> str:
        """The id of the key that new things are made with."""
        return self._active(purpose).id

    def sign(self, message: bytes) -> tuple[str, bytes]:
        """(key id, 64 bytes of Ed25519 signature). The caller separates kinds of messages by a prefix."""
        key = self._active("sign")
        return key.id, Ed25519PrivateKey.from_private_bytes(key.secret).sign(message)

    def public_key(self, key_id: str) -> bytes:
        """The 32 raw bytes of a signing key's public half. Errors: `Unavailable` (`seal`) where it is not here."""
        secret = self._find(key_id, "sign").secret
        return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()

    def public_keys(self) -> list[bytes]:
        """Of every signing key, retired ones too."""
        return [self.public_key(key.id) for key in self._reloaded() if key.purpose == "sign"]

    def verify(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """Whether `key_id` signed `message`. Errors: as `public_key`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key(key_id)).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __repr__(self) -> str:
        return f"Keyring({str(self.path)!r})"

    def _take(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys
        self._actives = {key.purpose: key for key in keys if key.active}

    def _active(self, purpose: Purpose) -> Key:
        return self._actives[purpose]

    def _find(self, key_id: str, purpose: Purpose) -> Key:
        for keys in (lambda: self._keys, self._reloaded):  # another process may have rotated since we read it
            for key in keys():
                if key.id == key_id and key.purpose == purpose:
                    return key
        raise Unavailable("The keyring lacks the key that this was made with.", code="seal", remedy=_SYNC)

    def _reloaded(self) -> tuple[Key, ...]:
        """Errors: `Unavailable` (`keyring`): the file was good once, so it may be mended or restored meanwhile."""
        try:
            found = read(self.path)
            unknown_of(self.checks(), _checks(found))  # another keyring in its place is not taken up
            self._take(found)
        except ConfigError as error:
            raise Unavailable(error.message, code="keyring", remedy=error.remedy) from None
        return self._keys


def _fresh(purpose: Purpose) -> Key:
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Key(f"{purpose}-{secrets.token_hex(4)}", purpose, True, made, secrets.token_bytes(SECRET_BYTES))


def _checks(keys: Sequence[Key]) -> list[KeyCheck]:
    def check_value(key: Key) -> str:
        info = b"\0".join((b"clearway/check/v1", key.purpose.encode(), key.id.encode()))
        return _derived(key.secret, info)[:_CHECK_BYTES].hex()

    return [KeyCheck(key.id, key.purpose, key.active, check_value(key)) for key in keys]


def _derived(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=SECRET_BYTES, salt=None, info=info).derive(secret)


def _associated(key_id: str, context: bytes) -> bytes:
    return b"clearway/seal/v1\0" + key_id.encode() + b"\0" + context
