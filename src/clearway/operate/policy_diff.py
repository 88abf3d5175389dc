"""What a change of policies lets through that was not let through before, and what it no longer does.

The solver proposes requests; each is decided by Clearway's own decision under both sets before it is told to anybody.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.adapters.z3.comparing import Candidate, Compared, PolicyComparison
from clearway.adapters.z3.plausible import KnownWorld
from clearway.adapters.z3.verdicts import NotTranslated
from clearway.model.action import Action
from clearway.model.decision import Decision
from clearway.model.errors import ClearwayError, ConfigError, Unavailable
from clearway.model.tool import Target, ToolSpec
from clearway.project.project import Project
from clearway.rules.changes.kinds import Change, Direction, changes

QUERY_TIMEOUT_S = 2.0
TIMEOUT_S = 60.0

_TEMPLATES = "clearway.project.targets"
#: INVARIANT: one comparison at a time in a process: the solver's terms live in one context that threads must not share.
_SOLVING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Finding:
    """A request that the two sets decide differently, as Clearway's own decision says. `remarks`: what it has that the
    project as it stands has not."""

    change: Change
    action: Action
    old: Decision
    new: Decision
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolDiff:
    """`proved`: that besides the findings' kinds of change there is none. Where not, `reasons` say why, `outside` names
    what of which policy could not be translated, and `refuted` the kinds that were proposed and did not hold."""

    tool: str
    findings: tuple[Finding, ...] = ()
    proved: bool = True
    reasons: tuple[str, ...] = ()
    outside: tuple[NotTranslated, ...] = ()
    refuted: tuple[Change, ...] = ()

    @property
    def answer(self) -> str:
        """`equivalent`, `wider`, `narrower`, `wider and narrower`, `other escalation`, or `not proven`."""
        directions = {finding.change.direction for finding in self.findings}
        if Direction.WIDENING in directions:
            return "wider and narrower" if Direction.NARROWING in directions else "wider"
        if not self.proved:
            return "not proven"
        if Direction.NARROWING in directions:
            return "narrower"
        return "other escalation" if directions else "equivalent"


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """`old_problems`, `new_problems`: for which a set cannot be put in force, so that it denies everything."""

    tools: tuple[ToolDiff, ...]
    old: CedarPolicy
    new: CedarPolicy
    seconds: float

    @property
    def widenings(self) -> list[Finding]:
        return self._of(Direction.WIDENING)

    @property
    def narrowings(self) -> list[Finding]:
        return self._of(Direction.NARROWING)

    @property
    def others(self) -> list[Finding]:
        return self._of(Direction.NEITHER)

    @property
    def not_proven(self) -> list[ToolDiff]:
        return [tool for tool in self.tools if not tool.proved]

    def _of(self, direction: Direction) -> list[Finding]:
        found = [finding for tool in self.tools for finding in tool.findings if finding.change.direction is direction]
        return sorted(found, key=lambda finding: list(Change).index(finding.change))


def may_pass(diff: PolicyDiff, accepted: Collection[str] = ()) -> bool:
    """Whether a change may go on as it is: it lets through nothing more, and that is proved. Only this says so.

    `accepted`: tools whose widening is signed for.
    """
    open_ = {tool.tool for tool in diff.not_proven} | {finding.action.tool for finding in diff.widenings}
    return open_ <= set(accepted)


def world_of(project: Project) -> KnownWorld:
    """What a project declares, as far as requests can hold it."""
    everybody = [*project.users.values(), *project.services.values()]
    people = [declared.principal(name) for declared in everybody for name in project.settings.environments]
    return KnownWorld(project.tools, project.skills, project.settings.environments, project.settings.tenants, people)


def compare(
    old: Sequence[PolicyFile],
    new: Sequence[PolicyFile],
    world: KnownWorld,
    *,
    groups: Mapping[str, int] | None = None,
    query_timeout_s: float = QUERY_TIMEOUT_S,
    timeout_s: float = TIMEOUT_S,
) -> PolicyDiff:
    """Compares two sets of policies over one project's tools. `groups`: the number of people in each.

    Errors: `ConfigError` where the extra `changes` is not installed; `Unavailable` (`busy`) where another comparison
    took all of `timeout_s`.
    """
    begin = time.monotonic()
    if not _SOLVING.acquire(timeout=timeout_s):
        raise Unavailable("Other policies are being compared.", code="busy", remedy="Try again.")
    try:
        return _compared(old, new, world, groups, query_timeout_s, lambda: time.monotonic() - begin > timeout_s)
    finally:
        _SOLVING.release()


def _compared(
    old: Sequence[PolicyFile],
    new: Sequence[PolicyFile],
    world: KnownWorld,
    groups: Mapping[str, int] | None,
    query_timeout_s: float,
    is_over: Callable[[], bool],
) -> PolicyDiff:
    begin = time.monotonic()
    before = CedarPolicy(world.tools, world.skills, world.environments, old, groups=groups)
    after = CedarPolicy(world.tools, world.skills, world.environments, new, groups=groups, beside=before)
    comparison = PolicyComparison(
        before.in_force,
        after.in_force,
        after.schema,
        world,
        query_timeout_s=query_timeout_s,
        until=is_over,
    )
    tools = tuple(_tool(comparison, world.tools[name], before, after) for name in sorted(world.tools))
    return PolicyDiff(tools, before, after, time.monotonic() - begin)


def _tool(comparison: PolicyComparison, spec: ToolSpec, old: CedarPolicy, new: CedarPolicy) -> ToolDiff:
    """INVARIANT: whatever goes wrong, the answer is "not proven"; the other tools are compared all the same."""
    try:
        return _confirmed(comparison.tool(spec.name), spec, old, new)
    except ClearwayError:
        raise
    except Exception as error:
        return ToolDiff(spec.name, proved=False, reasons=(f"the comparison failed with {type(error).__name__}",))


def problems_of(policy: CedarPolicy) -> list[ConfigError]:
    """Why the set denies everything; none where it can be put in force."""
    return policy.check() if policy.in_force is None else []


def _confirmed(compared: Compared, spec: ToolSpec, old: CedarPolicy, new: CedarPolicy) -> ToolDiff:
    """INVARIANT: a request that Clearway decides otherwise than the solver said is no finding, and then nothing is
    proved of the tool either."""
    findings: list[Finding] = []
    refuted: list[Change] = []
    for candidate in compared.candidates:
        finding = _decided(candidate, candidate.action, old, new)
        if finding is None:
            refuted.append(candidate.change)
        else:
            findings.append(_as_called(finding, candidate, spec, old, new))
    reasons = list(compared.gave_up)
    if refuted and not compared.not_translated:
        reasons += [f"{change.value}: a request that shows it was not confirmed (translator)" for change in refuted]
    proved = not reasons and not refuted
    return ToolDiff(
        compared.tool, tuple(findings), proved, tuple(reasons), compared.not_translated, tuple(dict.fromkeys(refuted))
    )


def _decided(candidate: Candidate, action: Action, old: CedarPolicy, new: CedarPolicy) -> Finding | None:
    before, after = old.decide(action), new.decide(action)
    if candidate.change not in changes(before, after):
        return None
    return Finding(candidate.change, action, before, after, candidate.remarks)


def _as_called(finding: Finding, candidate: Candidate, spec: ToolSpec, old: CedarPolicy, new: CedarPolicy) -> Finding:
    """The finding with the arguments that the tool makes of these, and its own targets; as it is, where the difference
    would not show then."""
    try:
        arguments = spec.validate(finding.action.arguments)
        action = replace(finding.action, arguments=arguments, shown=arguments)
    except Exception:
        return _refused(finding)
    if getattr(spec.targets, "__module__", "") == _TEMPLATES:
        # Only templates are filled in: a function of the project may ask the outside.
        targets = _filled(spec, action)
        real = _decided(candidate, replace(action, targets=targets, shown_targets=targets), old, new)
        if real is not None:
            return real
    return _decided(candidate, action, old, new) or _refused(finding)


def _filled(spec: ToolSpec, action: Action) -> tuple[Target, ...]:
    try:
        found = spec.targets(action.arguments)
    except Exception:
        return action.targets
    if not isinstance(found, Sequence):
        return action.targets
    return tuple(target for target in found if isinstance(target, Target))


def _refused(finding: Finding) -> Finding:
    remark = "the tool does not take such arguments"
    return replace(finding, remarks=tuple(dict.fromkeys((*finding.remarks, remark))))
