"""What operators do to runs and effects: cancel, retry, resolve UNKNOWN, engage and release kill switches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clearway.model.approval import ApprovalState
from clearway.model.errors import Conflict, Denied, Invalid, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal
from clearway.model.ledger import Entry, LedgerState
from clearway.model.run import Run, RunStatus
from clearway.model.switch import KillSwitch
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.ports import Directory, Store, Tx
from clearway.rules.chain import rfc3339
from clearway.rules.present import visible
from clearway.rules.rights import has_right, require
from clearway.rules.shapes import of_results
from clearway.rules.turn import is_answered
from clearway.rules.two_people import NEEDED, people, still_held, vote_of
from clearway.runtime.settle import DOUBT
from clearway.runtime.vault import RunVault, Vaults

KINDS = ("global", "environment", "tenant", "agent", "tool")
#: They hold for every tenant.
SHARED_KINDS = frozenset({"global", "environment"})


@dataclass(frozen=True, slots=True)
class Interventions:
    """One a process; it keeps no state. Every act is authorised by role and recorded. `tools`, `skills`: say which
    fields of a result that somebody tells are sensitive."""

    store: Store
    vaults: Vaults
    directory: Directory
    tools: Mapping[str, ToolSpec] = field(default_factory=dict[str, ToolSpec])
    skills: Mapping[str, SkillSpec] = field(default_factory=dict[str, SkillSpec])

    def cancel(self, run_id: str, by: Principal, reason: str) -> Run:
        """Asks the run to stop: nothing more is sent, what was done is compensated where a tool says how.

        Errors: `NotFound`, `Denied`, `Conflict` (it has ended)."""

        def work(tx: Tx) -> Run:
            run = _run(tx, run_id)
            if run.principal.get("user") != by.name:
                require(by, "cancel")
            if run.status.is_final:
                raise Conflict(f"The run has ended already ({run.status.value}).", code="already_ended")
            tx.runs.update(run_id, cancel_requested=True)
            said = self._said(tx, reason, run_id)
            for approval in tx.approvals.list(run_id=run_id, limit=1000):
                if approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED):
                    tx.approvals.move(approval.approval_id, from_states={approval.state}, state=ApprovalState.CANCELLED)
            tx.audit.append([Event("run.cancel_requested", {"by": by.name, "reason": said}, run_id)])
            tx.wake(run_id, f"{run_id}.cancel")
            return _run(tx, run_id)

        return self.store.write(by.scope, work)

    def retry(self, run_id: str, by: Principal, reason: str) -> Run:
        """Carries a failed run on from where it failed: run and step ids, hence idempotency keys, stay; what succeeded
        is not done again; refusals by people stay refused.

        Errors: `NotFound`, `Denied`, `Conflict` (not failed), `Erased`."""

        def work(tx: Tx) -> Run:
            run = _run(tx, run_id)
            require(by, "retry")
            if run.status not in (RunStatus.FAILED, RunStatus.REFUSED):
                raise Conflict(
                    f"Only a failed or refused run can be retried; this one is {run.status.value}.", code="not_failed"
                )
            self.vaults.open(tx, run_id)  # what was erased cannot be carried on
            said = self._said(tx, reason, run_id)
            entries = tx.ledger.of_run(run_id)
            undoing = (LedgerState.SUCCEEDED, LedgerState.STARTED, LedgerState.UNKNOWN, LedgerState.HELD)
            if any(e.kind == "compensation" and e.state in undoing for e in entries):
                raise Conflict(
                    "The run's effects were undone already, or may have been.",
                    code="compensated",
                    remedy="Start a new run.",
                )
            turns = {e.step_id for e in entries if e.kind == "turn" and e.state is LedgerState.SUCCEEDED}
            for entry in entries:
                if is_answered(entry.step_id, turns):
                    continue  # a model has taken this ending as given, and has gone on from it
                if entry.state is LedgerState.FAILED_FINAL or (
                    entry.state is LedgerState.REFUSED and not _by_people(entry)
                ):
                    tx.ledger.move(
                        entry.key,
                        fence=None,
                        from_states={entry.state},
                        state=LedgerState.FAILED_RETRYABLE,
                        attempt=0,
                        updated_at=tx.now,
                    )
            tx.runs.update(run_id, status=RunStatus.QUEUED, failure=None, finished_at=None, spent_s=0.0)
            tx.audit.append([Event("run.retried", {"by": by.name, "reason": said}, run_id)])
            tx.wake(run_id, f"{run_id}.retry{run.fence}")
            return _run(tx, run_id)

        return self.store.write(by.scope, work)

    def resolve(
        self, key: str, by: Principal, *, happened: bool, reason: str, remote_ref: str | None = None, result: Any = None
    ) -> Entry:
        """A person's way out of UNKNOWN. `did not happen` makes the step safe to send again: it is decided anew. The
        row says who settled it, when and why, and shows the result with tokens.

        Errors: `NotFound`, `Denied`, `Invalid` (no reason), `Conflict` (not UNKNOWN)."""
        if not reason.strip():
            raise Invalid("A resolution needs a reason.", code="reason", remedy="Say how you know with --reason.")

        def work(tx: Tx) -> Entry:
            entry = tx.ledger.get(key)
            if entry is None:
                raise NotFound("There is no such ledger row here.", remedy="See `clearway ledger list`.")
            require(by, "resolve")
            run = _run(tx, entry.run_id)
            if entry.state is not LedgerState.UNKNOWN:
                raise _not_in_doubt(entry)
            vault = self.vaults.open(tx, entry.run_id)
            vault.recall(tx)
            shown = self._shown_result(vault, run, entry, result) if happened else None
            said = visible(vault.masker.scrub(reason))[0]
            ref = None if remote_ref is None else vault.masker.scrub(remote_ref)
            vault.file(tx)
            not_done = LedgerState.FAILED_FINAL if run.status.is_final else LedgerState.FAILED_RETRYABLE
            state = LedgerState.SUCCEEDED if happened else not_done
            detail = {name: value for name, value in (entry.detail or {}).items() if name not in DOUBT}
            detail |= {"code": "resolved", "message": said, "resolved_by": by.name, "resolved_at": rfc3339(tx.now)}
            values: dict[str, Any] = {
                "state": state,
                "updated_at": tx.now,
                "detail": detail,
            }
            if happened:
                values |= {"remote_ref": ref, "result": vault.seal(result), "shown_result": shown}
            else:
                values["attempt"] = 0
            if not tx.ledger.move(key, fence=entry.fence, from_states={LedgerState.UNKNOWN}, **values):
                raise _not_in_doubt(entry)
            tx.audit.append(
                [
                    Event(
                        "action.resolved",
                        {
                            "tool": entry.tool,
                            "by": by.name,
                            "happened": happened,
                            "reason": said,
                            "remote_ref": ref,
                        },
                        entry.run_id,
                        entry.step_id,
                    )
                ]
            )
            tx.wake(entry.run_id, f"{entry.run_id}.{entry.step_id}.resolved{run.fence}")
            found = tx.ledger.get(key)
            return found if found is not None else entry

        return self.store.write(by.scope, work)

    def _shown_result(self, vault: RunVault, run: Run, entry: Entry, result: Any) -> Any:
        """The result with tokens, as a tool's own is shown. None where the tool is not known here: what it holds is
        sensitive in ways that only its declaration says."""
        spec, skill = self.tools.get(entry.tool), self.skills.get(run.skill)
        if spec is None or result is None:
            return None
        named = [self.tools[name].sensitive for name in (skill.tools if skill else ()) if name in self.tools]
        fields = spec.sensitive.union(skill.sensitive if skill else (), *named)
        shown = vault.masker.mask(result, fields, of_results(spec))
        if spec.subject and entry.arguments is not None:
            vault.concerns(entry.step_id, vault.unseal(entry.arguments).get(spec.subject), entry.shown_arguments)
            vault.returned(entry.step_id, shown)
        return shown

    def engage(self, kind: str, id: str, by: Principal, reason: str) -> KillSwitch:
        """Stops every send that the switch covers, at once. One person is enough. Errors: `Denied`, `Invalid`."""

        def work(tx: Tx) -> KillSwitch:
            _check_switch(kind, id, by)
            switch = KillSwitch(kind, id, True, self._said(tx, reason), by.name, tx.now)
            tx.switches.put(switch)
            started = [e.key for e in tx.ledger.list(state=LedgerState.STARTED, limit=1000)]
            tx.audit.append(
                [
                    Event(
                        "kill_switch.engaged",
                        {"kind": kind, "id": id, "by": by.name, "reason": switch.reason, "started": started},
                    )
                ]
            )
            return switch

        return self.store.write(by.scope, work)

    def release(self, kind: str, id: str, by: Principal, reason: str) -> KillSwitch:
        """One of the two people whom a release needs. Errors: `Denied`, `NotFound`, `Conflict` (`already_voted`)."""

        def work(tx: Tx) -> KillSwitch:
            _check_switch(kind, id, by)
            switch = tx.switches.get(kind, id)
            if switch is None or not switch.engaged:
                raise NotFound("No such kill switch is engaged.", remedy="See `clearway kill list`.")
            # INVARIANT: whoever asked counts only while they have the right: it is asked again when it is decided.
            earlier = still_held(
                switch.release_votes, by.scope, self.directory.find, lambda one: has_right(one, _right(kind))
            )
            if by.may_be(people(earlier)):
                raise Conflict(
                    "You have asked for this release already; a second person is needed.", code="already_voted"
                )
            votes = (*earlier, vote_of(by))
            done = len(votes) >= NEEDED
            switch = KillSwitch(kind, id, not done, switch.reason, switch.by, switch.at, votes)
            tx.switches.put(switch)
            tx.audit.append(
                [
                    Event(
                        "kill_switch.released" if done else "kill_switch.release_asked",
                        {"kind": kind, "id": id, "by": by.name, "reason": self._said(tx, reason)},
                    )
                ]
            )
            return switch

        return self.store.write(by.scope, work)

    def _said(self, tx: Tx, reason: str, run_id: str | None = None) -> str:
        """A reason as it is stored: what it holds of somebody's data is tokens, filed with the run it is about."""
        vault = None if run_id is None else self.vaults.person(tx, run_id)
        if vault is None:
            return visible(self.vaults.redaction.said(reason, tx.scope))[0]
        said = vault.masker.scrub(reason)
        vault.file(tx)
        return visible(said)[0]


def _may_switch(kind: str, by: Principal) -> None:
    """Switches that hold for every tenant need a role of their own; the global one, a proven identity too."""
    require(by, _right(kind))
    if kind == "global" and not by.authenticated_by.startswith(("key:", "oidc:")):
        raise Denied(
            "The global kill switch stops every tenant and environment, so it takes an API key.",
            code="identity_not_proven",
            remedy="Use a key (CLEARWAY_KEY), or stop less: environment, tenant, agent or tool.",
        )


def _right(kind: str) -> str:
    return "kill_everywhere" if kind in SHARED_KINDS else "kill"


def _check_switch(kind: str, id: str, by: Principal) -> None:
    """A switch that covers nothing would only calm; one of another tenant or environment is theirs."""
    if kind not in KINDS:
        raise Invalid("There is no kill switch of that kind.", code="kind", remedy=f"Use one of: {', '.join(KINDS)}.")
    if (kind == "global") != (id == ""):
        raise Invalid(
            "A kill switch names what it stops; the global one names nothing.",
            code="kill_switch",
            remedy="Write, for instance, clearway kill engage tool refund, or clearway kill engage global.",
        )
    _may_switch(kind, by)
    own = {"tenant": by.scope.tenant, "environment": by.scope.environment}.get(kind, id)
    if id != own:
        raise Denied(
            f"This is another {kind} than yours.", code="wrong_scope", remedy=f"Somebody of that {kind} has to do it."
        )


def _run(tx: Tx, run_id: str) -> Run:
    run = tx.runs.get(run_id)
    if run is None:
        raise NotFound("There is no such run here.", remedy="See `clearway runs list`.")
    return run


def _not_in_doubt(entry: Entry) -> Conflict:
    """Says what the row is, and whose word made it that."""
    detail = entry.detail or {}
    by, at = detail.get("resolved_by"), detail.get("resolved_at")
    settled = f": {by} settled it{f' at {at}' if at else ''}" if by else ""
    return Conflict(
        f"The effect is not in doubt, it is {entry.state.value}{settled}. Nothing was changed.",
        code="not_unknown",
        remedy="See `clearway ledger show`.",
    )


def _by_people(entry: Entry) -> bool:
    return (entry.detail or {}).get("code") in ("rejected", "rejected_before")
