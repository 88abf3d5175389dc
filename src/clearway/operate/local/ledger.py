"""What happened, and the proof of it: ledger and audit log."""

import base64
from typing import Any

from clearway.model.ledger import LedgerState
from clearway.operate.desk import Bound, there
from clearway.operate.pages import checked_limit, chosen, page_after, page_of
from clearway.operate.records import entry_record

Json = dict[str, Any]


class LedgerOperations(Bound):
    def ledger(
        self, *, state: str | None = None, run_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Json:
        wanted = chosen(LedgerState, state, "state")
        found = self._read(
            lambda tx: tx.ledger.list(
                state=wanted, run_id=run_id, limit=checked_limit(limit) + 1, before=page_after(cursor)
            )
        )
        return page_of(found, limit, lambda e: entry_record(e, self._desk.tools), lambda e: (e.created_at, e.key))

    def ledger_entry(self, key: str) -> Json:
        found = self._read(lambda tx: tx.ledger.get(key))
        return entry_record(there(found, "ledger row", "clearway ledger list"), self._desk.tools)

    def resolve(
        self, key: str, *, happened: bool, reason: str, remote_ref: str | None = None, result: Any = None
    ) -> Json:
        return entry_record(
            self._desk.interventions.resolve(
                key, self.caller, happened=happened, reason=reason, remote_ref=remote_ref, result=result
            ),
            self._desk.tools,
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
