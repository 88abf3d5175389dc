"""The bundle of a loaded project, and whether the code that is loaded here can carry a bundle's runs out."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from clearway.model.release import Bundle
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.project.project import Project


def bundle_of(project: Project, router: Mapping[str, Any]) -> Bundle:
    """What decides the project's behaviour, by value. `router`: the trained one, as `adapters.router.pinned` has it."""
    return Bundle(
        project=project.name,
        files=dict(project.files),
        settings=_plain(project.behaviour),
        tools={name: _tool(spec) for name, spec in project.tools.items()},
        skills={name: _skill(spec) for name, spec in project.skills.items()},
        code=dict(project.code),
        router=dict(router),
    )


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "digest": spec.digest,
        "impact": spec.impact.value,
        "irreversible": spec.irreversible,
        "owner": spec.owner,
        "description": spec.description,
        "schema": _plain(spec.schema),
    }


def _skill(spec: SkillSpec) -> dict[str, Any]:
    return {
        "description": spec.description,
        "examples": list(spec.examples),
        "keywords": list(spec.keywords),
        "tools": sorted(spec.tools),
        "owner": spec.owner,
        "file": spec.file,
        "deadline_s": spec.deadline_s,
        "max_steps": spec.max_steps,
        "prompt": spec.models.prompt if spec.models else "",
        "models": _plain(asdict(spec.models)) if spec.models else {},
    }


def _plain(value: Any) -> Any:
    """TOML and schemas as JSON: dates become text, tuples lists."""
    if isinstance(value, dict):
        items: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {str(name): _plain(child) for name, child in items.items()}
    if isinstance(value, set | frozenset):
        found: set[Any] = set(value)  # pyright: ignore[reportUnknownArgumentType]
        return sorted(map(str, found))
    if isinstance(value, list | tuple):
        parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return [_plain(part) for part in parts]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
