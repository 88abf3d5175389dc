"""What happened on a server, and the proof of it: ledger and audit log."""

import base64
from typing import Any

from clearway.operate.operations import Json
from clearway.operate.pages import checked_limit
from clearway.remote.bound import Bound


class LedgerOperations(Bound):
    def ledger(
        self, *, state: str | None = None, run_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Json:
        return self._get("ledger", state=state, run_id=run_id, limit=checked_limit(limit), cursor=cursor)

    def ledger_entry(self, key: str) -> Json:
        return self._get("ledger", key)

    def resolve(
        self, key: str, *, happened: bool, reason: str, remote_ref: str | None = None, result: Any = None
    ) -> Json:
        return self._post(
            "ledger", key, "resolve", happened=happened, reason=reason, remote_ref=remote_ref, result=result
        )

    def audit_verify(self, *, checkpoint: str | None = None, public_key: bytes | None = None) -> Json:
        encoded = None if public_key is None else base64.b64encode(public_key).decode()
        return self._post("audit", "verify", checkpoint=checkpoint, public_key=encoded)

    def audit_page(self, *, after: int = 0, limit: int = 5_000) -> Json:
        return self._post("audit", "export", after=after, limit=limit)

    def audit_export(self) -> Json:
        page = self.audit_page()
        lines: list[str] = list(page["lines"])
        while page["next"] is not None:
            page = self.audit_page(after=page["next"])
            lines += page["lines"]
        return {**{name: page[name] for name in ("checkpoint", "key_id", "public_key")}, "lines": lines}

    def audit_prove(self, seq: int) -> Json:
        return self._post("audit", "prove", seq=seq)
