"""What the project declares, and what policy would say to it."""

from collections.abc import Mapping
from typing import Any

from clearway.model.tool import ToolSpec
from clearway.operate.desk import Bound

Json = dict[str, Any]


class ProjectOperations(Bound):
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


def _ways_out(tool: ToolSpec) -> list[str]:
    ways = tool.idempotency
    return [*(["resend"] if ways.remote_dedup_window_s else []), *(["lookup"] if ways.lookup else []), "person"]
