"""API keys: how it is known who calls, where it is not the project's own environment dev (threats.md, 4 and 47).

A key reads `cw_<environment>_<id>_<secret><checksum>`; its id and its secret's SHA-256 are stored, it is shown once.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass, replace
from typing import Any

from clearway.model.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.keys import ApiKey
from clearway.ports import Directory, Store, Tx
from clearway.rules.chain import rfc3339
from clearway.rules.rights import ADMIN, require

LONGEST_DAYS = 90
_DECLARED = (
    "Name somebody whom clearway.toml declares here: user:ID (the command line takes the ID alone), or service:ID."
)
_KEY = re.compile(r"cw_([a-z0-9-]{1,63})_([a-z0-9]{16})_([0-9a-f]{64})([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Access:
    """Makes, checks and revokes keys. INVARIANT: roles are looked up at each use, never stored in a key."""

    store: Store
    directory: Directory

    def create_key(self, by: Principal, subject: str, *, days: int) -> dict[str, Any]:
        """Errors: `Denied`, `NotFound` (subject), `Invalid` (`days`)."""
        require(by, "keys")
        _check_days(days)
        if self.directory.find(subject, by.scope) is None:
            raise NotFound("No such principal is declared here.", remedy=_DECLARED)
        return self.issue(by.scope, subject, days=days, by=by.name)

    def create_first_key(self, scope: Scope, subject: str, *, days: int) -> dict[str, Any]:
        """For whoever holds the store itself, where nobody with the role admin has a key in use yet: somebody has to be
        first, and a key of somebody else makes no further ones.

        Errors: `Denied` (`not_first`), `NotFound` (subject), `Invalid` (`days`)."""
        _check_days(days)
        if self.directory.find(subject, scope) is None:
            raise NotFound("No such principal is declared here.", remedy=_DECLARED)
        used = self.store.read(
            scope, lambda tx: {k.subject for k in tx.keys.list() if k.revoked_at is None and k.expires_at > tx.now}
        )
        if any(found is not None and ADMIN in found.roles for found in (self.directory.find(s, scope) for s in used)):
            raise Denied(
                "Somebody with the role admin has a key in use here already.",
                code="not_first",
                remedy="They make further ones, with their own key.",
            )
        return self.issue(scope, subject, days=days, by="first-key")

    def issue(self, scope: Scope, subject: str, *, days: int, by: str) -> dict[str, Any]:
        """Makes a key without asking who may."""
        key_id, secret = secrets.token_hex(8), secrets.token_hex(32)
        hashed = hashlib.sha256(bytes.fromhex(secret)).hexdigest()

        def work(tx: Tx) -> ApiKey:
            key = ApiKey(key_id, scope.tenant, scope.environment, subject, hashed, tx.now, tx.now + days * 86400.0)
            tx.keys.insert(key)
            tx.audit.append([Event("key.created", {"key_id": key_id, "subject": subject, "by": by, "days": days})])
            return key

        key = self.store.write(scope, work)
        text = f"cw_{scope.environment}_{key_id}_{secret}{_checksum(key_id + secret)}"
        return {"key": text, "key_id": key_id, "subject": subject, "expires_at": rfc3339(key.expires_at)}

    def authenticate(self, text: str) -> Principal:
        """Who holds this key. Errors: `Unauthenticated`, the same for every reason."""
        refused = Unauthenticated("The key is not valid.", remedy="Ask an admin for a new one: clearway keys create.")
        match = _KEY.fullmatch(text.strip())
        if match is None or _checksum(match[2] + match[3]) != match[4]:
            raise refused
        key = self.store.find_key(match[2])
        hashed = hashlib.sha256(bytes.fromhex(match[3])).hexdigest()
        fits = hmac.compare_digest(hashed, key.secret_sha256 if key else "0" * 64)
        if key is None or not fits or key.environment != match[1] or key.revoked_at is not None:
            raise refused
        scope = Scope(key.tenant, key.environment)
        if self.store.read(scope, lambda tx: tx.now) >= key.expires_at:
            raise refused
        found = self.directory.find(key.subject, scope)
        if found is None:
            raise refused
        return replace(found, authenticated_by=f"key:{key.key_id}")

    def keys(self, scope: Scope) -> list[dict[str, Any]]:
        found = self.store.read(scope, lambda tx: tx.keys.list())
        return [
            {
                "key_id": k.key_id,
                "subject": k.subject,
                "created_at": rfc3339(k.created_at),
                "expires_at": rfc3339(k.expires_at),
                "revoked": k.revoked_at is not None,
            }
            for k in found
        ]

    def revoke_key(self, by: Principal, key_id: str) -> dict[str, Any]:
        """Errors: `Denied`, `NotFound`, `Conflict` (revoked already)."""
        require(by, "keys")

        def work(tx: Tx) -> None:
            if not any(key.key_id == key_id for key in tx.keys.list()):
                raise NotFound("There is no such key here.", remedy="See `clearway keys list`.")
            if not tx.keys.revoke(key_id, tx.now):
                raise Conflict("The key was revoked already.", code="already_revoked")
            tx.audit.append([Event("key.revoked", {"key_id": key_id, "by": by.name})])

        self.store.write(by.scope, work)
        return {"key_id": key_id, "revoked": True}


def _check_days(days: int) -> None:
    if not 1 <= days <= LONGEST_DAYS:
        raise Invalid(f"A key is valid for 1 to {LONGEST_DAYS} days.", code="days", remedy="Use --days 30.")


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
