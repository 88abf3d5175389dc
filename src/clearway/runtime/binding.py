"""What an approval is bound to: the action, what people were shown of it, and their signed votes. Checked again right
before the action runs."""

from clearway.model.action import Action
from clearway.model.approval import Approval, ApprovalState, Vote
from clearway.model.decision import Decision, Verdict
from clearway.model.tool import ToolSpec
from clearway.ports import Directory, Sealer
from clearway.rules.canonical import canonical
from clearway.rules.digests import presented_digest
from clearway.rules.voting import is_met, login_of, still_covers, still_holds
from clearway.runtime.present import present


def drift(  # noqa: PLR0913 - all that is compared
    approval: Approval,
    votes: list[Vote],
    spec: ToolSpec,
    action: Action,
    decision: Decision,
    directory: Directory,
    sealer: Sealer,
    excluded: frozenset[str],
) -> str:
    """What no longer fits between what was approved, what was shown and what would run; empty where all does.

    INVARIANT: what runs is what was approved is what was shown. Recomputed from the action at hand, not compared
    with stored digests alone: the stored row, its display and the votes are all suspects.
    """
    shown = present(spec, action, approval.policies, approval.presented.get("preview"))
    bound = presented_digest(shown, action.digest)
    checks = (
        (approval.state in (ApprovalState.APPROVED, ApprovalState.CONSUMED), f"it is {approval.state.value}"),
        (action.digest == approval.action_digest, "the action changed"),
        (bound == approval.presented_digest and shown == approval.presented, "what was shown changed"),
        (
            all((v.action_digest, v.presented_digest) == (action.digest, bound) for v in votes),
            "the votes are for another action",
        ),
        (all(is_genuine(vote, sealer) for vote in votes), "a vote was altered"),
        (decision.verdict is not Verdict.DENY, "policy now denies it"),
        (
            decision.approval is None or still_covers(approval.factors, decision.approval.factors),
            "policy now asks for more",
        ),
        (is_met(approval.factors, votes), "votes are missing"),
        (not any(vote.subject in excluded for vote in votes), "somebody voted on their own act"),
        (
            all(still_holds(vote, directory.find(login_of(vote), action.scope), excluded) for vote in votes),
            "an approver no longer has the role",
        ),
    )
    return next((why for fits, why in checks if not fits), "")


def vote_record(vote: Vote) -> bytes:
    """The bytes that the server signs for a decision: who, when, what was shown, both digests, factor, comment."""
    return canonical(
        {
            "approval": vote.approval_id,
            "subject": vote.subject,
            "verdict": vote.verdict,
            "factor": vote.factor,
            "at": f"{vote.at:.6f}",
            "action_digest": vote.action_digest,
            "presented_digest": vote.presented_digest,
            "comment": vote.comment,
            "authenticated_by": vote.authenticated_by,
        }
    )


def is_genuine(vote: Vote, sealer: Sealer) -> bool:
    key_id, _, signature = vote.record_signature.partition(":")
    try:
        return sealer.verify(key_id, vote_record(vote), bytes.fromhex(signature))
    except ValueError:
        return False
