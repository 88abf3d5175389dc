"""A loaded project: everything that its folder declares, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearway.model.tool import SkillSpec, ToolSpec
from clearway.project.principals import DeclaredPrincipal, Ownership
from clearway.project.settings import Settings


@dataclass(frozen=True, slots=True)
class Project:
    """`policies`: (file relative to the project, Cedar text), by file. `prompts`: name (path below `prompts/` without
    the ending) → text. `files`: path → text of what a bundle takes along; `code`: path → SHA-256 of each Python file;
    `behaviour`: the tables of clearway.toml that decide behaviour. `digest` covers these three: not the store, the
    keyring and the people. `router`: what the release holds of a trained router; empty for a folder, which trains its
    own.
    """

    folder: Path
    settings: Settings
    tools: Mapping[str, ToolSpec] = field(default_factory=dict[str, ToolSpec])
    skills: Mapping[str, SkillSpec] = field(default_factory=dict[str, SkillSpec])
    policies: tuple[tuple[str, str], ...] = ()
    users: Mapping[str, DeclaredPrincipal] = field(default_factory=dict[str, DeclaredPrincipal])
    services: Mapping[str, DeclaredPrincipal] = field(default_factory=dict[str, DeclaredPrincipal])
    ownership: Ownership = field(default_factory=Ownership)
    prompts: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    code: Mapping[str, str] = field(default_factory=dict[str, str])
    behaviour: Mapping[str, Any] = field(default_factory=dict[str, Any])
    digest: str = ""
    router: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        return self.settings.name
