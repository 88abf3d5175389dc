"""What people are shown of a held action. Rendered by us from the validated call, never by the model."""

from typing import Any

from clearway.model.action import Action
from clearway.model.tool import ToolSpec
from clearway.rules.digests import target_list
from clearway.rules.present import visible
from clearway.rules.summary import render
from clearway.runtime.labels import origins


def present(spec: ToolSpec, action: Action, policies: tuple[str, ...], preview: Any) -> dict[str, Any]:
    """The whole of an approval's page as tokenized JSON; `presented_digest` covers it.

    INVARIANT: every text is made visible (no hidden, bidi or control character survives), and the proposer's own
    reason stands apart, marked as a claim.
    """
    warnings: set[str] = set()
    arguments = _visible_tree(action.shown, warnings)
    claim, found = visible(action.reason)
    warnings.update(f"reason: {warning}" for warning in found)
    summary, found = visible(render(spec.summary, action.shown) if spec.summary else _plain(action))
    warnings.update(f"summary: {warning}" for warning in found)
    return {
        "summary": summary,
        "tool": action.tool,
        "impact": action.impact.value,
        "irreversible": action.irreversible,
        "arguments": arguments,
        "targets": target_list(action.shown_targets),
        "origins": origins(action),
        "preview": _visible_tree(preview, warnings),
        "claim": claim,
        "policies": list(policies),
        "user": action.user.name,
        "agent": action.agent.name,
        "tenant": action.scope.tenant,
        "environment": action.scope.environment,
        "warnings": sorted(warnings),
    }


def _plain(action: Action) -> str:
    return f"{action.tool}(" + ", ".join(f"{name}={value}" for name, value in action.shown.items()) + ")"


def _visible_tree(value: Any, warnings: set[str]) -> Any:
    if isinstance(value, str):
        text, found = visible(value)
        warnings.update(found)
        return text
    if isinstance(value, dict):
        items: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {visible(key)[0]: _visible_tree(child, warnings) for key, child in items.items()}
    if isinstance(value, list | tuple):
        parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return [_visible_tree(child, warnings) for child in parts]
    return value
