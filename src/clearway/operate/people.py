"""Who is who, where an identity provider signs people in: the project's declarations first, then those people.

INVARIANT: roles are looked up at each use. A person who was disabled, or whose groups changed at the last sign-in,
loses what they had at the next look, in every process; what they approved before is checked again (threat 48).
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from clearway.model.errors import Conflict, Invalid, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.session import SignedInUser
from clearway.ports import Store, Tx
from clearway.rules.chain import rfc3339
from clearway.rules.present import visible
from clearway.rules.redact import Redaction
from clearway.rules.rights import gives_rights, require

#: How old the look at the table may be.
STALE_AFTER_S = 0.25
#: Names of an identity provider's people begin with it, so that none is taken for a declared user.
PREFIX = "oidc."
#: An id of the provider's that is kept as it is. Anything else may be what a person is called elsewhere, an e-mail
#: address above all. By form, not by what a detector finds: a person's name must not change with its settings.
_OPAQUE = re.compile(r"(?!h\.)[a-z0-9][a-z0-9_.-]{0,120}", re.ASCII)


class Declared(Protocol):
    """The project's own directory."""

    def find(self, name: str, scope: Scope) -> Principal | None: ...

    def members(self, group: str, scope: Scope) -> frozenset[str]: ...

    def current(self) -> Any: ...


class People:
    """Implements `clearway.ports.Directory`."""

    def __init__(self, declared: Declared, store: Store, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._declared, self._store, self._monotonic = declared, store, monotonic
        self._lock = threading.Lock()
        self._known: dict[Scope, tuple[float, Mapping[str, SignedInUser]]] = {}

    def find(self, name: str, scope: Scope) -> Principal | None:
        if name.startswith(f"user:{PREFIX}"):
            signed_in = self._signed_in(scope).get(name.removeprefix("user:"))
            found = None if signed_in is None else principal_of(signed_in)
        else:
            found = self._declared.find(name, scope)
        return found if found is None or found.kind != "user" else self._with_kin(found, scope)

    def _with_kin(self, found: Principal, scope: Scope) -> Principal:
        """A declared user and the provider's person of the same id may be the same human: they have one vote, and what
        one may not decide the other may not either. (A right of the one is never the other's: whoever keeps ids at the
        provider would give rights here.)"""
        signed_in = self._signed_in(scope)
        if found.id.startswith(PREFIX):
            kin = [self._declared.find(f"user:{found.id.removeprefix(PREFIX)}", scope)]
        else:
            logins = {found.id, found.subject.removeprefix("user:")}
            kin = [principal_of(signed_in[PREFIX + login]) for login in logins if PREFIX + login in signed_in]
        known = [one for one in kin if one is not None and one.kind == "user"]
        also_admin = found.also_admin or any(map(gives_rights, known))
        return replace(found, kin=frozenset(one.subject for one in known), also_admin=also_admin) if known else found

    def members(self, group: str, scope: Scope) -> frozenset[str]:
        signed_in = {f"user:{user.user_id}" for user in self._signed_in(scope).values() if group in user.groups}
        return self._declared.members(group, scope) | signed_in

    def current(self) -> Any:
        """How many people a group has is not known beforehand, so nobody may conclude that nobody can fill it."""
        return None

    def forget(self) -> None:
        """Looks anew at the next use: after a sign-in in this process."""
        with self._lock:
            self._known.clear()

    def _signed_in(self, scope: Scope) -> Mapping[str, SignedInUser]:
        with self._lock:
            at, users = self._known.get(scope, (float("-inf"), {}))
        now = self._monotonic()
        if now - at > STALE_AFTER_S:
            found = self._store.read(scope, lambda tx: tx.users.list())
            users = {user.user_id: user for user in found if user.disabled_at is None}
            with self._lock:
                self._known[scope] = (now, users)
        return users


def user_id_of(value: str, redaction: Redaction, scope: Scope) -> str:
    """What a person is called here whom the provider calls `value`: the same each time, no two alike, no declared user.

    What is not plainly an id stands as a pseudonym of the tenant's, which says nothing of the person."""
    if _OPAQUE.fullmatch(value):
        return f"{PREFIX}{value}"
    pseudonym = redaction.sealer.token(value, "USER", scope).partition(":")[2].rstrip(">")
    return f"{PREFIX}h.{pseudonym}"


def principal_of(user: SignedInUser, authenticated_by: str = "project") -> Principal:
    """The person with the roles and groups of the last sign-in."""
    scope = Scope(user.tenant, user.environment)
    return Principal("user", user.user_id, scope, frozenset(user.roles), frozenset(user.groups), authenticated_by)


def users_listed(store: Store, by: Principal) -> list[dict[str, Any]]:
    """The people who have signed in. Errors: `Denied`."""
    require(by, "users")
    return [_shown(user) for user in store.read(by.scope, lambda tx: tx.users.list())]


def set_disabled(
    store: Store, redaction: Redaction, by: Principal, user_id: str, reason: str, *, disabled: bool
) -> dict[str, Any]:
    """Keeps a person out from the next look on, and ends their sessions; or lets them sign in again. `user_id`: as
    listed, or as the provider calls them.

    Errors: `Denied`, `NotFound`, `Conflict` (`own_account`), `Invalid` (no reason)."""
    require(by, "users")
    if not reason.strip():
        raise Invalid("Say why.", code="reason", remedy="Use --reason TEXT; it is recorded.")
    if not user_id.startswith(PREFIX):
        user_id = user_id_of(user_id, redaction, by.scope)
    if disabled and user_id == by.id:
        raise Conflict("You cannot disable yourself.", code="own_account", remedy="Another admin has to do it.")

    said = visible(redaction.said(reason, by.scope))[0]

    def work(tx: Tx) -> dict[str, Any]:
        if not tx.users.disable(user_id, tx.now if disabled else None):
            raise NotFound(
                "Nobody of that name has signed in here.",
                remedy="Declared users are taken out of clearway.toml; see `clearway users list`.",
            )
        ended = tx.sessions.end_of(f"user:{user_id}", tx.now) if disabled else 0
        fact = {"user": f"user:{user_id}", "by": by.name, "reason": said, "sessions_ended": ended}
        tx.audit.append([Event("user.disabled" if disabled else "user.enabled", fact)])
        found = tx.users.get(user_id)
        return {} if found is None else {**_shown(found), "sessions_ended": ended}

    return store.write(by.scope, work)


def _shown(user: SignedInUser) -> dict[str, Any]:
    return {
        "user": f"user:{user.user_id}",
        "issuer": user.issuer,
        "roles": list(user.roles),
        "groups": list(user.groups),
        "first_seen": rfc3339(user.created_at),
        "last_seen": rfc3339(user.seen_at),
        "disabled": user.disabled_at is not None,
    }
