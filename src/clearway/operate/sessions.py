"""Browser sessions: opened at a sign-in, found by an opaque id of which the store has the hash only.

INVARIANT: an id is made anew at each sign-in and each change of rights, never taken from a caller (threat 48).
INVARIANT: roles are looked up at each request, never stored in a session.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace
from typing import Any

from clearway.model.errors import Denied, Unauthenticated
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.session import Session, SignedInUser
from clearway.ports import Directory, Store, Tx

IDLE_S = 30 * 60.0
LONGEST_S = 12 * 3600.0
#: How fresh the proof of who it is has to be when a person approves.
FRESH_S = 5 * 60.0
#: Use of a session is noted at most so often.
NOTE_EVERY_S = 60.0
#: Sessions that were over for so long are removed when the next one is opened.
KEPT_S = 30 * 86400.0

START_TOKEN = "start-token"  # noqa: S105 (how somebody was authenticated)


@dataclass(frozen=True, slots=True)
class Signed:
    """Who a session belongs to, with present roles; `fresh`: proven within the last five minutes."""

    principal: Principal
    session: Session
    fresh: bool


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens, finds and ends sessions. One a process."""

    store: Store
    directory: Directory

    def open(
        self,
        scope: Scope,
        subject: str,
        authenticated_by: str,
        *,
        proven_at: float | None = None,
        instead_of: Session | None = None,
    ) -> tuple[str, Session]:
        """(the opaque id, for the browser only; the session). `proven_at`: None is now. `instead_of`: ends with it.

        Errors: `Unauthenticated` for nobody we know."""
        self._principal(subject, scope, authenticated_by)
        opaque = secrets.token_urlsafe(32)

        def work(tx: Tx) -> Session:
            now = tx.now
            session = Session(
                _hashed(opaque),
                scope.tenant,
                scope.environment,
                subject,
                authenticated_by,
                created_at=now,
                seen_at=now,
                proven_at=now if proven_at is None else min(now, proven_at),
                ends_at=now + LONGEST_S,
            )
            tx.sessions.prune(now - KEPT_S)
            tx.sessions.insert(session)
            if instead_of is not None and Scope(instead_of.tenant, instead_of.environment) == scope:
                tx.sessions.end(instead_of.session_hash, now)
            tx.audit.append([Event("session.opened", {"subject": subject, "authenticated_by": authenticated_by})])
            return session

        opened = self.store.write(scope, work)
        if instead_of is not None and Scope(instead_of.tenant, instead_of.environment) != scope:
            elsewhere = Scope(instead_of.tenant, instead_of.environment)
            self.store.write(elsewhere, lambda tx: tx.sessions.end(instead_of.session_hash, tx.now))
        return opaque, opened

    def admit(self, user: SignedInUser) -> None:
        """Stores who an identity provider says it is, with present rights. Errors: `Denied` (`disabled`, `no_role`)."""
        scope, subject = Scope(user.tenant, user.environment), f"user:{user.user_id}"

        def work(tx: Tx) -> SignedInUser | None:
            tx.users.put(replace(user, created_at=tx.now, seen_at=tx.now))
            if not user.roles and not user.groups:
                tx.sessions.end_of(subject, tx.now)
            return tx.users.get(user.user_id)

        stored = self.store.write(scope, work)
        forget = getattr(self.directory, "forget", None)
        if callable(forget):
            forget()
        if stored is None or stored.disabled_at is not None:
            raise Denied("This account was disabled.", code="disabled", remedy="Ask an admin.")
        if not stored.roles and not stored.groups:
            raise Denied(
                "None of your groups has a role here.",
                code="no_role",
                remedy="Ask whoever keeps [oidc.roles] of clearway.toml.",
            )

    def find(self, opaque: str) -> Signed:
        """Who it is. Errors: `Unauthenticated`, the same for every reason."""
        session = self.store.find_session(_hashed(opaque))
        if session is None or session.ended_at is not None:
            raise _over()
        scope = Scope(session.tenant, session.environment)
        now = self.store.read(scope, lambda tx: tx.now)
        if now >= session.ends_at or now - session.seen_at >= IDLE_S:
            raise _over()
        principal = self._principal(session.subject, scope, session.authenticated_by)
        if now - session.seen_at >= NOTE_EVERY_S:
            self.store.write(scope, lambda tx: tx.sessions.seen(session.session_hash, tx.now))
        return Signed(principal, session, now - session.proven_at <= FRESH_S)

    def end(self, signed: Signed) -> None:
        """Signs out."""
        session = signed.session

        def work(tx: Tx) -> None:
            if tx.sessions.end(session.session_hash, tx.now):
                tx.audit.append([Event("session.ended", {"subject": session.subject})])

        self.store.write(signed.principal.scope, work)

    def _principal(self, subject: str, scope: Scope, authenticated_by: str) -> Principal:
        found = self.directory.find(subject, scope)
        if found is None or found.kind != "user":
            raise _over()
        return replace(found, authenticated_by=authenticated_by)


def shown(signed: Signed) -> dict[str, Any]:
    """What a browser may know of its own session."""
    return {"authenticated_by": signed.session.authenticated_by, "fresh": signed.fresh}


def _over() -> Unauthenticated:
    return Unauthenticated("You are not signed in.", remedy="Sign in again.")


def _hashed(opaque: str) -> str:
    return hashlib.sha256(opaque.encode("utf-8", "surrogatepass")).hexdigest()
