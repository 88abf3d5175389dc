"""Puts an action to Cedar: for the agent and for the user it acts for, at each target."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from clearway.adapters.cedar import entities
from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.adapters.cedar.slices import Slice, Slices
from clearway.adapters.cedar.types import RecordOf
from clearway.adapters.cedar.values import as_record
from clearway.adapters.cedar.weighing import PARTIES, Answer, Party, read_answer
from clearway.model.action import Action
from clearway.model.identity import Principal
from clearway.model.tool import ToolSpec

_MAX_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Asked:
    """What stays the same from one decision to the next: a tool, an agent and a user, as Cedar sees them.

    `arguments` are those that a policy reads, or None for all.
    """

    entities: cedarpy.Entities
    action: dict[str, str]
    agent: tuple[dict[str, str], Slice]
    user: tuple[dict[str, str], Slice]
    arguments: frozenset[str] | None

    def slice_of(self, party: Party) -> Slice:
        return (self.agent if party == "agent" else self.user)[1]


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
        context = self._context(action, asked.arguments)
        targets, target_json = entities.target_entities(action.targets, action.scope.tenant)
        known = asked.entities.with_added_json_str(target_json)  # pyright: ignore[reportUnknownMemberType]
        answers: list[Answer] = []
        # One call for both where they share a slice.
        groups: list[tuple[Party, ...]] = [PARTIES] if asked.agent[1] is asked.user[1] else [("agent",), ("user",)]
        for group in groups:
            places: list[tuple[Party, int]] = [(party, index) for party in group for index in range(len(targets))]
            requests: list[dict[str, Any]] = [
                {
                    "principal": (asked.agent if party == "agent" else asked.user)[0],
                    "action": asked.action,
                    "resource": targets[index],
                    "context": context,
                }
                for party, index in places
            ]
            handle = asked.slice_of(group[0]).handle
            results = cedarpy.is_authorized_batch(requests, handle, known)  # pyright: ignore[reportUnknownMemberType]
            answers += [
                read_answer(party, index, result, self._policies)
                for (party, index), result in zip(places, results, strict=True)
            ]
        return answers

    def _prepare(self, tool: str, agent: Principal, user: Principal) -> Asked:
        sides: list[tuple[dict[str, str], Slice]] = []
        for principal in (agent, user):
            uid = entities.principal_uid(principal)
            sides.append((entities.uid(*uid), self._slices.of(tool, uid, entities.parents_of(principal))))
        base = entities.base_entities(tool, self._tools[tool].impact, (agent, user))
        read = [part.arguments for _, part in sides]
        union = None if read[0] is None or read[1] is None else read[0] | read[1]
        return Asked(base, entities.uid("Action", tool), sides[0], sides[1], union)

    def _context(self, action: Action, read: frozenset[str] | None) -> str:
        # All arguments are held against the schema, the unread ones too: what doesn't fit is a deny.
        arguments = as_record(self._arguments[action.tool], action.arguments)
        if read is not None:
            arguments = {name: value for name, value in arguments.items() if name in read}
        return json.dumps(
            {
                "arguments": arguments,
                "impact": action.impact.value,
                "environment": action.scope.environment,
                "reason_given": bool(action.reason.strip()),
            }
        )
