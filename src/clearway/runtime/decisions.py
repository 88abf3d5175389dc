"""People's decisions: approve, reject, edit (approvals-idempotency-audit.md §2).

A decision is recorded in our own tables and the run is woken in the same transaction; whoever executes reads the
tables, never the message.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from clearway.model.approval import Approval, ApprovalState, Vote
from clearway.model.errors import ClearwayError, Conflict, Denied, Invalid, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal
from clearway.model.ledger import LedgerState
from clearway.model.tool import ToolSpec
from clearway.ports import Directory, Sealer, Store, Tx
from clearway.rules.digests import presented_digest
from clearway.rules.present import visible
from clearway.rules.rights import refuse_admin
from clearway.rules.voting import (
    BREAK_GLASS,
    authenticated,
    choose_factor,
    excluded_reason,
    giver_of,
    is_heard,
    is_met,
    memberships,
)
from clearway.runtime.binding import is_genuine, vote_record
from clearway.runtime.grants import GRANT_KIND, issue_grant
from clearway.runtime.hold import close
from clearway.runtime.vault import RunVault, Vaults

LONGEST_COMMENT = 2000


@dataclass(frozen=True, slots=True)
class Decisions:
    """Takes votes and edits. One a process; it keeps no state."""

    store: Store
    sealer: Sealer
    directory: Directory
    tools: Mapping[str, ToolSpec]
    vaults: Vaults

    def approve(
        self, approval_id: str, by: Principal, *, presented: str, comment: str = "", break_glass: bool = False
    ) -> Approval:
        """One approving vote. `presented` is the digest of what `by` was shown; another one is a conflict.

        Errors: `NotFound`, `Conflict` (`digest_mismatch`, `already_decided`, `already_voted`, `expired`), `Denied`
        (`separation_of_duties`, `not_an_approver`, `not_a_person`, `admin_approves`)."""
        return self._vote(approval_id, by, "approve", presented, comment, break_glass=break_glass)

    def reject(self, approval_id: str, by: Principal, *, presented: str, comment: str) -> Approval:
        """One rejection ends it, for good. Errors: as `approve`, and `Invalid` without a comment."""
        if not comment.strip():
            raise Invalid("A rejection needs a reason.", code="comment", remedy="Say why with --comment.")
        return self._vote(approval_id, by, "reject", presented, comment, break_glass=False)

    def _vote(
        self, approval_id: str, by: Principal, verdict: str, presented: str, comment: str, *, break_glass: bool
    ) -> Approval:
        decided = self.store.write(
            by.scope, lambda tx: self._vote_in(tx, approval_id, by, verdict, presented, comment, break_glass)
        )
        if isinstance(decided, Conflict):
            # Raised outside, so that what the look wrote down (it has expired) stays written.
            raise decided
        return decided

    def _vote_in(
        self, tx: Tx, approval_id: str, by: Principal, verdict: str, presented: str, comment: str, break_glass: bool
    ) -> Approval | Conflict:
        approval = _find(tx, approval_id)
        late = self._closed(tx, approval)
        if late is not None:
            return late
        if (
            presented != approval.presented_digest
            or presented_digest(approval.presented, approval.action_digest) != approval.presented_digest
        ):
            raise Conflict(
                "What you were shown is not what this approval is for now; nothing was recorded.",
                code="digest_mismatch",
                remedy="Look at it again with `clearway approvals show`.",
            )
        factor, giver = self._factor(tx, approval, by, verdict, comment, break_glass)
        vault = self._vault(tx, approval)
        comment = visible(vault.masker.scrub(comment))[0][:LONGEST_COMMENT]
        vault.file(tx)
        vote = Vote(
            approval_id,
            by.subject,
            verdict,
            factor,
            tx.now,
            approval.action_digest,
            approval.presented_digest,
            comment,
            authenticated(by, giver),
            "",
        )
        key_id, signature = self.sealer.sign(vote_record(vote))
        vote = replace(vote, record_signature=f"{key_id}:{signature.hex()}")
        if not tx.approvals.add_vote(vote):
            raise Conflict("You have voted on this already; one vote a person.", code="already_voted")
        tx.audit.append(
            [
                Event(
                    "approval.voted",
                    {
                        "approval": approval_id,
                        "by": by.name,
                        "verdict": verdict,
                        "factor": factor,
                        "comment": vote.comment,
                        "action_digest": vote.action_digest,
                        "presented_digest": vote.presented_digest,
                        "authenticated_by": vote.authenticated_by,
                        "signature": vote.record_signature,
                    },
                    approval.run_id,
                    approval.step_id,
                )
            ]
        )
        return self._count(tx, approval)

    def _vault(self, tx: Tx, approval: Approval) -> RunVault:
        """Its masker knows the sensitive values of run and action, so that nobody's comment stores them.

        Errors: `Erased`."""
        spec = self.tools.get(approval.tool)
        masker = self.vaults.redaction.masker(tx.scope, spec.sensitive if spec else ())
        vault = self.vaults.open(tx, approval.run_id, masker)
        vault.recall(tx)
        if approval.arguments:
            with contextlib.suppress(ClearwayError):  # altered: then nothing of it is executed either
                masker.learn(vault.unseal(approval.arguments))
        return vault

    def _closed(self, tx: Tx, approval: Approval) -> Conflict | None:
        if approval.state is ApprovalState.PENDING and tx.now >= approval.expires_at:
            close(tx, approval, ApprovalState.EXPIRED, "nobody decided in time")
            tx.wake(approval.run_id, f"{approval.approval_id}.expired")
            return Conflict("The approval has expired.", code="expired", remedy="The request has to be made again.")
        if approval.state is not ApprovalState.PENDING:
            return Conflict(f"The approval is {approval.state.value} already.", code="already_decided")
        return None

    def _factor(
        self, tx: Tx, approval: Approval, by: Principal, verdict: str, comment: str, break_glass: bool
    ) -> tuple[str, str | None]:
        """(the factor that the vote counts for, whose membership it uses where that was delegated)."""
        if by.kind != "user":
            raise Denied("Service accounts and agents do not approve.", code="not_a_person")
        person = self.directory.find(by.name, by.scope)
        refuse_admin(person or by)
        why = excluded_reason(approval, by)
        if why:
            raise Denied(
                f"Separation of duties: {why}.", code="separation_of_duties", remedy="Somebody else has to decide."
            )
        if person is not None and break_glass:
            if BREAK_GLASS not in person.roles or not comment.strip():
                raise Denied("Breaking the glass needs the role break_glass and a reason.", code="break_glass")
            tx.audit.append(
                [
                    Event(
                        "approval.break_glass",
                        {"approval": approval.approval_id, "by": by.name, "review": "due"},
                        approval.run_id,
                        approval.step_id,
                    )
                ]
            )
            return BREAK_GLASS, None
        votes = tx.approvals.votes(approval.approval_id)
        if by.subject in {giver_of(vote) for vote in votes}:
            raise Conflict("Somebody has voted with your membership already; one vote a person.", code="already_voted")
        if is_heard(by, votes):
            raise Conflict("You have voted on this already; one vote a person.", code="already_voted")
        groups = memberships(person, approval.excluded, votes) if person is not None else dict[str, str | None]()
        members = {f.group: len(self.directory.members(f.group, by.scope)) for f in approval.factors}
        factor = choose_factor(approval.factors, votes, groups, members)
        if factor is None and verdict == "reject":
            factor = next((f.group for f in approval.factors if f.group in groups), None)
        if factor is None:
            asked = ", ".join(f"{f.n} of {f.group}" for f in approval.factors)
            raise Denied(
                f"Your vote does not count here: it asks for {asked}.",
                code="not_an_approver",
                remedy="See `clearway approvals show` for who may decide.",
            )
        return factor, groups[factor]

    def _count(self, tx: Tx, approval: Approval) -> Approval:
        votes = tx.approvals.votes(approval.approval_id)
        bound = (approval.action_digest, approval.presented_digest)
        if any(
            (vote.action_digest, vote.presented_digest) != bound or not is_genuine(vote, self.sealer) for vote in votes
        ):
            raise Conflict(
                "Earlier votes are for another action, or were altered; nothing was recorded.",
                code="digest_mismatch",
                remedy="Cancel it; the request has to be made again.",
            )
        if any(vote.verdict != "approve" for vote in votes):
            state, values = ApprovalState.REJECTED, {"decided_at": tx.now}
        elif is_met(approval.factors, votes):
            state, values = (
                ApprovalState.APPROVED,
                {"decided_at": tx.now, "execute_by": tx.now + approval.execution_ttl_s},
            )
        else:
            return approval
        if not tx.approvals.move(approval.approval_id, from_states={ApprovalState.PENDING}, state=state, **values):
            raise Conflict("The approval was decided meanwhile.", code="already_decided")
        tx.audit.append(
            [Event(f"approval.{state.value}", {"approval": approval.approval_id}, approval.run_id, approval.step_id)]
        )
        approval = replace(approval, state=state, **values)
        if approval.kind == GRANT_KIND:
            return issue_grant(tx, approval) if state is ApprovalState.APPROVED else approval
        tx.wake(approval.run_id, f"{approval.approval_id}.decided")
        return approval

    def edit(self, approval_id: str, by: Principal, arguments: Mapping[str, Any], *, comment: str) -> Approval:
        """Replaces the arguments of a held action: a new action, evaluated whole from the start, with the editor as its
        requester. Only somebody who may decide on it may edit it; the tool stays the same.

        Errors: `NotFound`, `Conflict`, `Denied`, `Invalid` (`arguments`)."""

        def work(tx: Tx) -> Approval | Conflict:
            approval = _find(tx, approval_id)
            late = self._closed(tx, approval)
            if late is not None:
                return late
            self._factor(tx, approval, by, "reject", comment, break_glass=False)
            spec = self.tools.get(approval.tool)
            if spec is None or approval.kind != "action":
                raise Conflict("This approval cannot be edited.", code="not_editable")
            clean = spec.validate(arguments)
            close(tx, approval, ApprovalState.INVALIDATED, "edited")
            row = next((e for e in tx.ledger.of_run(approval.run_id) if e.step_id == approval.step_id), None)
            vault = self._vault(tx, approval)
            masker = vault.masker
            masker.learn(clean)
            detail = (row.detail or {}) if row else {}
            editors = sorted({*detail.get("editors", []), by.subject})
            if row is None or not tx.ledger.move(
                row.key,
                fence=row.fence,
                from_states={LedgerState.HELD},
                arguments=vault.seal(clean),
                shown_arguments=masker.mask(clean),
                detail={**detail, "edited_by": by.subject, "editors": editors},
            ):
                raise Conflict("The step is no longer held.", code="not_editable")
            tx.audit.append(
                [
                    Event(
                        "approval.edited",
                        {
                            "approval": approval_id,
                            "by": by.name,
                            "comment": masker.scrub(visible(comment)[0]),
                            "arguments": masker.mask(clean),
                        },
                        approval.run_id,
                        approval.step_id,
                    )
                ]
            )
            vault.file(tx)
            tx.wake(approval.run_id, f"{approval_id}.edited")
            return replace(approval, state=ApprovalState.INVALIDATED, note="edited")

        done = self.store.write(by.scope, work)
        if isinstance(done, Conflict):
            raise done
        return done


def _find(tx: Tx, approval_id: str) -> Approval:
    approval = tx.approvals.get(approval_id)
    if approval is None:
        raise NotFound("There is no such approval here.", remedy="See `clearway approvals list`.")
    return approval
