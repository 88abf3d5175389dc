"""A person's word for a value from an untrusted source: given once, instead of for every action with it.

Stored is a keyed token of argument and value, never the value. Whoever may decide on an approval may vouch for the
values that it shows, and may not where separation of duties keeps them from deciding. An endorsement approves nothing:
it changes the label, and policies say what follows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

from clearway.model.action import Action
from clearway.model.approval import Approval, ApprovalState
from clearway.model.endorsement import Endorsement
from clearway.model.errors import Conflict, Denied, Invalid, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.label import Label, Trust
from clearway.ports import Directory, Sealer, Store, Tx
from clearway.rules.canonical import canonical
from clearway.rules.digests import presented_digest
from clearway.rules.names import did_you_mean
from clearway.rules.present import visible
from clearway.rules.rights import refuse_admin, require
from clearway.rules.voting import authenticated, excluded_reason, memberships
from clearway.runtime.carry import Carry
from clearway.runtime.labels import is_below, without_endorsements
from clearway.runtime.vault import Vaults

RUN_TTL_S = 7 * 86400.0
USER_TTL_S = 86400.0
LONGEST_TTL_S = 30 * 86400.0
LONGEST_COMMENT = 2000

_OPEN = (ApprovalState.PENDING, ApprovalState.APPROVED, ApprovalState.CONSUMED)


def value_token(argument: str, value: Any, sealer: Sealer, scope: Scope) -> str:
    """Keyed, within a tenant: the same value under another argument's name has another one."""
    return sealer.token(canonical({"argument": argument, "value": value}).decode(), "ENDORSED", scope)


def in_force(rows: Iterable[Endorsement], at: Carry, directory: Directory, sealer: Sealer) -> tuple[Endorsement, ...]:
    """Those that count in this run.

    INVARIANT: checked at each use, as votes are: that nobody altered the row, that whoever vouched still has the right,
    and that nobody vouches for their own act."""
    return tuple(row for row in rows if _counts(row, at, directory, sealer))


def applied(labels: Mapping[str, Label], arguments: Mapping[str, Any], at: Carry, sealer: Sealer) -> dict[str, Label]:
    """The labels with what is endorsed of the arguments. Whole arguments are vouched for, never parts."""
    found = without_endorsements(labels)
    for row in at.endorsements:
        label = found.get(row.argument)
        if label is None or label.trust is not Trust.UNTRUSTED:
            continue
        if value_token(row.argument, arguments.get(row.argument), sealer, at.scope) != row.value_token:
            continue
        for path, one in found.items():
            if is_below(path, row.argument) and one.trust is Trust.UNTRUSTED:
                found[path] = replace(one, trust=Trust.ENDORSED, sources=(*one.sources, f"endorsed:{row.by}"))
    return found


def relies_on_endorsements(action: Action) -> bool:
    return any(label.trust is Trust.ENDORSED for label in action.labels.values())


def _counts(row: Endorsement, at: Carry, directory: Directory, sealer: Sealer) -> bool:
    if row.run_id not in ("", at.run.run_id) or row.user != at.user.name:
        return False
    if at.separates_duties and row.subject == at.user.subject:
        return False
    key_id, _, signature = row.record_signature.partition(":")
    try:
        genuine = sealer.verify(key_id, _record(row), bytes.fromhex(signature))
    except ValueError:
        genuine = False
    person = directory.find(row.by, at.scope)
    holds = person is not None and person.subject == row.subject and row.factor in memberships(person, (), ())
    return genuine and holds


def _record(row: Endorsement) -> bytes:
    """The bytes that the server signs."""
    said = {name: value for name, value in asdict(row).items() if name not in ("record_signature", "revoked_at")}
    return canonical({**said, "at": f"{row.at:.6f}", "expires_at": f"{row.expires_at:.6f}"})


@dataclass(frozen=True, slots=True)
class Endorsing:
    """Takes endorsements and takes them back. One a process; it keeps no state."""

    store: Store
    sealer: Sealer
    directory: Directory
    vaults: Vaults

    def endorse(
        self,
        approval_id: str,
        argument: str,
        by: Principal,
        *,
        presented: str,
        for_user: bool = False,
        ttl_s: float | None = None,
        comment: str = "",
    ) -> Endorsement:
        """Vouches for the value of one argument, as the approval with the digest `presented` shows it: in this run, or
        (`for_user`) in all runs for the same user.

        Errors: `NotFound`, `Conflict` (`digest_mismatch`, `already_decided`), `Denied` (`separation_of_duties`,
        `not_an_approver`, `not_a_person`, `admin_approves`), `Invalid` (`argument`, `ttl`)."""
        lasts = ttl_s if ttl_s is not None else USER_TTL_S if for_user else RUN_TTL_S
        if not 0 < lasts <= LONGEST_TTL_S:
            raise Invalid("An endorsement lasts 30 days at most.", code="ttl", remedy="Use, for instance, --ttl 8h.")

        def work(tx: Tx) -> Endorsement:
            approval = self._shown(tx, approval_id, presented)
            factor, giver = self._right(tx, approval, by)
            arguments = self._arguments(tx, approval)
            if arguments.get(argument) is None:
                raise Invalid(
                    "The approval shows no such argument.", code="argument", remedy=did_you_mean(argument, arguments)
                )
            row = Endorsement(
                endorsement_id=f"end_{uuid4().hex[:20]}",
                approval_id=approval_id,
                run_id="" if for_user else approval.run_id,
                user=str(approval.presented.get("user")),
                argument=argument,
                value_token=value_token(argument, arguments[argument], self.sealer, by.scope),
                by=by.name,
                subject=by.subject,
                factor=factor,
                authenticated_by=authenticated(by, giver),
                comment=self._comment(tx, approval, comment),
                at=tx.now,
                expires_at=tx.now + lasts,
                record_signature="",
            )
            key_id, signature = self.sealer.sign(_record(row))
            row = replace(row, record_signature=f"{key_id}:{signature.hex()}")
            tx.endorsements.insert(row)
            tx.audit.append([_event("endorsement.given", row, approval)])
            return row

        return self.store.write(by.scope, work)

    def revoke(self, endorsement_id: str, by: Principal, reason: str) -> Endorsement:
        """Takes it back, from the next decision on: whoever gave it, or an operator.

        Errors: `NotFound`, `Denied`, `Conflict` (`already_revoked`)."""

        def work(tx: Tx) -> Endorsement:
            row = tx.endorsements.get(endorsement_id)
            if row is None:
                raise NotFound("There is no such endorsement here.", remedy="See `clearway endorsements list`.")
            if by.subject != row.subject:
                require(by, "cancel")
            if not tx.endorsements.revoke(endorsement_id, tx.now):
                raise Conflict("The endorsement was revoked already.", code="already_revoked")
            said = visible(self.vaults.redaction.said(reason, by.scope))[0][:LONGEST_COMMENT]
            payload = {"endorsement": endorsement_id, "by": by.name, "reason": said}
            tx.audit.append([Event("endorsement.revoked", payload, row.run_id or None)])
            return replace(row, revoked_at=tx.now)

        return self.store.write(by.scope, work)

    def _comment(self, tx: Tx, approval: Approval, comment: str) -> str:
        """Without the run's sensitive values, and with all that it holds visible."""
        vault = self.vaults.person(tx, approval.run_id)
        scrubbed = vault.masker.scrub(comment) if vault is not None else ""
        if vault is not None:
            vault.file(tx)
        return visible(scrubbed)[0][:LONGEST_COMMENT]

    def _shown(self, tx: Tx, approval_id: str, presented: str) -> Approval:
        approval = tx.approvals.get(approval_id)
        if approval is None or approval.kind != "action":
            raise NotFound("There is no such approval here.", remedy="See `clearway approvals list`.")
        if approval.state not in _OPEN:
            raise Conflict(f"The approval is {approval.state.value}.", code="already_decided")
        stored = presented_digest(approval.presented, approval.action_digest)
        if presented != approval.presented_digest or stored != presented:
            raise Conflict(
                "What you were shown is not what this approval is for now; nothing was recorded.",
                code="digest_mismatch",
                remedy="Look at it again with `clearway approvals show`.",
            )
        return approval

    def _arguments(self, tx: Tx, approval: Approval) -> dict[str, Any]:
        """What would run, as far as it was not altered: the digest covers what was shown, the seal what is opened."""
        if approval.arguments is None:
            raise Conflict("The approval holds no arguments.", code="already_decided")
        return self.vaults.open(tx, approval.run_id).unseal(approval.arguments)

    def _right(self, tx: Tx, approval: Approval, by: Principal) -> tuple[str, str | None]:
        """(the approver group that gives the right, whose membership it is where that was delegated)."""
        if by.kind != "user":
            raise Denied("Service accounts and agents do not vouch for values.", code="not_a_person")
        person = self.directory.find(by.name, by.scope)
        refuse_admin(person or by)
        why = excluded_reason(approval, by)
        if why:
            raise Denied(
                "Separation of duties: whoever asked for an action cannot vouch for its values.",
                code="separation_of_duties",
                remedy="Somebody else has to do it.",
            )
        groups = {} if person is None else memberships(person, approval.excluded, ())
        factor = next((factor.group for factor in approval.factors if factor.group in groups), None)
        if factor is None:
            asked = ", ".join(f"{factor.n} of {factor.group}" for factor in approval.factors)
            raise Denied(
                f"Only who may decide on the approval may vouch for its values: {asked}.",
                code="not_an_approver",
                remedy="See `clearway approvals show` for who may decide.",
            )
        return factor, groups[factor]


def _event(kind: str, row: Endorsement, approval: Approval) -> Event:
    shown = {name: value for name, value in asdict(row).items() if name not in ("revoked_at", "subject")}
    shown |= {"endorsement": shown.pop("endorsement_id"), "approval": shown.pop("approval_id")}
    shown |= {"scope": "run" if row.run_id else "user", "signature": shown.pop("record_signature")}
    return Event(kind, {**shown, "presented_digest": approval.presented_digest}, approval.run_id, approval.step_id)
