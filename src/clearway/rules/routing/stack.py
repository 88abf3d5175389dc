"""Routers one after the other: the first that takes a skill decides, one that abstains is passed by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clearway.model.tool import SkillSpec
from clearway.rules.route import Route, Router, Trainable


@dataclass(frozen=True, slots=True)
class Stack:
    """`routers` in order, one at least."""

    routers: Sequence[Router]

    def route(self, text: str, skills: Mapping[str, SkillSpec]) -> Route:
        """The route of the first router that took a skill, else that of the last; it names those passed by."""
        passed: list[str] = []
        for router in self.routers[:-1]:
            found = router.route(text, skills)
            if found.skill is not None:
                return replace(found, passed_by=tuple(passed))
            passed.append(f"{found.router}: {found.why}")
        last = self.routers[-1].route(text, skills)
        return replace(last, passed_by=tuple(passed))

    def prepare(self, skills: Mapping[str, SkillSpec]) -> None:
        """Has each router loaded or trained what it needs."""
        for router in self.routers:
            if isinstance(router, Trainable):
                router.prepare(skills)
