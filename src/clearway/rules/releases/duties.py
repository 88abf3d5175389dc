"""Who has to sign what a release changes, and whether they have.

INVARIANT: the ownership that decides is that of the release in force, so that no bundle can name its own signers; the
author's own signature never counts; a change of ownership takes two different people; a signature counts for what its
signer was shown, and for no change that shows only against another release.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clearway.model.release import Bundle
from clearway.model.tool import Impact
from clearway.rules.releases.changes import Change, Changes, changes

POLICY, ROUTING, INCIDENT, SKILL = "policy", "routing", "incident", "skill"

#: Settings that only steer routing; every other one bears on what is allowed, hence is the policy owner's.
_ROUTING_SETTINGS = ("routing",)
_HARMLESS_SETTINGS = ("project.name", "project.description")
#: Of a skill's declaration, what only routing reads.
_ROUTED_BY = frozenset({"description", "examples", "keywords"})


@dataclass(frozen=True, slots=True)
class Owners:
    """Groups by duty, as of ownership.toml; None where nobody is named."""

    policy: str | None = None
    routing: str | None = None
    incident: str | None = None
    skill_approver: str | None = None
    skill_approvers: Mapping[str, str] | None = None

    def of(self, duty: str) -> str | None:
        kind, _, skill = duty.partition(":")
        if kind == SKILL:
            return (self.skill_approvers or {}).get(skill, self.skill_approver)
        return {POLICY: self.policy, ROUTING: self.routing, INCIDENT: self.incident}[kind]


@dataclass(frozen=True, slots=True)
class Duty:
    """`name`: policy, routing, incident or `skill:NAME`. `group`: who has it; None where nobody is named. `why`: the
    changes that call for it. `signed_by`: whose signature fulfils it."""

    name: str
    group: str | None
    why: tuple[str, ...]
    signed_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"duty": self.name, "group": self.group, "why": list(self.why), "signed_by": self.signed_by}


def duties(found: Changes, old: Bundle | None, new: Bundle, owners: Owners) -> tuple[Duty, ...]:
    """What has to be signed before `new` may follow `old`."""
    why: dict[str, list[str]] = {}

    def call(duty: str, change: Change) -> None:
        why.setdefault(duty, []).append(f"{change.kind} {change.name} {change.verb}")

    for change in found.items:
        for duty in _duties_of(change, old, new):
            call(duty, change)
    return tuple(Duty(name, owners.of(name), tuple(dict.fromkeys(reasons))) for name, reasons in sorted(why.items()))


def covers(duty: str, seen: Bundle | None, old: Bundle | None, new: Bundle) -> bool:
    """Whether somebody who signed for a duty when `new` was compared with `seen` has seen all that calls for it against
    `old`. `seen` is None where nothing was in force: all of `new` was there to be seen, but nothing that it lacks."""
    shown, due = _calling(duty, seen, new), _calling(duty, old, new)
    if seen is None:
        whole = [(change.kind, change.name, change.after) for change in shown]
        return all((change.kind, change.name, change.after) in whole for change in due)
    return all(change in shown for change in due)


def _calling(duty: str, old: Bundle | None, new: Bundle) -> list[Change]:
    return [change for change in changes(old, new).items if duty in _duties_of(change, old, new)]


def fulfilled(
    needed: Iterable[Duty],
    signatures: Iterable[tuple[str, str]],
    *,
    author: str,
    is_member: Callable[[str, str], bool],
    may_be_same: Callable[[str, str], bool],
) -> tuple[Duty, ...]:
    """The duties with who has signed for each. `signatures`: (duty, subject); `is_member(subject, group)`, as of now;
    `may_be_same(subject, subject)`: whether these may be one person, as every subject is with itself.

    One person may sign for several duties, except that `incident`, which a change of ownership calls for, needs
    somebody else than `policy`."""
    wanted, given = list(needed), [(duty, who) for duty, who in signatures if not may_be_same(who, author)]
    fit = {
        duty.name: [who for name, who in given if name == duty.name and duty.group and is_member(who, duty.group)]
        for duty in wanted
    }
    met = {name: people[0] for name, people in fit.items() if people}
    if INCIDENT in fit:
        met.pop(INCIDENT, None)
        pairs = ((one, two) for one in fit.get(POLICY, ()) for two in fit[INCIDENT] if not may_be_same(one, two))
        for one, two in pairs:
            met |= {POLICY: one, INCIDENT: two}
            break
    return tuple(replace(duty, signed_by=met.get(duty.name)) for duty in wanted)


def _duties_of(change: Change, old: Bundle | None, new: Bundle) -> tuple[str, ...]:
    match change.kind:
        case "ownership":
            return (POLICY, INCIDENT)
        case "policy":
            return (POLICY,)
        case "setting" if change.name.startswith(_HARMLESS_SETTINGS):
            return ()
        case "setting" | "route" | "router":
            routes = change.kind != "setting" or change.name.split(".")[0] in _ROUTING_SETTINGS
            return (ROUTING,) if routes else (POLICY,)
        case "tool":
            return (POLICY, *_skills_with(lambda skill: change.name in skill["tools"], old, new))
        case "skill":
            return _of_skill(change, old, new)
        case "prompt":
            name = change.name.removeprefix("prompts/").rpartition(".")[0]
            using = _skills_with(lambda skill: skill.get("prompt") == name, old, new)
            return using if _is_used(name, old, new) else _skills_with(lambda _: True, old, new)
        case _:
            at = _skills_with(lambda skill: skill.get("file") == change.name, old, new)
            return at if _declares(change.name, old, new) else _skills_with(lambda _: True, old, new)


def _of_skill(change: Change, old: Bundle | None, new: Bundle) -> tuple[str, ...]:
    before: Mapping[str, Any] = change.before or {}
    after: Mapping[str, Any] = change.after or {}
    fields = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    routing = (ROUTING,) if fields & _ROUTED_BY or not before or not after else ()
    if fields <= _ROUTED_BY and before and after:
        return routing
    return (*routing, *_skills_with(lambda skill: skill is before or skill is after, old, new))


def _skills_with(fits: Callable[[Any], bool], old: Bundle | None, new: Bundle) -> tuple[str, ...]:
    """The duties of the high-risk skills, before or after, that `fits` picks: those with a tool of impact external."""
    found: set[str] = set()
    for bundle in (old, new):
        if bundle is None:
            continue
        for name, skill in bundle.skills.items():
            risky = any(bundle.tools.get(tool, _UNKNOWN)["impact"] == Impact.EXTERNAL.value for tool in skill["tools"])
            if risky and fits(skill):
                found.add(f"{SKILL}:{name}")
    return tuple(sorted(found))


#: A tool that a bundle does not list is taken for the worst.
_UNKNOWN = {"impact": Impact.EXTERNAL.value}


def _is_used(prompt: str, old: Bundle | None, new: Bundle) -> bool:
    return any(skill.get("prompt") == prompt for bundle in (old, new) if bundle for skill in bundle.skills.values())


def _declares(path: str, old: Bundle | None, new: Bundle) -> bool:
    return any(skill.get("file") == path for bundle in (old, new) if bundle for skill in bundle.skills.values())
