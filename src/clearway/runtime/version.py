"""What a release pins for the runs that start under it: prompts, routes, skills, limits. Policy is never pinned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from clearway.model.action import Action
from clearway.model.decision import Decision
from clearway.model.release import Pointer
from clearway.model.run import Run, RunStatus
from clearway.model.tool import SkillSpec
from clearway.ports import Tx
from clearway.rules.route import Router
from clearway.runtime.limits import Limits
from clearway.runtime.spending import Budgets


@dataclass(frozen=True, slots=True)
class Version:
    """`release`: its digest; of a scope where nothing was promoted, that of the project's folder. `below`: what happens
    to a request that no router takes: `clarify`, `refuse`, or `person`, which starts the skill `person`."""

    release: str
    skills: Mapping[str, SkillSpec]
    prompts: Mapping[str, str]
    limits: Limits
    budgets: Budgets
    router: Router
    below: str = "clarify"
    person: str = ""


class Versions(Protocol):
    """The versions that this process can carry out."""

    def of(self, release: str) -> Version | None:
        """None where the release needs code that is not loaded here. Errors: `Unavailable`."""
        ...

    def for_request(self, pointer: Pointer | None, key: str) -> Version:
        """The one under which a request starts; `key` picks the arm while a canary runs, the same each time.

        Errors: `Unavailable` (`code_missing`)."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What was in force when a request was routed. `routed`: the skill that it got; empty where the caller named one.
    `differs`: whether canary and control route it otherwise. `shadow`: where the shadow would have sent it."""

    pointer: Pointer | None
    routed: str = ""
    differs: bool = False
    shadow: str | None = None

    @property
    def generation(self) -> int:
        return self.pointer.generation if self.pointer else 0


class Watch(Protocol):
    """Looks on while releases are tried: in the transaction of what it looks at."""

    def requested(self, tx: Tx, seen: Seen, run_id: str) -> None: ...

    def ended(self, tx: Tx, run: Run, status: RunStatus) -> None: ...

    def claiming(self, tx: Tx) -> None:
        """Before the decision of a claim: it is made under what is in force in the claim's own transaction."""
        ...

    def decided(self, action: Action, decision: Decision) -> dict[str, Any] | None:
        """The event's payload where the shadow's policy decides otherwise."""
        ...


class NoWatch:
    """Where no releases are. Implements `Watch`."""

    def requested(self, tx: Tx, seen: Seen, run_id: str) -> None: ...

    def ended(self, tx: Tx, run: Run, status: RunStatus) -> None: ...

    def claiming(self, tx: Tx) -> None: ...

    def decided(self, action: Action, decision: Decision) -> dict[str, Any] | None:
        return None


@dataclass(frozen=True, slots=True)
class OneVersion:
    """The project's folder, and nothing else. Runs of earlier folders go on under it. Implements `Versions`."""

    version: Version

    def of(self, release: str) -> Version | None:
        return self.version

    def for_request(self, pointer: Pointer | None, key: str) -> Version:
        return self.version
