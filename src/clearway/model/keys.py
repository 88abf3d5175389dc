"""API keys. The secret itself is shown once and never stored (threats.md, authentication)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`secret_sha256` is hex; `subject` is a declared principal `user:ID` or `service:ID` of the project."""

    key_id: str
    tenant: str
    environment: str
    subject: str
    secret_sha256: str
    created_at: float
    expires_at: float
    revoked_at: float | None = None
