"""Requests near what policies speak of: the judge of what a change widens, by Clearway's own decision alone.

Values come from the texts and numbers that stand in the policies, and from one beside each of them.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bench.policy_diff_mutants import parse
from bench.policy_diff_sets import TENANTS, PolicySet
from clearway.model.action import Action
from clearway.model.history import History
from clearway.model.identity import Principal, Scope
from clearway.model.label import Label, Trust
from clearway.model.tool import Impact, Target, ToolSpec

_PERIODS = ("run", "user_hour", "user_day", "tenant_week", "user_week")


class Samples:
    """Random requests of a set's tools, biased to the literals of some policies."""

    def __init__(self, policies: PolicySet, source: random.Random, *texts: str) -> None:
        self._set, self._of = policies, source
        self._numbers: set[int] = {0, 1, -1}
        self._decimals: set[float] = {0.0, 1.0, 0.12345}
        self._texts: set[str] = {"", "x", "true"}
        self._roles: set[str] = set()
        self._groups: set[str] = set()
        for text in texts:
            for policy in parse(text):
                self._read(policy)
        self._pools = {name: sorted(getattr(self, name), key=repr) for name in ("_numbers", "_decimals", "_texts")}

    def _read(self, value: Any) -> None:
        if isinstance(value, dict):
            if "type" in value and "id" in value:
                {"Role": self._roles, "Group": self._groups}.get(value["type"], self._texts).add(value["id"])
            elif "pattern" in value:
                spelt = ["*" if part == "Wildcard" else part["Literal"] for part in value["pattern"]]
                self._texts |= {"".join(spelt).replace("*", filling) for filling in ("", "q", "x.y")}
            elif "decimal" in value and "Value" in value["decimal"][0]:
                bound = float(value["decimal"][0]["Value"])
                self._decimals |= {bound, round(bound + 0.0001, 4), round(bound - 0.0001, 4)}
            else:
                for name, inner in value.items():
                    if name not in ("annotations", "attr"):
                        self._read(inner)
        elif isinstance(value, list):
            for inner in value:
                self._read(inner)
        else:
            self._read_scalar(value)

    def _read_scalar(self, value: Any) -> None:
        if isinstance(value, str):
            self._texts.add(value)
        elif type(value) is int:
            self._numbers |= {value, value + 1, value - 1}

    def actions(self, count: int) -> Iterator[Action]:
        names = sorted(self._set.world.tools)
        for _ in range(count):
            yield self.action(self._set.world.tools[self._of.choice(names)])

    def action(self, spec: ToolSpec) -> Action:
        of, world = self._of, self._set.world
        scope = Scope(of.choice(TENANTS), of.choice(world.environments))
        arguments = self._object(spec.schema)
        listing = [name for name, skill in world.skills.items() if spec.name in skill.tools]
        skill = of.choice(listing if listing and of.random() < 0.8 else list(world.skills))
        kind: Any = "service" if of.random() < 0.1 else "user"
        impacts = [i for i in Impact if i is spec.impact or (spec.raises is not None and i.rank > spec.impact.rank)]
        several = of.choices((0, 1, 2), (1, 16, 3))[0]
        targets = tuple(self._target() for _ in range(several))
        return Action(
            scope=scope,
            run_id="run",
            step_id="s1",
            agent=Principal("agent", skill, scope, authenticated_by="skill"),
            user=self._user(kind, scope),
            tool=spec.name,
            tool_digest=spec.digest,
            impact=of.choice(impacts),
            arguments=arguments,
            shown=arguments,
            targets=targets,
            shown_targets=targets,
            key="",
            fingerprint="",
            digest="",
            reason=of.choice(("", "asked")),
            labels=self._labels(arguments),
            consequential=spec.consequential,
            history=self._history(arguments),
        )

    def _target(self) -> Target:
        of = self._of
        owner = "" if of.random() < 0.8 else of.choice(TENANTS)
        return Target(
            of.choice(("account", "patient", "none", "order")), of.choice(self._pools["_texts"]) or "1", owner
        )

    def _user(self, kind: Any, scope: Scope) -> Principal:
        who = self._of.choice(("dana", "zed"))
        return Principal(kind, who, scope, self._some(self._roles, 0.4), self._some(self._groups, 0.4))

    def _some(self, names: set[str], chance: float) -> frozenset[str]:
        return frozenset(name for name in sorted(names) if self._of.random() < chance)

    def _labels(self, arguments: dict[str, Any]) -> dict[str, Label]:
        of = self._of
        usual = of.random() < 0.7
        labels = {name: Label(Trust.TRUSTED if usual else of.choice(tuple(Trust)), ("request",)) for name in arguments}
        if arguments and of.random() < 0.15:
            name = of.choice(sorted(arguments))
            labels[name] = Label(
                labels[name].trust, (), frozenset({"other"}), frozenset({of.choice(("CARD", "EMAIL"))})
            )
        return labels

    def _history(self, arguments: dict[str, Any]) -> History:
        of = self._of
        done = self._some(set(self._set.world.tools), 0.5)
        begun = done | self._some(set(self._set.world.tools), 0.2)
        usual = of.random() < 0.6
        few = [n for n in self._pools["_numbers"] if n >= 0]
        counts = {period: 0 if usual else of.choice(few) for period in _PERIODS}
        sums = {name: {p: 0 if usual else of.choice(few) for p in _PERIODS} for name in arguments}
        return History(done, self._some(set(done), 0.7), begun, counts, sums)

    def _object(self, schema: Any) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self._value(part)
            for name, part in schema.get("properties", {}).items()
            if name in required or self._of.random() < 0.5
        }

    def _value(self, part: Any) -> Any:
        of = self._of
        if "anyOf" in part:
            return self._value(part["anyOf"][0])
        if "enum" in part:
            return of.choice(part["enum"])
        match part.get("type"):
            case "integer":
                return of.choice(self._pools["_numbers"])
            case "boolean":
                return of.random() < 0.5
            case "number":
                return of.choice(self._pools["_decimals"])
            case "array":
                return [self._value(part["items"]) for _ in range(of.choice((0, 1, 1, 2, 3)))]
            case "object":
                return self._object(part)
            case _:
                return of.choice(self._pools["_texts"])


def neighbours(action: Action, samples: Samples, spec: ToolSpec, source: random.Random) -> Action:
    """The same request with one or two parts as in another one."""
    other = samples.action(spec)
    changed = json.loads(json.dumps(action.arguments))
    for name in source.sample(sorted(other.arguments), min(len(other.arguments), source.choice((0, 1, 1, 2)))):
        changed[name] = other.arguments[name]
    parts: dict[str, Any] = {"arguments": changed, "shown": changed}
    for name in source.sample(
        ("user", "agent", "labels", "history", "reason", "impact", "targets"), source.choice((0, 0, 1))
    ):
        parts[name] = getattr(other, name)
    # Both parties belong to the action's tenant and environment.
    made = replace(action, **parts)
    return replace(made, user=replace(made.user, scope=action.scope), agent=replace(made.agent, scope=action.scope))
