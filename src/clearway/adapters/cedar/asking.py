"""Puts an action to Cedar: for the agent and for the user it acts for, at each target."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from clearway.adapters.cedar import context as contexts
from clearway.adapters.cedar import entities
from clearway.adapters.cedar.argument_types import RecordOf
from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.adapters.cedar.slices import Slice, Slices
from clearway.adapters.cedar.values import as_record, to_json
from clearway.adapters.cedar.weighing import Answer, Party, read_answer
from clearway.model.action import Action
from clearway.model.identity import Principal
from clearway.model.tool import ToolSpec

_MAX_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Asked:
    """What stays the same from one decision to the next: a tool, an agent and a user, as Cedar sees them.

    `groups` are the parties with their uids, by slice: one group where both share it, otherwise two. `attributes`
    are those that a policy reads, or None for all.
    """

    entities: cedarpy.Entities
    action: dict[str, str]
    groups: tuple[tuple[Slice, tuple[tuple[Party, dict[str, str]], ...]], ...]
    attributes: frozenset[str] | None

    def slices(self) -> dict[Party, Slice]:
        return {party: part for part, parties in self.groups for party, _ in parties}


class Questions:
    """Asks one policy set. Parsed entities and slices are kept for each (tool, agent, user)."""

    def __init__(
        self,
        tools: Mapping[str, ToolSpec],
        arguments: Mapping[str, RecordOf],
        policies: Mapping[str, LoadedPolicy],
        slices: Slices,
    ) -> None:
        self._tools = tools
        self._arguments = arguments
        self._policies = policies
        self._slices = slices
        self._kept: dict[tuple[str, Principal, Principal], Asked] = {}

    def asked(self, action: Action) -> Asked:
        key = (action.tool, action.agent, action.user)
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            kept = self._kept[key] = self._prepare(*key)
        return kept

    def answers(self, action: Action) -> list[Answer]:
        """One answer for each party at each target.

        Errors: `Mismatch` where the arguments don't fit the schema; `ValueError` where Cedar refuses an entity.
        """
        asked = self.asked(action)
        context = self._context(action, asked.attributes)
        targets, target_json = entities.target_entities(action.targets, action.scope.tenant, asked.attributes)
        known = asked.entities.with_added_json_str(target_json)  # pyright: ignore[reportUnknownMemberType]
        answers: list[Answer] = []
        for part, parties in asked.groups:
            places: list[tuple[Party, dict[str, str], int]] = [
                (party, uid, index) for party, uid in parties for index in range(len(targets))
            ]
            requests: list[dict[str, Any]] = [
                {"principal": uid, "action": asked.action, "resource": targets[index], "context": context}
                for _, uid, index in places
            ]
            results = cedarpy.is_authorized_batch(requests, part.handle, known)  # pyright: ignore[reportUnknownMemberType]
            for (party, _, index), result in zip(places, results, strict=True):
                answers.append(read_answer(party, index, result, self._policies))
        return answers

    def _prepare(self, tool: str, agent: Principal, user: Principal) -> Asked:
        groups: dict[Slice, list[tuple[Party, dict[str, str]]]] = {}
        sides: tuple[tuple[Party, Principal], ...] = (("agent", agent), ("user", user))
        for party, principal in sides:
            uid = entities.principal_uid(principal)
            part = self._slices.of(tool, uid, entities.parents_of(principal))
            groups.setdefault(part, []).append((party, entities.uid(*uid)))
        read = [part.attributes for part in groups]
        return Asked(
            entities.base_entities(tool, self._tools[tool].impact, (agent, user)),
            entities.uid("Action", tool),
            tuple((part, tuple(parties)) for part, parties in groups.items()),
            None if None in read else frozenset[str]().union(*(names for names in read if names is not None)),
        )

    def _context(self, action: Action, read: frozenset[str] | None) -> str:
        # All arguments are held against the schema, the unread ones too: what doesn't fit is a deny.
        arguments = as_record(self._arguments[action.tool], action.arguments, read=read)
        context: dict[str, Any] = {
            "impact": action.impact.value,
            "environment": action.scope.environment,
            "reason_given": bool(action.reason.strip()),
        }
        if read is not None:
            context = {name: value for name, value in context.items() if name in read}
            arguments = {name: value for name, value in arguments.items() if name in read}
        context |= contexts.values(action, read, self._arguments[action.tool])
        context["arguments"] = arguments
        return to_json(context)
