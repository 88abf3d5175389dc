"""The policies that can concern one principal at one tool, parsed once and kept.

Cedar evaluates every policy of a set, so the time of a decision grows with the set. A policy whose scope names another
action or another principal cannot determine a decision, nor can it err: its scope is tested first. Leaving it out
changes nothing (held by a property test against the whole set).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import cedarpy

from clearway.adapters.cedar.entities import Uid
from clearway.adapters.cedar.expressions import Est, attributes_read
from clearway.adapters.cedar.policies import LoadedPolicy

_ANY = {"op": "All"}
_MAX_KEPT = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """`attributes`: the names of the attributes that the policies read, of anything; None: perhaps all.

    Turning JSON into Cedar's values is a third of a decision's time: what no policy reads is left out.
    """

    policies: tuple[LoadedPolicy, ...]
    handle: cedarpy.PolicySet
    attributes: frozenset[str] | None


class Slices:
    """Slices of one policy set. `actions` holds each tool's own action and the groups it is a member of."""

    def __init__(self, policies: Sequence[LoadedPolicy], actions: dict[str, Collection[str]]) -> None:
        self._by_tool = {
            tool: [policy for policy in policies if _concerns_action(policy.est["action"], groups)]
            for tool, groups in actions.items()
        }
        self._kept: dict[tuple[str, ...], Slice] = {}

    def of(self, tool: str, principal: Uid, parents: Iterable[Uid]) -> Slice:
        """The policies whose scope fits this principal at this tool. Equal slices are one object."""
        uids = frozenset((principal, *parents))
        fitting = tuple(policy for policy in self._by_tool[tool] if _fits(policy.est["principal"], principal[0], uids))
        key = tuple(policy.id for policy in fitting)
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            kept = self._kept[key] = _slice(fitting)
        return kept

    def concerning(self, tool: str) -> list[LoadedPolicy]:
        """The policies whose action scope fits the tool, whoever the principal."""
        return self._by_tool[tool]


def _slice(policies: tuple[LoadedPolicy, ...]) -> Slice:
    # Principal and action fit by construction, so they need not be tested again (a fifth of a decision's time).
    # The keys become the policies' ids in Cedar: its reasons and errors speak of our `@id`s.
    static = {policy.id: {**policy.est, "principal": _ANY, "action": _ANY} for policy in policies}
    text = json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []})
    return Slice(policies, cedarpy.PolicySet.from_json_str(text), attributes_read(policy.est for policy in policies))


def _concerns_action(scope: Est, names: Collection[str]) -> bool:
    if scope["op"] == "All":
        return True
    named = scope["entities"] if "entities" in scope else [scope["entity"]]
    return any(entity["type"] == "Action" and entity["id"] in names for entity in named)


def _fits(scope: Est, type_: str, uids: frozenset[Uid]) -> bool:
    """Whether a principal of this type, being or having as parents `uids`, is in a policy's principal scope."""
    match scope["op"]:
        case "All":
            return True
        case "==":
            # One's parents are never of one's own type, so `uids` holds one uid of the types that can act.
            return _uid(scope["entity"]) in uids and scope["entity"]["type"] == type_
        case "in":
            return _uid(scope["entity"]) in uids
        case "is":
            return scope["entity_type"] == type_ and ("in" not in scope or _uid(scope["in"]["entity"]) in uids)
        case _:
            return True


def _uid(entity: dict[str, str]) -> Uid:
    return entity["type"], entity["id"]
