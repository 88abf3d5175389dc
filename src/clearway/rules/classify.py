"""Classification: a tool's declared impact, raised (never lowered) by its rule over the arguments."""

from typing import Any

from clearway.model.tool import Impact, ToolSpec


def classify(spec: ToolSpec, arguments: dict[str, Any]) -> Impact:
    """The impact of this call. A rule that fails or answers nonsense raises to `external`: fail closed."""
    if spec.raises is None:
        return spec.impact
    try:
        raised = spec.raises(arguments)
    except Exception:
        return Impact.EXTERNAL
    if raised is None:
        return spec.impact
    if not isinstance(raised, Impact):  # pyright: ignore[reportUnnecessaryIsInstance]
        return Impact.EXTERNAL
    return max(spec.impact, raised, key=lambda impact: impact.rank)
