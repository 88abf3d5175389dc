"""May this role do that with these arguments? The policy's answer, without a run and without any effect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearway.model.action import Action
from clearway.model.assumption import Assumption
from clearway.model.decision import Decision
from clearway.model.errors import Denied, NotFound, Unauthenticated
from clearway.model.identity import Principal, Scope
from clearway.model.label import Label, Trust
from clearway.model.tool import SkillSpec, Target, ToolSpec
from clearway.ports import Directory, Policy
from clearway.rules.classify import classify

NOTHING_ASSUMED = Assumption()


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Asks the policy in force about calls that nobody makes. Targets are taken from the arguments alone."""

    policy: Policy
    directory: Directory
    tools: Mapping[str, ToolSpec]
    skills: Mapping[str, SkillSpec]

    def decide(
        self,
        scope: Scope,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        agent: str | None,
        user: str | None,
        role: str | None,
        assumed: Assumption = NOTHING_ASSUMED,
    ) -> tuple[Action, Decision]:
        """Errors: `NotFound` (tool, user), `Unauthenticated` (no user), `Invalid` (`arguments`), `Denied` (role)."""
        spec = self.tools.get(tool)
        if spec is None:
            raise NotFound("The project has no such tool.", remedy="See `clearway tools list`.")
        clean = spec.validate(arguments)
        person = self._user(scope, user, role)
        skill = agent or next(
            (s.name for s in sorted(self.skills.values(), key=lambda s: s.name) if tool in s.tools), "none"
        )
        targets = _targets(spec, clean)
        action = Action(
            scope=scope,
            run_id="what-if",
            step_id="s1",
            agent=Principal("agent", skill, scope, authenticated_by="skill"),
            user=person,
            tool=tool,
            tool_digest=spec.digest,
            impact=classify(spec, clean),
            arguments=clean,
            shown=clean,
            targets=targets,
            shown_targets=targets,
            key="",
            fingerprint="",
            digest="",
            irreversible=spec.irreversible,
            labels=_labels(clean, assumed),
            consequential=spec.consequential,
            history=assumed.history,
        )
        return action, self.policy.decide(action)

    def explain(
        self,
        scope: Scope,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        agent: str | None,
        user: str | None,
        role: str | None,
        assumed: Assumption = NOTHING_ASSUMED,
    ) -> dict[str, Any]:
        """The decision, and for each principal and target what determined it."""
        action, decision = self.decide(scope, tool, arguments, agent=agent, user=user, role=role, assumed=assumed)
        asks = [] if decision.approval is None else [[f.group, f.n] for f in decision.approval.factors]
        return {
            "tool": tool,
            "impact": action.impact.value,
            "user": action.user.name,
            "agent": action.agent.name,
            "tenant": scope.tenant,
            "environment": scope.environment,
            "targets": [str(t) for t in action.targets],
            "verdict": decision.verdict.value,
            "code": decision.code,
            "message": decision.message,
            "policies": list(decision.policies),
            "approvers": asks,
            "labels": {path: label.trust.value for path, label in sorted(action.labels.items())},
            "history_read": sorted(self.policy.history_read(tool)),
            "details": self.policy.explain(action),
        }

    def _user(self, scope: Scope, user: str | None, role: str | None) -> Principal:
        if user is None:
            raise Unauthenticated("Whose rights are asked for is not known.", remedy="Name a declared user with --as.")
        found = self.directory.find(user if ":" in user else f"user:{user}", scope)
        if found is None:
            raise NotFound("No such user is declared in this tenant.", remedy="See [users] in clearway.toml.")
        if role is None:
            return found
        narrowed = found.narrowed(role)
        if narrowed is None:
            raise Denied(f"{found.name} does not have that role here.", code="role_not_held")
        return narrowed


def _labels(arguments: Mapping[str, Any], assumed: Assumption) -> dict[str, Label]:
    """The caller's own words, unless something else is assumed."""
    found: dict[str, Label] = {}
    for path in dict.fromkeys([*arguments, *assumed.untrusted, *assumed.endorsed, *assumed.sources]):
        trust = Trust.ENDORSED if path in assumed.endorsed else Trust.TRUSTED
        trust = Trust.UNTRUSTED if path in assumed.untrusted else trust
        sources = assumed.sources.get(path, ("request",) if trust is Trust.TRUSTED else ())
        found[path] = Label(
            trust, tuple(source if ":" in source else f"{_place(source)}{source}" for source in sources)
        )
    return found


def _place(source: str) -> str:
    """Results are noted with their step, `s1:read_email`; what the caller said is not."""
    return "" if source in ("request", "input", "default") else "s0:"


def _targets(spec: ToolSpec, arguments: dict[str, Any]) -> tuple[Target, ...]:
    """Targets that can be told without asking the outside; an asynchronous resolver is not run."""
    try:
        found = spec.targets(arguments)
    except Exception:
        return ()
    if not isinstance(found, list | tuple):
        getattr(found, "close", lambda: None)()
        return ()
    return tuple(item if isinstance(item, Target) else Target(*item.partition(":")[::2]) for item in found)
