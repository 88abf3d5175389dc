"""The keyring's file: strict JSON, 0600, written whole or not at all.

::

    {"format": "clearway-keyring-1",
     "keys": [{"id": "seal-5d2f09ab", "purpose": "seal", "active": true,
               "created_at": "2026-01-31T09:00:00Z", "secret": "<base64url of 32 bytes>"}]}
"""

import base64
import binascii
import contextlib
import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from clearway.adapters.private_files import FILE_MODE, sync_folder
from clearway.model.errors import ConfigError, Invalid
from clearway.rules.canonical import parse_json

Purpose = Literal["seal", "token", "sign"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)

FORMAT = "clearway-keyring-1"
SECRET_BYTES = 32
_ID = re.compile(r"[a-z0-9-]{1,64}")
_FIELDS = {"id", "purpose", "active", "created_at", "secret"}
_RESTORE = "Restore it from a backup: a new keyring cannot open what this one sealed."


@dataclass(frozen=True, slots=True)
class Key:
    """One key; `secret` is 32 random bytes (for `sign`, the Ed25519 seed) and stays out of the repr."""

    id: str
    purpose: Purpose
    active: bool
    created_at: str
    secret: bytes = field(repr=False)


class KeyringMissing(ConfigError):
    """There is no keyring file."""

    code = "keyring"


def read(path: Path) -> tuple[Key, ...]:
    """The keys of the file. Errors: `ConfigError`, one line that names the file, what is wrong and what to do."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyringMissing(
            "The keyring file is missing, and without it nothing that was sealed can be opened.",
            file=str(path),
            remedy="Restore it from a backup, or copy it from a machine that shares the store.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"The keyring cannot be read ({error.strerror}).",
            file=str(path),
            remedy="Name the right file, or restore it from a backup.",
        ) from None
    with open(descriptor, "rb") as opened:
        _refuse_if_open_to_others(path, os.fstat(descriptor))
        text = opened.read()
    return _parse(path, text)


def create(path: Path, keys: tuple[Key, ...]) -> None:
    """Writes a new file, or leaves the one that another process made meanwhile. Errors: `OSError`."""
    with _written_beside(path, keys) as temporary, contextlib.suppress(FileExistsError):
        os.link(temporary, path)  # fails where the name is taken; a rename would replace the other's keys


def write(path: Path, keys: tuple[Key, ...]) -> None:
    """Replaces the file; a crash leaves the old or the new one. Errors: `OSError`."""
    with _written_beside(path, keys) as temporary:
        temporary.replace(path)


@contextlib.contextmanager
def locked(path: Path) -> Generator[None, None, None]:
    """Keeps other processes from changing the file meanwhile. Errors: `OSError`."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _written_beside(path: Path, keys: tuple[Key, ...]) -> Generator[Path, None, None]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with open(descriptor, "w", encoding="utf-8") as opened:
            os.fchmod(descriptor, FILE_MODE)
            opened.write(_render(keys))
            opened.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)  # gone where it became the file
    sync_folder(path.parent)


def _render(keys: tuple[Key, ...]) -> str:
    rows = [
        {
            "id": key.id,
            "purpose": key.purpose,
            "active": key.active,
            "created_at": key.created_at,
            "secret": base64.urlsafe_b64encode(key.secret).decode(),
        }
        for key in keys
    ]
    return json.dumps({"format": FORMAT, "keys": rows}, indent=2) + "\n"


def _refuse_if_open_to_others(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError("The keyring is not a plain file.", file=str(path), remedy="Name the right file.")
    if found.st_mode & 0o077:
        raise ConfigError(
            f"The keyring is open to other users (mode {found.st_mode & 0o777:04o}).",
            file=str(path),
            remedy=f"Run chmod 600 {path}; if others may have read it, rotate its keys.",
        )
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError("The keyring belongs to another user.", file=str(path), remedy="Run chown on it.")
    folder = path.parent.stat()
    if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        raise ConfigError(
            "Other users may replace the keyring: its folder is writable to them.",
            file=str(path),
            remedy=f"Run chmod 700 {path.parent}.",
        )


def _parse(path: Path, text: bytes) -> tuple[Key, ...]:
    def wrong(what: str) -> ConfigError:
        return ConfigError(f"The keyring is malformed: {what}.", file=str(path), remedy=_RESTORE)

    try:
        whole = parse_json(text, what="the file")
    except Invalid as error:
        raise wrong(error.message.removesuffix(".")) from None
    if not isinstance(whole, dict) or set(whole) != {"format", "keys"} or not isinstance(whole["keys"], list):
        raise wrong("it is no object of format and keys")
    if whole["format"] != FORMAT:
        raise wrong(f"its format is not {FORMAT}")
    keys: list[Key] = []
    for number, row in enumerate(cast(list[Any], whole["keys"]), start=1):
        if (key := _key(row)) is None:
            raise wrong(f"key {number} is not one")
        keys.append(key)
    if len({key.id for key in keys}) != len(keys):
        raise wrong("two keys have one id")
    for purpose in PURPOSES:
        if sum(key.active for key in keys if key.purpose == purpose) != 1:
            raise wrong(f"not exactly one key is active for {purpose}")
    return tuple(keys)


def _key(row: Any) -> Key | None:
    if not isinstance(row, dict) or set(cast(dict[str, Any], row)) != _FIELDS:
        return None
    fields = cast(dict[str, Any], row)
    texts = (fields["id"], fields["created_at"], fields["secret"])
    if not all(isinstance(text, str) for text in texts) or not isinstance(fields["active"], bool):
        return None
    try:
        secret = base64.b64decode(fields["secret"], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if not _ID.fullmatch(fields["id"]) or fields["purpose"] not in PURPOSES or len(secret) != SECRET_BYTES:
        return None
    return Key(fields["id"], fields["purpose"], fields["active"], fields["created_at"], secret)
