"""What the project declares, and what policy would say to it."""

from collections.abc import Mapping
from typing import Any

from clearway.model.tool import SkillSpec, ToolSpec
from clearway.operate.desk import Bound

Json = dict[str, Any]


def tools_page(tools: Mapping[str, ToolSpec]) -> Json:
    """The tools that a project declares, as a list's only page."""
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
        for t in tools.values()
    ]
    return {"items": items, "next": None}


def skills_page(skills: Mapping[str, SkillSpec]) -> Json:
    """The skills that a project declares, as a list's only page."""
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
        for s in skills.values()
    ]
    return {"items": items, "next": None}


class ProjectOperations(Bound):
    def tools(self) -> Json:
        return tools_page(self._desk.tools)

    def skills(self) -> Json:
        return skills_page(self._desk.skills)

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
