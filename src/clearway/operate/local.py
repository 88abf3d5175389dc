"""The operations on this machine's own store. Bound to one caller; each method is one use case."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from clearway.model.approval import ApprovalState
from clearway.model.errors import Denied, Invalid, NotFound, Unauthenticated
from clearway.model.identity import Principal, Scope
from clearway.model.ledger import LedgerState
from clearway.model.run import Run, RunStatus
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.operate.access import Access
from clearway.operate.audit import AuditLog
from clearway.operate.costs import cost_rows
from clearway.operate.notice_desk import NoticeDesk
from clearway.operate.pages import cursor_of, page_after
from clearway.operate.people import set_disabled, users_listed
from clearway.operate.privacy import Privacy
from clearway.operate.records import (
    approval_line,
    approval_record,
    endorsement_record,
    entry_record,
    grant_record,
    held_record,
    run_line,
    run_record,
    switch_record,
)
from clearway.operate.releases.operations import ReleaseDesk, ReleaseOperations
from clearway.operate.releases.stranded import code_needed
from clearway.operate.retention import RetentionRules
from clearway.operate.what_if import WhatIf
from clearway.ports import Store, Tx
from clearway.rules.names import did_you_mean
from clearway.runtime.decisions import Decisions
from clearway.runtime.endorsements import Endorsing
from clearway.runtime.grants import Grants
from clearway.runtime.intake import Intake, Request
from clearway.runtime.interventions import Interventions
from clearway.runtime.limits import DAY_S
from clearway.runtime.spending import used_on

Json = dict[str, Any]
T = TypeVar("T")
MOST_PER_PAGE = 500
MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the operations are made of. One a process, shared by every caller."""

    store: Store
    intake: Intake
    decisions: Decisions
    endorsing: Endorsing
    interventions: Interventions
    grants: Grants
    audit: AuditLog
    access: Access
    what_if: WhatIf
    tools: Mapping[str, ToolSpec]
    skills: Mapping[str, SkillSpec]
    privacy: Privacy
    retention: RetentionRules
    releases: ReleaseDesk
    notices: NoticeDesk
    codes: Callable[[], frozenset[str]] = frozenset


class LocalOperations(ReleaseOperations):
    """Implements `clearway.operate.operations.Operations`. `caller` is None for somebody who only reads."""

    def __init__(self, desk: Desk, scope: Scope, caller: Principal | None) -> None:
        self._desk = desk
        self._scope = scope
        self._caller = caller

    @property
    def caller(self) -> Principal:
        if self._caller is None:
            raise Unauthenticated(
                "Who is acting is not known.",
                remedy="Name a declared user with --as (environment dev), or set CLEARWAY_KEY.",
            )
        return self._caller

    @property
    def _releases(self) -> ReleaseDesk:
        return self._desk.releases

    @property
    def _here(self) -> Scope:
        if self._caller is not None and self._caller.scope != self._scope:
            raise Denied("The caller belongs to another scope.", code="wrong_scope")
        return self._scope

    def start(  # noqa: PLR0913 - all that a request is made of
        self,
        text: str,
        *,
        skill: str | None = None,
        input: Mapping[str, Any] | None = None,
        key: str | None = None,
        request_id: str | None = None,
        correlation_id: str | None = None,
        role: str | None = None,
        subject: str | None = None,
    ) -> Json:
        run, new = self._desk.intake.start(
            Request(text, self.caller, skill, input or {}, key, request_id, correlation_id, role, subject)
        )
        return {**run_line(run), "new": new, "route": run.route}

    def run(self, run_id: str) -> Json:
        def work(tx: Tx) -> tuple[Json, str | None]:
            run = _there(tx.runs.get(run_id), "run", "clearway runs list")
            entries = tx.ledger.of_run(run_id)
            approvals = tx.approvals.list(run_id=run_id, limit=1000)
            votes = {a.approval_id: tx.approvals.votes(a.approval_id) for a in approvals}
            events = tx.audit.read(run_id=run_id)
            record = run_record(run, entries, approvals, events, self._desk.tools, self._desk.skills, votes)
            return record, code_needed(tx, run)

        record, code = self._read(work)
        return {**record, "code_missing": code if code is not None and code not in self._desk.codes() else None}

    def result(self, run_id: str) -> Any:
        """The run's real result, for whom it acts for only. Errors: `NotFound`, `Denied`, `Erased`."""

        def work(tx: Tx) -> Any:
            run = _there(tx.runs.get(run_id), "run", "clearway runs list")
            if run.principal.get("user") != self.caller.name:
                raise Denied(
                    "The result is shown to whom the run acts for only.",
                    code="not_yours",
                    remedy="`clearway runs show` has it with sensitive values as tokens.",
                )
            vault = self._desk.intake.vaults.open(tx, run_id)
            return None if run.result is None else vault.unseal(run.result)

        return self._read(work)

    def run_status(self, run_id: str) -> Json:
        def work(tx: Tx) -> Json:
            run = _there(tx.runs.get(run_id), "run", "clearway runs list")
            steps = [[e.step_id, e.tool, e.state.value] for e in tx.ledger.of_run(run_id)]
            pending = [a.approval_id for a in tx.approvals.list(state=ApprovalState.PENDING, run_id=run_id)]
            return {
                "run_id": run_id,
                "status": run.status.value,
                "final": run.status.is_final,
                "steps": steps,
                "pending_approvals": pending,
            }

        return self._read(work)

    def runs(
        self,
        *,
        status: str | None = None,
        skill: str | None = None,
        correlation_id: str | None = None,
        held: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Json:
        wanted = _choice(RunStatus, status, "status")

        def work(tx: Tx) -> Json:
            found = tx.runs.list(
                status=wanted,
                skill=skill,
                correlation_id=correlation_id,
                held=held,
                limit=_limit(limit) + 1,
                before=page_after(cursor),
            )
            return _page(found, limit, lambda run: held_line(tx, run), lambda run: (run.created_at, run.run_id))

        return self._read(work)

    def cancel(self, run_id: str, reason: str) -> Json:
        return run_line(self._desk.interventions.cancel(run_id, self.caller, reason))

    def retry(self, run_id: str, reason: str) -> Json:
        return run_line(self._desk.interventions.retry(run_id, self.caller, reason))

    def approvals(self, *, state: str | None = "pending", limit: int = 50, cursor: str | None = None) -> Json:
        wanted = _choice(ApprovalState, state, "state")
        found = self._read(
            lambda tx: tx.approvals.list(state=wanted, limit=_limit(limit) + 1, before=page_after(cursor))
        )
        return _page(found, limit, approval_line, lambda a: (a.requested_at, a.approval_id))

    def approval(self, approval_id: str) -> Json:
        def work(tx: Tx) -> Json:
            approval = _there(tx.approvals.get(approval_id), "approval", "clearway approvals list")
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

    def edit(self, approval_id: str, arguments: Mapping[str, Any], *, comment: str) -> Json:
        return approval_line(self._desk.decisions.edit(approval_id, self.caller, arguments, comment=comment))

    def ledger(
        self, *, state: str | None = None, run_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Json:
        wanted = _choice(LedgerState, state, "state")
        found = self._read(
            lambda tx: tx.ledger.list(state=wanted, run_id=run_id, limit=_limit(limit) + 1, before=page_after(cursor))
        )
        return _page(found, limit, lambda e: entry_record(e, self._desk.tools), lambda e: (e.created_at, e.key))

    def ledger_entry(self, key: str) -> Json:
        found = self._read(lambda tx: tx.ledger.get(key))
        return entry_record(_there(found, "ledger row", "clearway ledger list"), self._desk.tools)

    def resolve(
        self, key: str, *, happened: bool, reason: str, remote_ref: str | None = None, result: Any = None
    ) -> Json:
        return entry_record(
            self._desk.interventions.resolve(
                key, self.caller, happened=happened, reason=reason, remote_ref=remote_ref, result=result
            ),
            self._desk.tools,
        )

    def explain(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        agent: str | None = None,
        user: str | None = None,
        role: str | None = None,
    ) -> Json:
        return self._desk.what_if.explain(
            self._scope,
            tool,
            arguments,
            agent=agent,
            user=user or (self._caller.name if self._caller else None),
            role=role,
        )

    def audit_verify(self, *, checkpoint: str | None = None, public_key: bytes | None = None) -> Json:
        return self._desk.audit.verify(self._scope, checkpoint=checkpoint, public_key=public_key).as_json()

    def audit_export(self) -> Json:
        lines, note, key_id, public = self._desk.audit.export(self._scope)
        return {
            "lines": list(lines),
            "checkpoint": note,
            "key_id": key_id,
            "public_key": base64.b64encode(public).decode(),
        }

    def audit_page(self, *, after: int = 0, limit: int = 5_000) -> Json:
        return self._desk.audit.page(self._scope, after=after, limit=limit)

    def audit_prove(self, seq: int) -> Json:
        return self._desk.audit.prove(self._scope, seq)

    def tools(self) -> Json:
        items = [
            {
                "name": t.name,
                "description": t.description,
                "impact": t.impact.value,
                "owner": t.owner or "unowned",
                "digest": t.digest,
                "irreversible": t.irreversible,
                "sensitive": sorted(t.sensitive),
                "timeout_s": t.timeout_s,
                "attempts": t.retry.attempts,
                "schema": t.schema,
                "ways_out_of_unknown": _ways_out(t),
                "compensated_by": t.compensate.tool if t.compensate else None,
            }
            for t in self._desk.tools.values()
        ]
        return {"items": items, "next": None}

    def skills(self) -> Json:
        items = [
            {
                "name": s.name,
                "description": s.description,
                "owner": s.owner or "unowned",
                "tools": sorted(s.tools),
                "examples": list(s.examples),
                "deadline_s": s.deadline_s,
                "max_steps": s.max_steps,
                "schema": s.schema,
            }
            for s in self._desk.skills.values()
        ]
        return {"items": items, "next": None}

    def switches(self) -> Json:
        return {"items": [switch_record(switch) for switch in self._read(lambda tx: tx.switches.list())], "next": None}

    def engage(self, kind: str, id: str, reason: str) -> Json:
        known = {"tool": self._desk.tools, "agent": self._desk.skills}.get(kind)
        if known is not None and id not in known:
            raise NotFound(
                f"The project has no {'skill' if kind == 'agent' else kind} of that name, so nothing would stop.",
                remedy=did_you_mean(id, known),
            )
        return switch_record(self._desk.interventions.engage(kind, id, self.caller, reason))

    def release(self, kind: str, id: str, reason: str) -> Json:
        return switch_record(self._desk.interventions.release(kind, id, self.caller, reason))

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

    def reveal(self, token: str, reason: str) -> Json:
        return self._desk.privacy.reveal(token, self.caller, reason)

    def erase(self, subject: str, reason: str, *, dry_run: bool = False) -> Json:
        return self._desk.privacy.erase(subject, self.caller, reason, dry_run=dry_run)

    def apply_retention(self, *, dry_run: bool = False) -> Json:
        return self._desk.retention.ask(self.caller, dry_run=dry_run)

    def rotate_keys(self, purpose: Literal["seal", "token"], *, only_rewrap: bool = False) -> Json:
        return self._desk.privacy.rotate(self.caller, purpose, only_rewrap=only_rewrap)

    def create_key(self, subject: str, *, days: int) -> Json:
        return self._desk.access.create_key(self.caller, subject, days=days)

    def keys(self) -> Json:
        return {"items": self._desk.access.keys(self._scope), "next": None}

    def revoke_key(self, key_id: str) -> Json:
        return self._desk.access.revoke_key(self.caller, key_id)

    def users(self) -> Json:
        return {"items": users_listed(self._desk.store, self.caller), "next": None}

    def disable_user(self, user_id: str, reason: str) -> Json:
        return set_disabled(
            self._desk.store, self._desk.privacy.vaults.redaction, self.caller, user_id, reason, disabled=True
        )

    def enable_user(self, user_id: str, reason: str) -> Json:
        return set_disabled(
            self._desk.store, self._desk.privacy.vaults.redaction, self.caller, user_id, reason, disabled=False
        )

    def notices(self, *, failed: bool = False, limit: int = 50) -> Json:
        return self._desk.notices.listed(self._here, failed=failed, limit=_limit(limit))

    def try_notices(self, channel: str | None = None) -> Json:
        return self._desk.notices.try_out(self.caller, channel)

    def costs(self, *, days: int = 1) -> Json:
        """Turns, tokens and dollars of models in this tenant and environment, by UTC day, skill and model, newest day
        first. A turn without an answer is not among them; what it may have cost counts against the day's budget."""
        if not 1 <= days <= MOST_DAYS:
            raise Invalid(f"Costs are told of 1 to {MOST_DAYS} days.", code="days", remedy="Use --days 7.")

        def work(tx: Tx) -> Json:
            today = int(tx.now // DAY_S)
            counted = [(day, tx.limits.counters(used_on(day))) for day in range(today, today - days, -1)]
            return {"items": [row for day, found in counted for row in cost_rows(day, found)], "next": None}

        return self._read(work)

    def _read(self, work: Callable[[Tx], T]) -> T:
        if self._caller is not None and self._caller.scope != self._scope:
            raise Denied("The caller belongs to another scope.", code="wrong_scope")
        return self._desk.store.read(self._scope, work)


def _there(found: T | None, what: str, see: str) -> T:
    if found is None:
        raise NotFound(f"There is no such {what} here.", remedy=f"See `{see}`.")
    return found


def held_line(tx: Tx, run: Run) -> Json:
    """A run in a list, with who holds it since when."""
    held = None if run.held_for is None else held_record(run, tx.audit.read(run_id=run.run_id))
    return {**run_line(run), "held": held}


def _choice(kind: Any, text: str | None, what: str) -> Any:
    if text is None or text == "all":
        return None
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise Invalid(f"There is no {what} of that name.", code=what, remedy=f"Use one of: {known}, all.") from None


def _limit(limit: int) -> int:
    if not 1 <= limit <= MOST_PER_PAGE:
        raise Invalid(f"A page holds 1 to {MOST_PER_PAGE} rows.", code="limit", remedy="Use --limit 50.")
    return limit


def _page(found: list[T], limit: int, show: Callable[[T], Json], key: Callable[[T], tuple[float, str]]) -> Json:
    items, more = found[:limit], len(found) > limit
    return {"items": [show(item) for item in items], "next": cursor_of(key(items[-1])) if more else None}


def _ways_out(tool: ToolSpec) -> list[str]:
    ways = tool.idempotency
    return [*(["resend"] if ways.remote_dedup_window_s else []), *(["lookup"] if ways.lookup else []), "person"]
