"""What people allow on a server: approvals, endorsements, grants."""

from collections.abc import Mapping, Sequence
from typing import Any

from clearway.operate.operations import Json
from clearway.operate.pages import checked_limit
from clearway.remote.bound import Bound


class ApprovalOperations(Bound):
    def approvals(self, *, state: str | None = "pending", limit: int = 50, cursor: str | None = None) -> Json:
        return self._get("approvals", state=state or "all", limit=checked_limit(limit), cursor=cursor)

    def approval(self, approval_id: str) -> Json:
        return self._get("approvals", approval_id)

    def approve(self, approval_id: str, *, presented_digest: str, comment: str = "", break_glass: bool = False) -> Json:
        return self._post(
            "approvals",
            approval_id,
            "approve",
            presented_digest=presented_digest,
            comment=comment,
            break_glass=break_glass,
        )

    def reject(self, approval_id: str, *, presented_digest: str, comment: str) -> Json:
        return self._post("approvals", approval_id, "reject", presented_digest=presented_digest, comment=comment)

    def edit(self, approval_id: str, arguments: Mapping[str, Any], *, comment: str) -> Json:
        return self._post("approvals", approval_id, "edit", arguments=dict(arguments), comment=comment)

    def endorse(
        self,
        approval_id: str,
        argument: str,
        *,
        presented_digest: str,
        for_user: bool = False,
        ttl_s: float | None = None,
        comment: str = "",
    ) -> Json:
        return self._post(
            "approvals",
            approval_id,
            "endorse",
            argument=argument,
            presented_digest=presented_digest,
            for_user=for_user,
            ttl_s=ttl_s,
            comment=comment,
        )

    def endorsements(self) -> Json:
        return self._get("endorsements")

    def revoke_endorsement(self, endorsement_id: str, reason: str) -> Json:
        return self._post("endorsements", endorsement_id, "revoke", reason=reason)

    def grants(self) -> Json:
        return self._get("grants")

    def ask_grant(
        self, tool: str, *, targets: Sequence[str], bounds: Mapping[str, Any], max_uses: int, ttl_s: float, reason: str
    ) -> Json:
        return self._post(
            "grants",
            tool=tool,
            targets=list(targets),
            bounds=dict(bounds),
            max_uses=max_uses,
            ttl_s=ttl_s,
            reason=reason,
        )

    def revoke_grant(self, grant_id: str, reason: str) -> Json:
        return self._post("grants", grant_id, "revoke", reason=reason)
