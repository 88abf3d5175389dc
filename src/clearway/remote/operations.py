"""The operations of a server, as an object: implements `clearway.operate.operations.Operations` over HTTP.

::

    with Remote("https://clearway.example.com", key) as remote:
        run = remote.operations().start("Refund 40 dollars to account 9182", key="order-7")
        for event in remote.operations().follow(run["run_id"]):
            print(event["seq"], event["kind"])
"""

import base64
import json
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Self

from clearway.model.errors import ClearwayError, Invalid
from clearway.model.identity import Principal
from clearway.operate.operations import Fate, Json
from clearway.remote.connection import TIMEOUT_S, Connection, principal_of
from clearway.rules.releases.guard import ROUTE_SHIFT

_ID = re.compile(r"[\x21-\x7e]{1,200}")


class Remote:
    """A server, as the holder of an API key."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = Connection(url, key, timeout_s=timeout_s)

    def operations(self, *, role: str | None = None) -> "RemoteOperations":
        """What the key's holder can do there; `role`: in this one of their roles only."""
        return RemoteOperations(self._connection, role)

    def is_served(self) -> bool:
        """Whether some process there carries runs out."""
        try:
            return bool(self._connection.get("readyz")["carried"])
        except ClearwayError:
            return False

    @contextmanager
    def working(self) -> Generator[bool]:
        """The server sees to it that runs are carried out, never this process."""
        yield False

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RemoteOperations:
    """The operations of one caller, on a server. Errors besides: `Unavailable` (`server_away`)."""

    def __init__(self, connection: Connection, role: str | None = None) -> None:
        self._connection = connection
        self._role = {} if role is None else {"Clearway-Role": role}
        self._caller: Principal | None = None

    @property
    def caller(self) -> Principal:
        """Who the key's holder is, asked once. Errors: `Unauthenticated`."""
        if self._caller is None:
            self._caller = principal_of(self._get("me"))
        return self._caller

    def start(  # noqa: PLR0913
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
        ids = {"Idempotency-Key": key, "X-Request-Id": request_id, "X-Correlation-Id": correlation_id}
        headers = {name: _id(name, value) for name, value in ids.items() if value is not None}
        return self._post(
            "runs", headers=headers, text=text, skill=skill, input=dict(input or {}), role=role, subject=subject
        )

    def run(self, run_id: str) -> Json:
        return self._get("runs", run_id)

    def run_status(self, run_id: str) -> Json:
        return self._get("runs", run_id, "status")

    def result(self, run_id: str) -> Any:
        return self._get("runs", run_id, "result")["result"]

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
        asked = {"status": status, "skill": skill, "correlation_id": correlation_id, "held": "true" if held else None}
        return self._get("runs", **asked, limit=_limit(limit), cursor=cursor)

    def follow(self, run_id: str, *, after: int = 0) -> Iterator[Json]:
        """The run's events from behind number `after`, as they come, until it has ended; goes on after a break."""
        while True:
            ended, before = False, after
            headers = {**self._role, "Last-Event-ID": str(after)}
            for _, name, data in self._connection.events("v1", "runs", run_id, "events", headers=headers):
                if name == "end":
                    ended = True
                    break
                event: Json = json.loads(data)["data"]
                after = int(event["seq"])
                yield event
            if ended or (after == before and self.run_status(run_id)["final"]):
                return

    def cancel(self, run_id: str, reason: str) -> Json:
        return self._post("runs", run_id, "cancel", reason=reason)

    def retry(self, run_id: str, reason: str) -> Json:
        return self._post("runs", run_id, "retry", reason=reason)

    def approvals(self, *, state: str | None = "pending", limit: int = 50, cursor: str | None = None) -> Json:
        return self._get("approvals", state=state or "all", limit=_limit(limit), cursor=cursor)

    def approval(self, approval_id: str) -> Json:
        return self._get("approvals", approval_id)

    def approve(self, approval_id: str, *, presented_digest: str, comment: str = "", break_glass: bool = False) -> Json:
        return self._post(
            "approvals",
            approval_id,
            "approve",
            presented_digest=presented_digest,
            comment=comment,
            break_glass=break_glass,
        )

    def reject(self, approval_id: str, *, presented_digest: str, comment: str) -> Json:
        return self._post("approvals", approval_id, "reject", presented_digest=presented_digest, comment=comment)

    def edit(self, approval_id: str, arguments: Mapping[str, Any], *, comment: str) -> Json:
        return self._post("approvals", approval_id, "edit", arguments=dict(arguments), comment=comment)

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
        return self._post(
            "approvals",
            approval_id,
            "endorse",
            argument=argument,
            presented_digest=presented_digest,
            for_user=for_user,
            ttl_s=ttl_s,
            comment=comment,
        )

    def endorsements(self) -> Json:
        return self._get("endorsements")

    def revoke_endorsement(self, endorsement_id: str, reason: str) -> Json:
        return self._post("endorsements", endorsement_id, "revoke", reason=reason)

    def ledger(
        self, *, state: str | None = None, run_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Json:
        return self._get("ledger", state=state, run_id=run_id, limit=_limit(limit), cursor=cursor)

    def ledger_entry(self, key: str) -> Json:
        return self._get("ledger", key)

    def resolve(
        self, key: str, *, happened: bool, reason: str, remote_ref: str | None = None, result: Any = None
    ) -> Json:
        return self._post(
            "ledger", key, "resolve", happened=happened, reason=reason, remote_ref=remote_ref, result=result
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
        return self._post("explain", tool=tool, arguments=dict(arguments), agent=agent, user=user, role=role)

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

    def notices(self, *, failed: bool = False, limit: int = 50) -> Json:
        return self._get("notices", failed="true" if failed else None, limit=_limit(limit))

    def try_notices(self, channel: str | None = None) -> Json:
        return self._post("notices", "test", channel=channel)

    def costs(self, *, days: int = 1) -> Json:
        return self._get("costs", days=days)

    def tools(self) -> Json:
        return self._get("tools")

    def skills(self) -> Json:
        return self._get("skills")

    def switches(self) -> Json:
        return self._get("switches")

    def engage(self, kind: str, id: str, reason: str) -> Json:
        return self._post("switches", "engage", kind=kind, id=id, reason=reason)

    def release(self, kind: str, id: str, reason: str) -> Json:
        return self._post("switches", "release", kind=kind, id=id, reason=reason)

    def grants(self) -> Json:
        return self._get("grants")

    def ask_grant(
        self, tool: str, *, targets: Sequence[str], bounds: Mapping[str, Any], max_uses: int, ttl_s: float, reason: str
    ) -> Json:
        return self._post(
            "grants",
            tool=tool,
            targets=list(targets),
            bounds=dict(bounds),
            max_uses=max_uses,
            ttl_s=ttl_s,
            reason=reason,
        )

    def revoke_grant(self, grant_id: str, reason: str) -> Json:
        return self._post("grants", grant_id, "revoke", reason=reason)

    def reveal(self, token: str, reason: str) -> Json:
        return self._post("privacy", "reveal", token=token, reason=reason)

    def erase(self, subject: str, reason: str, *, dry_run: bool = False) -> Json:
        return self._post("privacy", "erase", subject=subject, reason=reason, dry_run=dry_run)

    def apply_retention(self, *, dry_run: bool = False) -> Json:
        return self._post("privacy", "retention", dry_run=dry_run)

    def rotate_keys(self, purpose: Literal["seal", "token"], *, only_rewrap: bool = False) -> Json:
        return self._post("privacy", "rotate", purpose=purpose, only_rewrap=only_rewrap)

    def create_key(self, subject: str, *, days: int) -> Json:
        return self._post("keys", subject=subject, days=days)

    def keys(self) -> Json:
        return self._get("keys")

    def revoke_key(self, key_id: str) -> Json:
        return self._post("keys", key_id, "revoke")

    def cut_release(self, note: str) -> Json:
        return self._post("releases", note=note)

    def import_release(self, bundle: str, note: str) -> Json:
        return self._post("releases", "import", bundle=bundle, note=note)

    def export_release(self, ref: str) -> Json:
        return self._get("releases", ref, "bundle")

    def releases(self, *, limit: int = 50, cursor: str | None = None) -> Json:
        return self._get("releases", limit=_limit(limit), cursor=cursor)

    def release_record(self, ref: str) -> Json:
        return self._get("releases", ref)

    def release_status(self) -> Json:
        return self._get("releases", "status")

    def release_diff(
        self, ref: str, *, against: str | None = None, replay_days: float = 0.0, timeout_s: float = 60.0
    ) -> Json:
        return self._post("releases", ref, "diff", against=against, replay_days=replay_days, timeout_s=timeout_s)

    def sign_release(self, ref: str, reason: str, *, duty: str | None = None) -> Json:
        return self._post("releases", ref, "sign", reason=reason, duty=duty)

    def promote_release(self, ref: str, reason: str, *, seen: int | None = None) -> Json:
        return self._post("releases", ref, "promote", reason=reason, seen=seen)

    def canary_release(
        self,
        ref: str,
        reason: str,
        *,
        share: float,
        route_shift: float = ROUTE_SHIFT,
        promote_after: int | None = None,
        seen: int | None = None,
    ) -> Json:
        return self._post(
            "releases",
            ref,
            "canary",
            reason=reason,
            share=share,
            route_shift=route_shift,
            promote_after=promote_after,
            seen=seen,
        )

    def canary_record(self) -> Json:
        return self._get("releases", "canary")

    def shadow_release(self, ref: str, reason: str, *, seen: int | None = None) -> Json:
        return self._post("releases", ref, "shadow", reason=reason, seen=seen)

    def rollback_release(
        self, reason: str, *, to: str | None = None, runs: Fate = "leave", seen: int | None = None
    ) -> Json:
        return self._post("releases", "rollback", reason=reason, to=to, runs=runs, seen=seen)

    def rollback_plan(self, *, to: str | None = None) -> Json:
        return self._get("releases", "rollback", to=to)

    def release_move(self, generation: int) -> Json:
        return self._get("releases", "moves", str(generation))

    def unhold_run(self, run_id: str, reason: str, *, cancel: bool = False) -> Json:
        return self._post("runs", run_id, "unhold", reason=reason, cancel=cancel)

    def unhold_runs_of(self, ref: str, reason: str, *, cancel: bool = False) -> Json:
        return self._post("releases", ref, "unhold", reason=reason, cancel=cancel)

    def revoke_release(self, ref: str, reason: str) -> Json:
        return self._post("releases", ref, "revoke", reason=reason)

    def reinstate_release(self, ref: str, reason: str) -> Json:
        return self._post("releases", ref, "reinstate", reason=reason)

    def users(self) -> Json:
        return self._get("users")

    def disable_user(self, user_id: str, reason: str) -> Json:
        return self._post("users", user_id, "disable", reason=reason)

    def enable_user(self, user_id: str, reason: str) -> Json:
        return self._post("users", user_id, "enable", reason=reason)

    def _get(self, *path: str, **query: Any) -> Any:
        return self._connection.get("v1", *path, headers=self._role, **query)

    def _post(self, *path: str, headers: Mapping[str, str] | None = None, **body: Any) -> Any:
        return self._connection.post("v1", *path, headers={**self._role, **(headers or {})}, **body)


def _id(name: str, value: str) -> str:
    """What can stand in a header; what cannot is refused as the server would."""
    if not _ID.fullmatch(value):
        code = name.lower().removeprefix("x-").replace("-", "_")
        raise Invalid(
            f"The {name} is not 1 to 200 printable ASCII characters without spaces.", code=code, remedy="Use a UUID."
        )
    return value


def _limit(limit: int) -> int:
    if not 1 <= limit <= 500:
        raise Invalid("A page holds 1 to 500 rows.", code="limit", remedy="Use --limit 50.")
    return limit
