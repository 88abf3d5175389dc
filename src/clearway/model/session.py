"""Signed-in people: their sessions, and who they are where an identity provider says so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """A browser's session. `session_hash`: SHA-256 in hex of the opaque id, which only the browser has.

    `subject`: `user:ID`. `authenticated_by`: `oidc:<issuer's host>`, or `start-token` (this machine, environment dev).
    `proven_at`: when the person last proved who they are. `ends_at`: the latest end, whatever happens.
    """

    session_hash: str
    tenant: str
    environment: str
    subject: str
    authenticated_by: str
    created_at: float
    seen_at: float
    proven_at: float
    ends_at: float
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """A person of an identity provider, in one tenant and environment, with what its groups gave them last time."""

    user_id: str
    tenant: str
    environment: str
    issuer: str
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    created_at: float
    seen_at: float
    disabled_at: float | None = None
