"""Bundles and releases: what decides behaviour, frozen under one digest, and which of them is in force where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: What a rollback does to the runs under way of the release that goes. `hold`: each further effect of theirs waits for
#: the incident owner's group too, whatever policy allows.
Fate = Literal["leave", "cancel", "hold"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything that decides behaviour, by value: the code only by its digests.

    `files`: path → text of `policies/`, `prompts/`, `routes/` and `ownership.toml`. `settings`: the tables of
    clearway.toml that decide behaviour. `tools`: name → `{"digest", "impact", "irreversible", "owner", "description",
    "schema"}`. `skills`: name → `{"tools", "owner", "description", "examples", "keywords", "file", …}`. `code`: path →
    SHA-256 of each Python file. `router`: the trained router, its bytes in base64 with their SHA-256
    (`adapters.router.pinned`); empty where none is trained.
    """

    project: str
    files: Mapping[str, str]
    settings: Mapping[str, Any]
    tools: Mapping[str, Mapping[str, Any]]
    skills: Mapping[str, Mapping[str, Any]]
    code: Mapping[str, str]
    router: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Release:
    """A bundle in the store. `bundle`: its canonical JSON. Revoked ones are never promoted or rolled back to;
    `reinstate_votes`: who has asked to take the revocation back (two different people do)."""

    digest: str
    project: str
    bundle: str
    created_at: float
    created_by: str
    note: str
    revoked_at: float | None = None
    revoked_by: str | None = None
    revoked_reason: str | None = None
    reinstate_votes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """One person's signature under a release, for one duty. `envelope`: DSSE, as JSON. `subject`: the person.
    `against`: the release that it was compared with, or `nothing`."""

    digest: str
    duty: str
    subject: str
    at: float
    envelope: dict[str, Any]
    against: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """What is in force in one (tenant, environment). `generation` grows with every move. `canary`: a second release
    that gets `canary_share` (0..1) of the requests; `shadow`: one that routes and decides beside the live one, without
    effects. `guard`: the state of the canary's guard, JSON."""

    digest: str
    previous: str | None
    generation: int
    moved_at: float
    moved_by: str
    reason: str
    canary: str | None = None
    canary_share: float = 0.0
    shadow: str | None = None
    guard: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One change of the pointer, for ever. `kind`: promote, rollback, canary, shadow, settle."""

    generation: int
    kind: str
    digest: str
    canary: str | None
    at: float
    by: str
    reason: str
