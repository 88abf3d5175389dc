"""Seeded mistakes in policies, and rewrites that change nothing. Works on Cedar's JSON form and text alone.

Each mutator takes the policies as `[est, …]` (with annotations), changes one place, and says whether it found one.
"""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cedarpy

Json = dict[str, Any]
Policies = list[Json]
Mutator = Callable[[Policies, random.Random], bool]

_LEAVES = {"Value", "Var", "Slot"}
_ORDER = ("<", "<=", ">", ">=")
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_CONTRARY = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_ANY = {"op": "All"}
_ASKING = ("obligation", "approvers", "quorum", "decision_ttl", "execution_ttl", "escalate_to")


@dataclass(frozen=True, slots=True)
class Mutant:
    kind: str
    neutral: bool
    text: str


def parse(text: str) -> Policies:
    return list(json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values())


def render(policies: Policies) -> str:
    numbered = {f"p{n}": policy for n, policy in enumerate(policies)}
    whole = {"staticPolicies": numbered, "templates": {}, "templateLinks": []}
    return str(cedarpy.policies_from_json_str(json.dumps(whole)))


def mutants(text: str, source: random.Random, harmful: int, neutral: int) -> Iterator[Mutant]:
    """So many of each; the kinds take turns, and a kind that finds no place is left out."""
    original = parse(text)
    for mutators, count, is_neutral in ((HARMFUL, harmful, False), (NEUTRAL, neutral, True)):
        kinds = list(mutators)
        made = 0
        turn = 0
        while made < count:
            kind = kinds[turn % len(kinds)]
            turn += 1
            policies = copy.deepcopy(original)
            if mutators[kind](policies, source):
                made += 1
                yield Mutant(kind, is_neutral, render(policies))


def _expressions(policy: Json) -> Iterator[Json]:
    """Every expression, each an object that can be changed in place."""
    todo = [condition["body"] for condition in policy["conditions"]]
    while todo:
        expression = todo.pop()
        yield expression
        ((operator, operands),) = expression.items()
        if operator in _LEAVES:
            continue
        if isinstance(operands, list):
            todo += operands
        elif operator == "Record":
            todo += operands.values()
        else:
            todo += [part for name, part in operands.items() if name not in ("attr", "pattern", "entity_type")]


def _places(policies: Policies, *operators: str) -> list[Json]:
    return [e for policy in policies for e in _expressions(policy) if next(iter(e)) in operators]


def _become(expression: Json, other: Json) -> None:
    other = copy.deepcopy(other)
    expression.clear()
    expression.update(other)


def _pick(places: list[Any], source: random.Random) -> Any:
    return source.choice(places) if places else None


# --- Mistakes ---


def change_number(policies: Policies, source: random.Random) -> bool:
    numbers = [e for e in _places(policies, "Value") if type(e["Value"]) is int]
    place = _pick(numbers, source)
    if place is None:
        return False
    old = place["Value"]
    place["Value"] = source.choice([old + 1, old - 1, old * 10, old * 2, old // 2, -old, old + 1000, 10**12])
    return place["Value"] != old


def change_decimal(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, "decimal"), source)
    if place is None:
        return False
    place["decimal"][0]["Value"] = source.choice(["0.2", "500.0", "0.0001", "50.0001", "0.41", "-1.0"])
    return True


def drop_condition(policies: Policies, source: random.Random) -> bool:
    policy = _pick([policy for policy in policies if policy["conditions"]], source)
    if policy is None:
        return False
    policy["conditions"].pop(source.randrange(len(policy["conditions"])))
    return True


def drop_operand(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, "&&", "||"), source)
    if place is None:
        return False
    ((_, operands),) = place.items()
    _become(place, operands[source.choice(("left", "right"))])
    return True


def swap_and_or(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, "&&", "||"), source)
    if place is None:
        return False
    ((operator, operands),) = place.items()
    _become(place, {"||" if operator == "&&" else "&&": operands})
    return True


def change_comparison(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, *_ORDER, "==", "!="), source)
    if place is None:
        return False
    ((operator, operands),) = place.items()
    others = ("==", "!=") if operator in ("==", "!=") else _ORDER
    _become(place, {source.choice([other for other in others if other != operator]): operands})
    return True


def negate(policies: Policies, source: random.Random) -> bool:
    conditions = [condition for policy in policies for condition in policy["conditions"]]
    place = _pick(conditions, source)
    if place is None:
        return False
    place["kind"] = "unless" if place["kind"] == "when" else "when"
    return True


def _entities(policies: Policies, type_: str) -> list[Json]:
    found: list[Json] = []
    for policy in policies:
        for part in ("principal", "resource"):
            scopes = [policy[part], policy[part].get("in", {})]
            found += [s["entity"] for s in scopes if s.get("entity", {}).get("type") == type_]
        scope = policy["action"]
        found += [e for e in [scope.get("entity", {}), *scope.get("entities", [])] if e.get("type") == type_]
        for expression in _expressions(policy):
            value = expression.get("Value")
            if isinstance(value, dict) and value.get("__entity", {}).get("type") == type_:
                found.append(value["__entity"])
    return found


def _swap(type_: str) -> Mutator:
    def mutate(policies: Policies, source: random.Random) -> bool:
        places = _entities(policies, type_)
        ids = sorted({place["id"] for place in places})
        if len(ids) < 2:
            return False
        place = source.choice(places)
        place["id"] = source.choice([other for other in ids if other != place["id"]])
        return True

    return mutate


def remove_forbid(policies: Policies, source: random.Random) -> bool:
    return _remove(policies, source, "forbid")


def remove_permit(policies: Policies, source: random.Random) -> bool:
    return _remove(policies, source, "permit")


def _remove(policies: Policies, source: random.Random, effect: str) -> bool:
    place = _pick([policy for policy in policies if policy["effect"] == effect], source)
    if place is None:
        return False
    policies.remove(place)
    return True


def widen_scope(policies: Policies, source: random.Random) -> bool:
    places = [(p, part) for p in policies for part in ("principal", "action", "resource") if p[part]["op"] != "All"]
    place = _pick(places, source)
    if place is None:
        return False
    policy, part = place
    policy[part] = dict(_ANY)
    return True


def any_of_type(policies: Policies, source: random.Random) -> bool:
    policy = _pick([p for p in policies if p["principal"].get("entity", {}).get("type") == "Agent"], source)
    if policy is None:
        return False
    policy["principal"] = {"op": "is", "entity_type": "Agent"}
    return True


def action_to_group(policies: Policies, source: random.Random) -> bool:
    policy = _pick([p for p in policies if p["action"]["op"] == "=="], source)
    if policy is None:
        return False
    impact = source.choice(("impact:read", "impact:internal_write", "impact:external"))
    policy["action"] = {"op": "in", "entity": {"type": "Action", "id": impact}}
    return True


def wildcard(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, "like"), source)
    if place is None:
        return False
    pattern = place["like"]["pattern"]
    at = source.randrange(len(pattern) + 1)
    if source.random() < 0.5 and at < len(pattern):
        pattern[at] = "Wildcard"
    else:
        pattern.insert(at, "Wildcard")
    return True


def change_text(policies: Policies, source: random.Random) -> bool:
    texts = [e for e in _places(policies, "Value") if isinstance(e["Value"], str)]
    place = _pick(texts, source)
    if place is None:
        return False
    place["Value"] = source.choice([e["Value"] for e in texts] + ["elsewhere", ""])
    return True


def change_set(policies: Policies, source: random.Random) -> bool:
    place = _pick([e for e in _places(policies, "Set") if e["Set"] and "Value" in e["Set"][0]], source)
    if place is None:
        return False
    items = place["Set"]
    if source.random() < 0.5 and len(items) > 1:
        items.pop(source.randrange(len(items)))
    else:
        items.append({"Value": "CHF"} if isinstance(items[0]["Value"], str) else copy.deepcopy(items[0]))
    return True


def _asking(policies: Policies, annotation: str) -> list[Json]:
    return [policy["annotations"] for policy in policies if annotation in policy["annotations"]]


def no_obligation(policies: Policies, source: random.Random) -> bool:
    place = _pick(_asking(policies, "obligation"), source)
    if place is None:
        return False
    for name in _ASKING:
        place.pop(name, None)
    return True


def other_approvers(policies: Policies, source: random.Random) -> bool:
    places = _asking(policies, "approvers")
    place = _pick(places, source)
    if place is None:
        return False
    place.pop("quorum", None)
    groups = sorted({g.split(":")[0].strip() for p in places for g in p["approvers"].split(",")})
    one = source.choice(groups)
    place["approvers"] = source.choice([one, f"{one}:2", ", ".join(dict.fromkeys([one, groups[0]]))])
    return True


def other_clock(policies: Policies, source: random.Random) -> bool:
    place = _pick(_asking(policies, "obligation"), source)
    if place is None:
        return False
    name = source.choice(("decision_ttl", "execution_ttl"))
    place[name] = source.choice(("1m", "3h", "24h", "10s"))
    return True


def quorum(policies: Policies, source: random.Random) -> bool:
    place = _pick(_asking(policies, "quorum"), source)
    if place is None:
        return False
    place["quorum"] = source.choice(("1", "2", "3"))
    return True


def flip_effect(policies: Policies, source: random.Random) -> bool:
    policy = source.choice(policies)
    policy["effect"] = "permit" if policy["effect"] == "forbid" else "forbid"
    for name in _ASKING:
        policy["annotations"].pop(name, None)
    return True


def add_permit(policies: Policies, source: random.Random) -> bool:
    """A copy of a permit for somebody else, or without what limits it."""
    permit = copy.deepcopy(source.choice([policy for policy in policies if policy["effect"] == "permit"]))
    permit["annotations"]["id"] += "-too"
    policies.append(permit)
    return source.choice((_swap("Role"), drop_condition, widen_scope))([permit, *policies], source)


def drop_negation(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, "!"), source)
    if place is None:
        return False
    _become(place, place["!"]["arg"])
    return True


def contains_other(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, "containsAll", "containsAny"), source)
    if place is None:
        return False
    ((operator, operands),) = place.items()
    _become(place, {"containsAny" if operator == "containsAll" else "containsAll": operands})
    return True


# --- Rewrites that change nothing ---


def reorder(policies: Policies, source: random.Random) -> bool:
    source.shuffle(policies)
    return True


def rename(policies: Policies, source: random.Random) -> bool:
    source.choice(policies)["annotations"]["id"] = f"renamed-{source.randrange(1000)}"
    return True


def double_negation(policies: Policies, source: random.Random) -> bool:
    place = _pick([c for policy in policies for c in policy["conditions"]], source)
    place["body"] = {"!": {"arg": {"!": {"arg": place["body"]}}}}
    return True


def when_not_unless(policies: Policies, source: random.Random) -> bool:
    place = _pick([c for policy in policies for c in policy["conditions"]], source)
    place["kind"] = "unless" if place["kind"] == "when" else "when"
    place["body"] = {"!": {"arg": place["body"]}}
    return True


def de_morgan(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, "&&", "||"), source)
    if place is None:
        return False
    ((operator, operands),) = place.items()
    sides = {side: {"!": {"arg": operands[side]}} for side in ("left", "right")}
    _become(place, {"!": {"arg": {"||" if operator == "&&" else "&&": sides}}})
    return True


def redundant(policies: Policies, source: random.Random) -> bool:
    place = _pick([c for policy in policies for c in policy["conditions"]], source)
    extra = source.choice([place["body"], {"Value": True}, {"||": {"left": {"Value": True}, "right": place["body"]}}])
    place["body"] = {"&&": {"left": place["body"], "right": copy.deepcopy(extra)}}
    return True


def mirror(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, *_FLIPPED), source)
    if place is None:
        return False
    ((operator, operands),) = place.items()
    _become(place, {_FLIPPED[operator]: {"left": operands["right"], "right": operands["left"]}})
    return True


def contrary(policies: Policies, source: random.Random) -> bool:
    place = _pick(_places(policies, *_CONTRARY), source)
    if place is None:
        return False
    ((operator, operands),) = place.items()
    _become(place, {"!": {"arg": {_CONTRARY[operator]: operands}}})
    return True


def spell_out(policies: Policies, source: random.Random) -> bool:
    """`["a", "b"].contains(x)` as `x == "a" || x == "b"`."""
    place = _pick([e for e in _places(policies, "contains") if "Set" in e["contains"]["left"]], source)
    if place is None:
        return False
    items, asked = place["contains"]["left"]["Set"], place["contains"]["right"]
    whole = {"==": {"left": asked, "right": items[0]}}
    for item in items[1:]:
        whole = {"||": {"left": whole, "right": {"==": {"left": asked, "right": item}}}}
    _become(place, whole)
    return True


def split_actions(policies: Policies, source: random.Random) -> bool:
    policy = _pick([p for p in policies if p["action"].get("entities")], source)
    if policy is None:
        return False
    policies.remove(policy)
    for number, entity in enumerate(policy["action"]["entities"]):
        part = copy.deepcopy(policy)
        part["action"] = {"op": "==", "entity": entity}
        part["annotations"]["id"] += f"-{number}"
        policies.append(part)
    return True


def scope_to_condition(policies: Policies, source: random.Random) -> bool:
    policy = _pick([p for p in policies if p["principal"]["op"] == "in"], source)
    if policy is None:
        return False
    entity = {"Value": {"__entity": policy["principal"]["entity"]}}
    asked = {"in": {"left": {"Var": "principal"}, "right": entity}}
    policy["principal"] = dict(_ANY)
    policy["conditions"].insert(0, {"kind": "when", "body": asked})
    return True


def split_condition(policies: Policies, source: random.Random) -> bool:
    whens = [(p, c) for p in policies for c in p["conditions"] if c["kind"] == "when" and "&&" in c["body"]]
    place = _pick(whens, source)
    if place is None:
        return False
    policy, condition = place
    at = policy["conditions"].index(condition)
    sides = condition["body"]["&&"]
    policy["conditions"][at : at + 1] = [{"kind": "when", "body": sides[side]} for side in ("left", "right")]
    return True


def shadowed(policies: Policies, source: random.Random) -> bool:
    """A narrower copy of a permit that asks for nothing, or of a forbid."""
    policy = copy.deepcopy(source.choice([p for p in policies if "obligation" not in p["annotations"]]))
    policy["annotations"]["id"] += "-in-dev"
    in_dev = {"==": {"left": {".": {"left": {"Var": "context"}, "attr": "environment"}}, "right": {"Value": "dev"}}}
    policy["conditions"].append({"kind": "when", "body": in_dev})
    policies.append(policy)
    return True


HARMFUL: dict[str, Mutator] = {
    "number": change_number,
    "decimal": change_decimal,
    "dropped condition": drop_condition,
    "dropped operand": drop_operand,
    "and for or": swap_and_or,
    "comparison": change_comparison,
    "when for unless": negate,
    "role swapped": _swap("Role"),
    "agent swapped": _swap("Agent"),
    "action swapped": _swap("Action"),
    "forbid removed": remove_forbid,
    "permit removed": remove_permit,
    "scope widened": widen_scope,
    "any agent": any_of_type,
    "action to impact": action_to_group,
    "wildcard": wildcard,
    "text": change_text,
    "set": change_set,
    "obligation removed": no_obligation,
    "approvers": other_approvers,
    "clock": other_clock,
    "quorum": quorum,
    "effect": flip_effect,
    "permit added": add_permit,
    "negation dropped": drop_negation,
    "all for any": contains_other,
}
NEUTRAL: dict[str, Mutator] = {
    "reordered": reorder,
    "renamed": rename,
    "double negation": double_negation,
    "when not": when_not_unless,
    "de Morgan": de_morgan,
    "redundant": redundant,
    "mirrored": mirror,
    "contrary": contrary,
    "spelt out": spell_out,
    "actions split": split_actions,
    "scope to condition": scope_to_condition,
    "condition split": split_condition,
    "shadowed": shadowed,
}
