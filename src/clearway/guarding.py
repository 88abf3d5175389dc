"""Guards single functions, without a project folder: the whole road for one tool call.

::

    @clearway.tool(impact="external", summary="Refund {amount_minor} cents to account {account}")
    def refund(account: str, amount_minor: int) -> dict: ...

    guard = clearway.guard([refund], policy=POLICY)
    outcome = guard.call(refund, account="9182", amount_minor=2000, key="order-7041")
"""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from clearway.adapters.cedar.policies import PolicyFile
from clearway.adapters.cedar.policy import CedarPolicy
from clearway.app import Acting, Clearway
from clearway.model.errors import ConfigError
from clearway.model.identity import DEV
from clearway.model.outcome import Done, Failed, Outcome, Refused, Unknown
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.project.declare import Tool, skill
from clearway.project.principals import DeclaredPrincipal
from clearway.project.project import Project
from clearway.project.settings import Settings, resolve_store_url
from clearway.runtime.run_api import RunContext

TENANT = "default"
_SKILL = "guard"
_AGENT_POLICY = PolicyFile("guard.cedar", f'@id("guard") permit(principal == Agent::"{_SKILL}", action, resource);')


@dataclass(frozen=True, slots=True)
class Waiting:
    """People have to decide first. `guard.acting(user).approve(approval_id, …)`, then `guard.outcome(run_id)`."""

    run_id: str
    approval_id: str


class Guard:
    """Tools behind the gate. Use it in a `with`, or `close` it. Made by `guard`."""

    def __init__(self, app: Clearway, user: str) -> None:
        self._app = app
        self._user = user
        self._working = app.working()
        self._working.__enter__()

    def call(
        self,
        tool: Tool[..., Any] | str,
        *,
        key: str | None = None,
        reason: str = "",
        wait_s: float = 60.0,
        **arguments: Any,
    ) -> Outcome | Waiting:
        """One call through the gate. The same `key` again is the same call: it returns the recorded outcome.

        `Unknown` and `Waiting` may become something else later: ask `outcome`. Errors: `IdempotencyMismatch`,
        `Invalid`, `Limited`, `Unavailable`."""
        name = tool if isinstance(tool, str) else _spec(tool).name
        started = self.acting(self._user).start(
            f"call {name}", skill=_SKILL, input={"tool": name, "arguments": arguments, "reason": reason}, key=key
        )
        outcome = self.outcome(str(started["run_id"]), wait_s=wait_s)
        return replace(outcome, replayed=not started["new"]) if isinstance(outcome, Done) else outcome

    def outcome(self, run_id: str, *, wait_s: float = 60.0) -> Outcome | Waiting:
        """How a call ended, or what it waits for. Errors: `NotFound`."""
        person = self.acting(self._user)
        record = person.wait(run_id, wait_s=wait_s)
        if record["status"] == "waiting":
            pending = [a["approval_id"] for a in record["approvals"] if a["state"] in ("pending", "approved")]
            return Waiting(run_id, pending[-1] if pending else "")
        if record["status"] == "done":
            return Done(person.result(run_id))
        if record["status"] == "unknown":
            step = next(step for step in record["steps"] if step["state"] == "unknown")
            return Unknown(str(step["code"]), f"In doubt: settle it with resolve({step['key']!r}, …).")
        failure: dict[str, Any] = record["failure"] or {}
        code, message = str(failure.get("code", record["status"])), str(failure.get("message", ""))
        if record["status"] in ("refused", "cancelled"):
            return Refused(code, message, tuple(policy for step in record["steps"] for policy in step["policies"]))
        return Failed(code, message) if record["status"] == "failed" else Unknown(code, "It is still under way.")

    def settled(self, run_id: str, *, wait_s: float = 60.0) -> Outcome | Waiting:
        """As `outcome`, after a decision: waits until the call no longer waits, or `wait_s` has passed."""
        rest, begun = threading.Event(), time.monotonic()
        while isinstance(found := self.outcome(run_id, wait_s=wait_s), Waiting) and time.monotonic() - begun < wait_s:
            rest.wait(0.05)
        return found

    def acting(self, user: str) -> Acting:
        """The operations as one of the declared users: to approve, to look, to resolve."""
        return self._app.acting(user, tenant=TENANT)

    def close(self) -> None:
        self._working.__exit__(None, None, None)
        self._app.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def guard(
    tools: Iterable[Tool[..., Any]],
    policy: str,
    *,
    user: str = "me",
    groups: Mapping[str, Iterable[str]] | None = None,
    roles: Mapping[str, Iterable[str]] | None = None,
    store: str = "sqlite:///.clearway/clearway.db",
) -> Guard:
    """Puts `tools` behind the gate under a Cedar `policy`, in environment dev.

    `user`: who acts. `groups`: approver group → users in it; `roles`: role → users who have it. `store`: a URL,
    relative to the working directory; the keyring lies beside a SQLite file, else in `.clearway/`.
    Errors: `ConfigError` (policy, store), `Unavailable`.
    """
    specs = {spec.name: spec for spec in map(_spec, tools)}
    if not specs:
        raise ConfigError("guard() was given no tool.", remedy="Name at least one: clearway.guard([refund], policy).")
    url = _store_url(store)
    home = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite") else Path.cwd() / ".clearway"
    policies = CedarPolicy(specs, [_SKILL], [DEV], [_AGENT_POLICY, PolicyFile("policy", policy)])
    problems = policies.check()
    if problems:
        raise ConfigError("\n".join(map(str, problems)))
    project = Project(
        folder=Path.cwd(),
        tools=specs,
        skills={_SKILL: _skill(specs)},
        users=_people(user, groups or {}, roles or {}),
        settings=Settings("guard", url, environments=(DEV,), tenants=(TENANT,), keyring=home / "keyring.json"),
        digest=policies.digest,
    )
    return Guard(Clearway(project, policy=policies), user)


def _spec(tool: object) -> ToolSpec:
    spec = getattr(tool, "spec", None)
    if not isinstance(spec, ToolSpec):
        raise ConfigError("Something that is no tool was given.", remedy="Put @clearway.tool(…) above its def.")
    return spec


def _store_url(store: object) -> str:
    try:
        return resolve_store_url(store if isinstance(store, str) else "", Path.cwd())
    except ConfigError as error:
        raise ConfigError(f"store {error.message}.", remedy=error.remedy) from None


def _skill(specs: Mapping[str, ToolSpec]) -> SkillSpec:
    # Whoever calls a guarded tool may hand on what a model wrote: nothing of it is anybody's word.
    @skill(
        name=_SKILL,
        tools=list(specs),
        sensitive=(),
        description="Carries out one guarded call.",
        owner="guard",
        request="untrusted",
    )
    async def guarded(run: RunContext, tool: str, arguments: dict[str, Any], reason: str = "") -> Any:
        return await run.call(tool, reason=reason, **arguments)

    return replace(guarded.spec, sensitive=frozenset[str]().union(*(spec.sensitive for spec in specs.values())))


def _people(
    user: str, groups: Mapping[str, Iterable[str]], roles: Mapping[str, Iterable[str]]
) -> dict[str, DeclaredPrincipal]:
    for names in (*groups.values(), *roles.values()):
        if isinstance(names, str):
            raise ConfigError("A group or role has a text instead of a list.", remedy='Write {"finance": ["amir"]}.')
    members = {group: frozenset(names) for group, names in groups.items()}
    holders = {role: frozenset(names) for role, names in roles.items()}
    everyone = frozenset({user}).union(*members.values(), *holders.values())
    return {
        name: DeclaredPrincipal(
            "user",
            name,
            TENANT,
            roles={DEV: frozenset(role for role, who in holders.items() if name in who)},
            groups=frozenset(group for group, who in members.items() if name in who),
        )
        for name in everyone
    }
