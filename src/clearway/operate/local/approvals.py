"""What people allow: approvals, endorsements, grants."""

from collections.abc import Mapping, Sequence
from typing import Any

from clearway.model.approval import ApprovalState
from clearway.operate.desk import Bound, there
from clearway.operate.pages import MOST_PER_PAGE, checked_limit, chosen, page_after, page_of
from clearway.operate.records import approval_line, approval_record, endorsement_record, grant_record
from clearway.ports import Tx

Json = dict[str, Any]


class ApprovalOperations(Bound):
    def approvals(self, *, state: str | None = "pending", limit: int = 50, cursor: str | None = None) -> Json:
        wanted = chosen(ApprovalState, state, "state")
        found = self._read(
            lambda tx: tx.approvals.list(state=wanted, limit=checked_limit(limit) + 1, before=page_after(cursor))
        )
        return page_of(found, limit, approval_line, lambda a: (a.requested_at, a.approval_id))

    def approval(self, approval_id: str) -> Json:
        def work(tx: Tx) -> Json:
            approval = there(tx.approvals.get(approval_id), "approval", "clearway approvals list")
            return approval_record(approval, tx.approvals.votes(approval_id))

        return self._read(work)

    def approve(self, approval_id: str, *, presented_digest: str, comment: str = "", break_glass: bool = False) -> Json:
        return approval_line(
            self._desk.decisions.approve(
                approval_id, self.caller, presented=presented_digest, comment=comment, break_glass=break_glass
            )
        )

    def reject(self, approval_id: str, *, presented_digest: str, comment: str) -> Json:
        return approval_line(
            self._desk.decisions.reject(approval_id, self.caller, presented=presented_digest, comment=comment)
        )

    def edit(self, approval_id: str, arguments: Mapping[str, Any], *, comment: str) -> Json:
        return approval_line(self._desk.decisions.edit(approval_id, self.caller, arguments, comment=comment))

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
        return endorsement_record(
            self._desk.endorsing.endorse(
                approval_id,
                argument,
                self.caller,
                presented=presented_digest,
                for_user=for_user,
                ttl_s=ttl_s,
                comment=comment,
            )
        )

    def endorsements(self) -> Json:
        found = self._read(lambda tx: tx.endorsements.list(limit=MOST_PER_PAGE))
        return {"items": [endorsement_record(each) for each in found], "next": None}

    def revoke_endorsement(self, endorsement_id: str, reason: str) -> Json:
        return endorsement_record(self._desk.endorsing.revoke(endorsement_id, self.caller, reason))

    def grants(self) -> Json:
        return {"items": [grant_record(grant) for grant in self._read(lambda tx: tx.grants.list())], "next": None}

    def ask_grant(
        self, tool: str, *, targets: Sequence[str], bounds: Mapping[str, Any], max_uses: int, ttl_s: float, reason: str
    ) -> Json:
        return approval_line(
            self._desk.grants.ask(
                tool, self.caller, targets=targets, bounds=bounds, max_uses=max_uses, ttl_s=ttl_s, reason=reason
            )
        )

    def revoke_grant(self, grant_id: str, reason: str) -> Json:
        self._desk.grants.revoke(grant_id, self.caller, reason)
        return {"grant_id": grant_id, "state": "revoked"}
