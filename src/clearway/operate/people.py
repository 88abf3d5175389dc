"""Who is who, where an identity provider signs people in: the project's declarations first, then those people.

INVARIANT: roles are looked up at each use. A person who was disabled, or whose groups changed at the last sign-in,
loses what they had at the next look, in every process; what they approved before is checked again (threat 48).
"""

import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
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

    def persons(self, scope: Scope) -> Mapping[str, str]: ...


class People:
    """Implements `clearway.ports.Directory`."""

    def __init__(
        self, declared: Declared, store: Store, redaction: Redaction, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._declared, self._store, self._monotonic = declared, store, monotonic
        self._lock = threading.Lock()
        self._known: dict[Scope, _Look] = {}
        self._provided_id = lru_cache(maxsize=8192)(partial(user_id_of, redaction=redaction))

    def find(self, name: str, scope: Scope) -> Principal | None:
        if not name.startswith("user:"):
            return self._declared.find(name, scope)
        look = self._look(scope)
        found = self._alone(name, scope, look)
        return self._with_kin(found, scope, look) if found is not None and look.kin else found

    def _alone(self, name: str, scope: Scope, look: "_Look") -> Principal | None:
        if not name.startswith(f"user:{PREFIX}"):
            return self._declared.find(name, scope)
        signed_in = look.users.get(name.removeprefix("user:"))
        return None if signed_in is None else principal_of(signed_in)

    def _with_kin(self, found: Principal, scope: Scope, look: "_Look") -> Principal:
        """A declared user and the provider's person of the same id may be the same human: they have one vote, and what
        one may not decide the other may not either. (A right of the one is never the other's: whoever keeps ids at the
        provider would give rights here.) So it is with those who lent them a membership."""

        def is_admin(name: str) -> bool:
            others = (self._alone(one, scope, look) for one in look.kin.get(name, ()))
            return any(one is not None and gives_rights(one) for one in others)

        lent = frozenset((group, giver) for group, giver in found.delegated if not is_admin(giver))
        return replace(
            found,
            kin=look.kin.get(found.name, frozenset()) - {found.subject},
            also_admin=found.also_admin or is_admin(found.name),
            delegated=lent,
            giver_kin=frozenset((giver, one) for _, giver in lent for one in look.kin.get(giver, ())),
        )

    def members(self, group: str, scope: Scope) -> frozenset[str]:
        signed_in = {f"user:{user.user_id}" for user in self._look(scope).users.values() if group in user.groups}
        return self._declared.members(group, scope) | signed_in

    def current(self) -> Any:
        """How many people a group has is not known beforehand, so nobody may conclude that nobody can fill it."""
        return None

    def forget(self) -> None:
        """Looks anew at the next use: after a sign-in in this process."""
        with self._lock:
            self._known.clear()

    def _look(self, scope: Scope) -> "_Look":
        with self._lock:
            look = self._known.get(scope)
        now = self._monotonic()
        if look is None or now - look.at > STALE_AFTER_S:
            found = self._store.read(scope, lambda tx: tx.users.list())
            users = {user.user_id: user for user in found if user.disabled_at is None}
            look = _Look(now, users, self._kin({user.user_id for user in found}, scope))
            with self._lock:
                self._known[scope] = look
        return look

    def _kin(self, user_ids: Collection[str], scope: Scope) -> dict[str, frozenset[str]]:
        """Of each person with declared logins and such of the provider's: any login → all of them. Those who were
        disabled are among them: what they did before stays theirs."""
        if not user_ids:
            return {}
        declared: dict[str, set[str]] = {}
        for login, person in self._declared.persons(scope).items():
            declared.setdefault(person, {person}).add(login)
        kin: dict[str, frozenset[str]] = {}
        for logins in declared.values():
            provided = {one for login in logins if (one := self._provided_id(login, scope=scope)) in user_ids}
            if provided:
                names = frozenset(f"user:{one}" for one in logins | provided)
                kin |= dict.fromkeys(names, names)
        return kin


@dataclass(frozen=True, slots=True)
class _Look:
    """`users`: who may sign in, by id. `kin`: name of a login → names of all that may be the same person's."""

    at: float
    users: Mapping[str, SignedInUser]
    kin: Mapping[str, frozenset[str]]


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
