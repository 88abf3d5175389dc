"""Runs: started, looked at, cancelled, tried again."""

from collections.abc import Mapping
from typing import Any

from clearway.model.approval import ApprovalState
from clearway.model.errors import Denied
from clearway.model.run import Run, RunStatus
from clearway.operate.desk import Bound, there
from clearway.operate.pages import checked_limit, chosen, page_after, page_of
from clearway.operate.records import held_record, run_line, run_record
from clearway.operate.releases.stranded import code_needed
from clearway.ports import Tx
from clearway.runtime.intake import Request

Json = dict[str, Any]


class RunOperations(Bound):
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
            run = there(tx.runs.get(run_id), "run", "clearway runs list")
            entries = tx.ledger.of_run(run_id)
            approvals = tx.approvals.list(run_id=run_id, limit=1000)
            votes = {a.approval_id: tx.approvals.votes(a.approval_id) for a in approvals}
            events = tx.audit.read(run_id=run_id)
            record = run_record(run, entries, approvals, events, self._desk.tools, self._desk.skills, votes)
            return record, code_needed(tx, run)

        record, code = self._read(work)
        missing = code if code is not None and code not in self._desk.codes() else None
        # Asked only where it tells something: on Postgres it is a connection of its own.
        return {**record, "code_missing": missing, "no_worker": missing is not None and not self._desk.is_served()}

    def result(self, run_id: str) -> Any:
        """The run's real result, for whom it acts for only. Errors: `NotFound`, `Denied`, `Erased`."""

        def work(tx: Tx) -> Any:
            run = there(tx.runs.get(run_id), "run", "clearway runs list")
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
            run = there(tx.runs.get(run_id), "run", "clearway runs list")
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
        wanted = chosen(RunStatus, status, "status")

        def work(tx: Tx) -> Json:
            found = tx.runs.list(
                status=wanted,
                skill=skill,
                correlation_id=correlation_id,
                held=held,
                limit=checked_limit(limit) + 1,
                before=page_after(cursor),
            )
            return page_of(found, limit, lambda run: held_line(tx, run), lambda run: (run.created_at, run.run_id))

        return self._read(work)

    def cancel(self, run_id: str, reason: str) -> Json:
        return run_line(self._desk.interventions.cancel(run_id, self.caller, reason))

    def retry(self, run_id: str, reason: str) -> Json:
        return run_line(self._desk.interventions.retry(run_id, self.caller, reason))


def held_line(tx: Tx, run: Run) -> Json:
    """A run in a list, with who holds it since when."""
    held = None if run.held_for is None else held_record(run, tx.audit.read(run_id=run.run_id))
    return {**run_line(run), "held": held}
