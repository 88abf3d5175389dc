"""What each route needs: the one table, enforced in one place (`admission.py`), for API and console alike.

| need | who has it, in the environment of the key or session |
|---|---|
| `public` | anybody; such a route shows nothing of any tenant |
| `self` | whoever is known, whatever their roles |
| `read` | any role, or an approver group (threats.md: viewer) |
| `ask` | `operator`, or a role of the project's own, of which its policies speak: asks for runs |
| `operate` | `operator` |
| `reveal` | as `read`; freshly proven. Which types of token: `[privacy.reveal]` of clearway.toml |
| `approve` | `approver`, an approver group or `break_glass`; a person, and never an `admin`. Freshly proven |
| `admin` | `admin` |
| `privacy` | `privacy_officer` |
| `system` | `system_operator` |

What the operations themselves ask for comes on top: policies name the approvers of each action.
"""

from collections.abc import Mapping
from enum import StrEnum

from clearway.model.errors import Denied
from clearway.model.identity import Principal
from clearway.rules.rights import refuse_admin


class Need(StrEnum):
    """See the module."""

    PUBLIC = "public"
    SELF = "self"
    READ = "read"
    ASK = "ask"
    OPERATE = "operate"
    REVEAL = "reveal"
    APPROVE = "approve"
    ADMIN = "admin"
    PRIVACY = "privacy"
    SYSTEM = "system"


Routes = Mapping[tuple[str, str], Need]

#: What a person at a browser does only freshly proven.
FRESH = frozenset({Need.APPROVE, Need.REVEAL})

#: Roles with a meaning of their own, who ask for no runs by themselves.
_NOT_ASKING = frozenset({"viewer", "approver", "admin", "break_glass", "privacy_officer", "system_operator"})

#: (method, path) → need. INVARIANT: a route that is not here answers nobody.
ROUTES: Routes = {
    ("GET", "/healthz"): Need.PUBLIC,
    ("GET", "/readyz"): Need.PUBLIC,
    ("GET", "/openapi.json"): Need.PUBLIC,
    ("POST", "/v1/session"): Need.PUBLIC,
    ("GET", "/v1/sign-in"): Need.PUBLIC,
    ("GET", "/v1/oidc/start"): Need.PUBLIC,
    ("GET", "/v1/oidc/callback"): Need.PUBLIC,
    ("DELETE", "/v1/session"): Need.SELF,
    ("POST", "/v1/session/acting"): Need.SELF,
    ("GET", "/v1/me"): Need.SELF,
    ("GET", "/v1/runs"): Need.READ,
    ("POST", "/v1/runs"): Need.ASK,
    ("GET", "/v1/runs/{run_id}"): Need.READ,
    ("GET", "/v1/runs/{run_id}/status"): Need.READ,
    ("GET", "/v1/runs/{run_id}/result"): Need.SELF,
    ("GET", "/v1/runs/{run_id}/events"): Need.READ,
    ("POST", "/v1/runs/{run_id}/cancel"): Need.ASK,
    ("POST", "/v1/runs/{run_id}/retry"): Need.OPERATE,
    ("POST", "/v1/runs/{run_id}/unhold"): Need.READ,
    ("GET", "/v1/events"): Need.READ,
    ("GET", "/v1/approvals"): Need.READ,
    ("GET", "/v1/approvals/{approval_id}"): Need.READ,
    ("POST", "/v1/approvals/{approval_id}/approve"): Need.APPROVE,
    ("POST", "/v1/approvals/{approval_id}/reject"): Need.APPROVE,
    ("POST", "/v1/approvals/{approval_id}/edit"): Need.APPROVE,
    ("POST", "/v1/approvals/{approval_id}/endorse"): Need.APPROVE,
    ("GET", "/v1/endorsements"): Need.READ,
    ("POST", "/v1/endorsements/{endorsement_id}/revoke"): Need.READ,
    ("GET", "/v1/ledger"): Need.READ,
    ("GET", "/v1/ledger/{key}"): Need.READ,
    ("POST", "/v1/ledger/{key}/resolve"): Need.OPERATE,
    ("POST", "/v1/audit/verify"): Need.READ,
    ("POST", "/v1/audit/export"): Need.READ,
    ("POST", "/v1/audit/prove"): Need.READ,
    ("GET", "/v1/costs"): Need.READ,
    ("GET", "/v1/tools"): Need.READ,
    ("GET", "/v1/skills"): Need.READ,
    ("POST", "/v1/explain"): Need.READ,
    ("GET", "/v1/switches"): Need.READ,
    ("POST", "/v1/switches/engage"): Need.OPERATE,
    ("POST", "/v1/switches/release"): Need.OPERATE,
    ("GET", "/v1/grants"): Need.READ,
    ("POST", "/v1/grants"): Need.OPERATE,
    ("POST", "/v1/grants/{grant_id}/revoke"): Need.OPERATE,
    ("POST", "/v1/privacy/reveal"): Need.REVEAL,
    ("POST", "/v1/privacy/erase"): Need.PRIVACY,
    ("POST", "/v1/privacy/retention"): Need.PRIVACY,
    ("POST", "/v1/privacy/rotate"): Need.SYSTEM,
    ("GET", "/v1/notices"): Need.READ,
    ("POST", "/v1/notices/test"): Need.OPERATE,
    ("GET", "/v1/keys"): Need.ADMIN,
    ("POST", "/v1/keys"): Need.ADMIN,
    ("POST", "/v1/keys/{key_id}/revoke"): Need.ADMIN,
    ("GET", "/v1/releases"): Need.READ,
    ("POST", "/v1/releases"): Need.READ,
    ("POST", "/v1/releases/import"): Need.READ,
    ("GET", "/v1/releases/status"): Need.READ,
    ("POST", "/v1/releases/rollback"): Need.READ,
    ("GET", "/v1/releases/rollback"): Need.READ,
    ("GET", "/v1/releases/canary"): Need.READ,
    ("GET", "/v1/releases/moves/{generation}"): Need.READ,
    ("GET", "/v1/releases/{ref}"): Need.READ,
    ("GET", "/v1/releases/{ref}/bundle"): Need.READ,
    ("POST", "/v1/releases/{ref}/diff"): Need.READ,
    ("POST", "/v1/releases/{ref}/acceptance"): Need.READ,
    ("POST", "/v1/releases/{ref}/sign"): Need.READ,
    ("POST", "/v1/releases/{ref}/promote"): Need.READ,
    ("POST", "/v1/releases/{ref}/canary"): Need.READ,
    ("POST", "/v1/releases/{ref}/shadow"): Need.READ,
    ("POST", "/v1/releases/{ref}/unhold"): Need.READ,
    ("POST", "/v1/releases/{ref}/revoke"): Need.READ,
    ("POST", "/v1/releases/{ref}/reinstate"): Need.READ,
    ("GET", "/v1/users"): Need.ADMIN,
    ("POST", "/v1/users/{user_id}/disable"): Need.ADMIN,
    ("POST", "/v1/users/{user_id}/enable"): Need.ADMIN,
}


def require(principal: Principal, need: Need) -> None:
    """Errors: `Denied` (`role_missing`, `admin_approves`)."""
    if need is Need.APPROVE:
        refuse_admin(principal)
    if not _has(principal, need):
        raise Denied(
            f"{principal.name} may not do this here.",
            code="role_missing",
            remedy=f"It needs the right to {need.value}: see the roles in docs/reference/api.md.",
        )


def _has(principal: Principal, need: Need) -> bool:
    roles = principal.roles
    known = bool(roles or principal.groups or principal.delegated)
    decides = bool({"approver", "break_glass"} & roles or principal.groups or principal.delegated)
    return {
        Need.PUBLIC: True,
        Need.SELF: True,
        Need.READ: known,
        Need.REVEAL: known,
        Need.ASK: bool(roles - _NOT_ASKING),
        Need.OPERATE: bool(roles & {"operator", "system_operator"}),
        Need.APPROVE: principal.kind == "user" and decides,
        Need.ADMIN: "admin" in roles,
        Need.PRIVACY: "privacy_officer" in roles,
        Need.SYSTEM: "system_operator" in roles,
    }[need]
