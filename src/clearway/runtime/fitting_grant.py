"""Which standing permission lets an action go on without asking anybody."""

import json
import re
from typing import Any

from clearway.model.action import Action
from clearway.model.approval import ApprovalState, Grant
from clearway.model.identity import Scope
from clearway.model.label import Trust
from clearway.ports import Directory, Sealer, Tx
from clearway.rules.digests import presented_digest
from clearway.rules.voting import is_met, login_of, still_holds
from clearway.runtime.binding import is_genuine


def fitting_grant(tx: Tx, action: Action, release: str, sealer: Sealer, directory: Directory) -> Grant | None:
    """A standing permission that covers this action exactly: target, tool digest, release, every bound.

    Those who agreed to it could do so today: a removed role blocks what it let through (threat 48)."""
    if action.irreversible:
        return None
    targets = tuple(map(str, action.shown_targets))
    for grant in tx.grants.active(action.tool, action.tool_digest, tx.now):
        fits = grant.release == release and grant.targets == targets and targets and _within(grant.bounds, action.shown)
        fits = fits and not _leaves_open(grant.bounds, action)
        if fits and _is_as_agreed(tx, grant, action.scope, sealer, directory):
            return grant
    return None


def _is_as_agreed(tx: Tx, grant: Grant, scope: Scope, sealer: Sealer, directory: Directory) -> bool:
    """Whether the grant's row still says what people agreed to, and they are still the ones to do so."""
    approval = tx.approvals.get(grant.approval_id)
    if approval is None or approval.state is not ApprovalState.CONSUMED:
        return False
    votes, shown = tx.approvals.votes(approval.approval_id), approval.presented
    terms = shown.get("grant", {})
    return (
        presented_digest(shown, approval.action_digest) == approval.presented_digest
        and (shown.get("arguments"), tuple(shown.get("targets", ())), shown.get("tool"))
        == (grant.bounds, grant.targets, grant.tool)
        and (terms.get("id"), terms.get("max_uses"), terms.get("release"))
        == (grant.grant_id, grant.max_uses, grant.release)
        and is_met(approval.factors, votes)
        and bool(votes)
        and all(
            (vote.action_digest, vote.presented_digest) == (approval.action_digest, approval.presented_digest)
            and is_genuine(vote, sealer)
            and still_holds(vote, directory.find(login_of(vote), scope), approval.excluded)
            for vote in votes
        )
    )


def _leaves_open(bounds: dict[str, Any], action: Action) -> bool:
    """Whether a value from an untrusted source would slip in where the people who agreed to the grant said "any"."""
    untrusted = {path for path, label in action.labels.items() if label.trust is Trust.UNTRUSTED}
    names = {re.split(r"[.\[#>]", path)[0] for path in untrusted & action.consequential}
    return any(bounds.get(name, {}).get("any") is True for name in names)


def _within(bounds: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Whether every argument keeps its bound: `{"max": n}`, `{"equals": v}` or `{"any": true}`. One without is out."""
    for name, value in arguments.items():
        bound = bounds.get(name)
        if bound is None:
            return False
        if bound.get("any") is True:
            continue
        if "equals" in bound and json.dumps(bound["equals"], sort_keys=True) == json.dumps(value, sort_keys=True):
            continue
        if "max" in bound and isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= bound["max"]:
            continue
        return False
    return True
