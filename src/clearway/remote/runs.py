"""Runs on a server."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from clearway.model.errors import Invalid
from clearway.operate.operations import Json
from clearway.operate.pages import checked_limit
from clearway.remote.bound import Bound

_ID = re.compile(r"[\x21-\x7e]{1,200}")


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
        return self._get("runs", **asked, limit=checked_limit(limit), cursor=cursor)

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


def _id(name: str, value: str) -> str:
    """What can stand in a header; what cannot is refused as the server would."""
    if not _ID.fullmatch(value):
        code = name.lower().removeprefix("x-").replace("-", "_")
        raise Invalid(
            f"The {name} is not 1 to 200 printable ASCII characters without spaces.", code=code, remedy="Use a UUID."
        )
    return value
