"""What a drill is carried out on: a project that is as the real one where releases are concerned, and does nothing.

INVARIANT: it touches nothing outside. Skills and tools are replaced by one inert call, no model is asked, and the
project's own store, channels and sign-in are never opened.
"""

import math
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clearway.model.release import Pointer
from clearway.model.tool import Impact, SkillSpec
from clearway.project.declare import tool
from clearway.project.notification_settings import NotificationSettings
from clearway.project.project import Project
from clearway.project.settings import LimitSettings
from clearway.rules.route import Route, Router
from clearway.runtime.version import Version, Versions

#: The share of the examples that the bad release routes wrongly.
WRONG_SHARE = 0.3
#: Where a request goes wrongly in a project with one skill.
ELSEWHERE = "rollback_drill_elsewhere"
_DECLARED = ("clearway.toml", "ownership.toml", "policies", "prompts", "routes")


@tool(impact=Impact.EXTERNAL, targets=lambda arguments: ["drill:rollback"])
def rollback_drill() -> None:
    """Does nothing. The rollback drill proposes it, so that an approval waits."""


async def _propose(run: Any, **_: Any) -> Any:
    return await run.call(rollback_drill)


def _take_anything(given: Mapping[str, Any], text: str = "") -> dict[str, Any]:
    return {}


def _never(*_: Any, **__: Any) -> None:
    raise AssertionError("a drill calls none of the project's tools")


def rehearsal_of(project: Project, scratch: Path) -> Project:
    """`project` on a store of its own in `scratch`, with inert skills and tools, and without limits, channels and
    sign-in. Its policies, routes, prompts and owners are copies of what the project has."""
    folder = scratch / "project"
    folder.mkdir(parents=True)
    for name in _DECLARED:
        source = project.folder / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        elif source.is_file():
            shutil.copy(source, folder / name)
    settings = replace(
        project.settings,
        store_url=f"sqlite:///{scratch / 'store' / 'clearway.db'}",
        keyring=scratch / "keys" / "keyring.json",
        limits=LimitSettings(),
        notifications=NotificationSettings(),
        oidc=None,
    )
    (scratch / "store").mkdir()
    tools = {name: replace(spec, function=_never, preview=None) for name, spec in project.tools.items()}
    return replace(
        project,
        folder=folder,
        settings=settings,
        tools={**tools, rollback_drill.spec.name: rollback_drill.spec},
        skills={name: _inert(skill) for name, skill in project.skills.items()},
        behaviour={name: table for name, table in project.behaviour.items() if name != "limits"},
    )


def _inert(skill: SkillSpec) -> SkillSpec:
    return replace(
        skill,
        function=_propose,
        validate=_take_anything,
        tools=frozenset({rollback_drill.spec.name}),
        schema={},
        models=None,
        rate_limit=None,
        sensitive=frozenset[str](),
        subject="",
    )


@dataclass(frozen=True, slots=True)
class AsDeclared:
    """Sends each example to the skill that declares it. Implements `clearway.rules.route.Router`."""

    labels: Mapping[str, str]

    def route(self, text: str, skills: Mapping[str, SkillSpec]) -> Route:
        return Route(self.labels.get(text), "drill", 1.0, "the skill declares this example")


def rehearsal_router(project: Project, router: Router) -> Router:
    """`router`, which asks no model, where it routes the examples; else each goes to the skill that declares it."""
    if any(router.route(text, project.skills).skill for _, text in _examples(project)):
        return router
    return AsDeclared({text: skill for skill, text in _examples(project)})


def _examples(project: Project) -> list[tuple[str, str]]:
    return [(name, text) for name, skill in sorted(project.skills.items()) for text in skill.examples]


@dataclass(frozen=True, slots=True)
class _Misrouter:
    """Routes as `inner` does, but for the texts in `wrong`. Implements `clearway.rules.route.Router`."""

    inner: Router
    wrong: Mapping[str, str]

    def route(self, text: str, skills: Mapping[str, SkillSpec]) -> Route:
        known = {name: skill for name, skill in skills.items() if name != ELSEWHERE}
        found, other = self.inner.route(text, known), self.wrong.get(text)
        return found if other is None else replace(found, skill=other, why="routed wrongly by the drill")


@dataclass(frozen=True, slots=True)
class BadVersions:
    """Implements `clearway.runtime.version.Versions`: release `bad` routes the texts in `wrong` elsewhere."""

    inner: Versions
    bad: str
    wrong: Mapping[str, str]

    def of(self, release: str) -> Version | None:
        found = self.inner.of(release)
        return None if found is None else self._bent(found)

    def for_request(self, pointer: Pointer | None, key: str) -> Version:
        return self._bent(self.inner.for_request(pointer, key))

    def _bent(self, version: Version) -> Version:
        if version.release != self.bad:
            return version
        some = next(iter(version.skills.values()))
        skills = {**version.skills, ELSEWHERE: replace(some, name=ELSEWHERE)}
        return replace(version, skills=skills, router=_Misrouter(version.router, self.wrong))


@dataclass(frozen=True, slots=True)
class Texts:
    """`all`: example → the skill that it is routed to; `wrong`: those that the bad release sends elsewhere → where."""

    all: Mapping[str, str]
    wrong: Mapping[str, str]

    @classmethod
    def of(cls, project: Project, router: Router, seed: int) -> "Texts":
        routed = {text: router.route(text, project.skills).skill for _, text in _examples(project)}
        every = {text: skill for text, skill in routed.items() if skill is not None}
        skills = sorted(project.skills)
        drawn = random.Random(seed).sample(sorted(every), math.ceil(WRONG_SHARE * len(every)))  # noqa: S311 - repeatable
        return cls(every, {text: _another(every[text], skills) for text in drawn})

    @property
    def share(self) -> float:
        return len(self.wrong) / len(self.all) if self.all else 0.0

    def stream(self, seed: int) -> Iterator[str]:
        """Every example as often as any other, in an order of its own each time."""
        order, drawn = sorted(self.all), random.Random(seed)  # noqa: S311 - repeatable
        while True:
            drawn.shuffle(order)
            yield from order


def _another(skill: str, skills: Sequence[str]) -> str:
    return skills[(skills.index(skill) + 1) % len(skills)] if len(skills) > 1 else ELSEWHERE
