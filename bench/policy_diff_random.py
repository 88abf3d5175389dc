"""Random policies that pass Cedar's validation, and random requests near what the policies speak of.

Knows Cedar's grammar and the schema of its one tool, and nothing of how policies are translated.
"""

import random
from typing import Any

from clearway.adapters.cedar.argument_types import arguments_type
from clearway.adapters.cedar.context import values
from clearway.model.action import Action
from clearway.model.history import History
from clearway.model.identity import Principal, Scope
from clearway.model.label import Label, Trust
from clearway.model.tool import Impact, Target, ToolSpec

ENVIRONMENTS = ("dev", "prod")
SKILLS = ("desk", "clerk")
_ROLES, _GROUPS, _TENANTS = ("support", "lead"), ("finance", "security"), ("acme", "globex")
_TEXTS = ("USD", "EUR", "ab", "a", "b", "", "a*b", "x:y")
_NUMBERS = (-1, 0, 1, 2, 3, 10_000, 2**63 - 1, -(2**63))
_DECIMALS = ("0.0", "1.5", "-2.25", "1.4999")
_PATTERNS = ("a*", "*b", "*", "a*b", "*:*", "", r"a\*b", "*a*", "U*D", "ab")
_PATHS, _SOURCES, _TYPES = ("amount", "currency", "line.sku"), ("request", "look"), ("CARD", "EMAIL")
_LINE = {
    "type": "object",
    "properties": {
        "sku": {"type": "string"},
        "count": {"type": "integer"},
        "gift": {"type": "boolean"},
        "price": {"type": "number"},
    },
    "required": ["sku", "count"],
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer"},
        "fee": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "rate": {"type": "number"},
        "currency": {"type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "more_tags": {"type": "array", "items": {"type": "string"}},
        "counts": {"type": "array", "items": {"type": "integer"}},
        "line": _LINE,
        "lines": {"type": "array", "items": _LINE},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
    },
    "required": ["amount", "rate", "currency", "urgent", "tags", "more_tags", "counts", "line", "lines", "grid"],
}
TOOL = ToolSpec("pay", "", Impact.INTERNAL_WRITE, print, dict, SCHEMA, "sha256:0", lambda _: [])
OTHER = ToolSpec("look", "", Impact.READ, print, dict, SCHEMA, "sha256:0", lambda _: [])
TOOLS = {"pay": TOOL, "look": OTHER}
_ARGUMENTS = "context.arguments"


class RandomPolicies:
    def __init__(self, source: random.Random) -> None:
        self._of = source

    def text(self, count: int) -> str:
        return "\n".join(self.policy(number) for number in range(count))

    def policy(self, number: int) -> str:
        of = self._of
        effect = of.choice(("permit", "permit", "permit", "forbid"))
        conditions = " ".join(
            f"{of.choice(('when', 'when', 'unless'))} {{ {self._boolean(of.randint(0, 3))} }}"
            for _ in range(of.choice((0, 1, 1, 2)))
        )
        duty = self._duty() if effect == "permit" and of.random() < 0.4 else ""
        principal = of.choice(
            (
                *("principal", "principal", "principal is Agent", "principal is User"),
                *(f"principal in {self._parent()}", f"principal is User in {self._parent()}"),
                *('principal == User::"dana"', 'principal == Agent::"desk"'),
            )
        )
        action = of.choice(
            (
                *("action", 'action == Action::"pay"', 'action in Action::"impact:internal_write"'),
                'action in [Action::"look", Action::"pay"]',
            )
        )
        resource = of.choice(("resource", "resource", "resource is Target", 'resource == Target::"account:1"'))
        return f'@id("p{number}") {duty} {effect} ({principal}, {action}, {resource}) {conditions};'

    def _duty(self) -> str:
        of = self._of
        who = of.choice(('@approvers("finance")', '@approvers("finance:2, security")', '@approvers("security")'))
        who += of.choice(("", '@decision_ttl("10m")', '@decision_ttl("2h")', '@execution_ttl("1m")'))
        return '@obligation("require_approval")' + who + of.choice(("", '@escalate_to("leads")', '@escalate_to("all")'))

    def _parent(self) -> str:
        of = self._of
        return of.choice(
            (
                f'Role::"{of.choice(_ROLES)}"',
                f'Group::"{of.choice(_GROUPS)}"',
                f'Tenant::"{of.choice(_TENANTS)}"',
            )
        )

    def _boolean(self, depth: int) -> str:
        of = self._of
        if depth == 0:
            return self._comparison()
        one, other = self._boolean(depth - 1), self._boolean(depth - 1)
        return of.choice(
            (
                f"({one} && {other})",
                f"({one} || {other})",
                f"!({one})",
                f"(if {one} then {other} else {self._boolean(depth - 1)})",
                f"({_ARGUMENTS} has fee && ({_ARGUMENTS}.fee {self._order()} {self._number(1)} || {one}))",
                f"({_ARGUMENTS} has note && ({self._about_text(f'{_ARGUMENTS}.note')} && {one}))",
                f"({_ARGUMENTS}.line has gift && {_ARGUMENTS}.line.gift == {self._comparison()})",
                f"(context has arguments.line.price && {_ARGUMENTS}.line.price.lessThan({self._decimal()}))",
            )
        )

    def _comparison(self) -> str:
        of = self._of
        said = of.choice(
            (
                lambda: f"{self._number(2)} {self._order()} {self._number(1)}",
                lambda: f"{self._number(1)} == {self._number(1)}",
                lambda: self._about_text(self._text()),
                lambda: f"{_ARGUMENTS}.urgent",
                lambda: f"{_ARGUMENTS} has {of.choice(('fee', 'note', 'amount', 'nothing'))}",
                lambda: f"{_ARGUMENTS}.rate.{of.choice(('lessThan', 'greaterThanOrEqual'))}({self._decimal()})",
                lambda: f"{_ARGUMENTS}.rate == {self._decimal()}",
                self._about_sets,
                self._about_entities,
                self._about_facts,
                lambda: f"context.reason_given == {of.choice(('true', 'false'))}",
            )
        )()
        return f"({said})"

    def _about_facts(self) -> str:
        of = self._of
        return of.choice(
            (
                lambda: f'context.untrusted.contains("{of.choice(_PATHS)}")',
                lambda: f'context.untrusted.containsAny(["{of.choice(_PATHS)}", "{of.choice(_PATHS)}"])',
                lambda: "context.untrusted_consequential.isEmpty()",
                lambda: "context.untrusted.containsAll(context.untrusted_consequential)",
                lambda: f'context.endorsed.contains("{of.choice(_PATHS)}")',
                lambda: f'context.sources.contains("{of.choice(_PATHS)}:{of.choice(_SOURCES)}")',
                lambda: 'context.private.contains("CARD")',
                lambda: 'context.private.isEmpty() || context.other_tenants.contains("globex")',
                lambda: 'context.done.contains("look")',
                lambda: "context.begun.containsAll(context.done)",
                lambda: f"context.count.run {self._order()} {self._number(0)}",
                lambda: f"context.sum.amount.user_day + {self._number(0)} {self._order()} {self._number(0)}",
            )
        )()

    def _about_sets(self) -> str:
        of = self._of
        a, b = of.choice(("tags", "more_tags")), of.choice(("tags", "more_tags"))
        texts = f"[{', '.join(self._text() for _ in range(of.randint(1, 3)))}]"
        return of.choice(
            (
                lambda: f"{_ARGUMENTS}.{a}.contains({self._text()})",
                lambda: f"{_ARGUMENTS}.{a}.containsAll({of.choice((texts, f'{_ARGUMENTS}.{b}'))})",
                lambda: f"{_ARGUMENTS}.{a}.containsAny({of.choice((texts, f'{_ARGUMENTS}.{b}'))})",
                lambda: f"{texts}.containsAll({_ARGUMENTS}.{a})",
                lambda: f"{texts}.contains({self._text()})",
                lambda: f"{_ARGUMENTS}.{a} == {of.choice((texts, f'{_ARGUMENTS}.{b}'))}",
                lambda: f"{_ARGUMENTS}.{of.choice((a, 'counts', 'lines', 'grid'))}.isEmpty()",
                lambda: f"{_ARGUMENTS}.counts.contains({self._number(1)})",
                lambda: f"[{self._number(0)}, {self._number(1)}].containsAny({_ARGUMENTS}.counts)",
                lambda: f"{_ARGUMENTS}.lines.contains({_ARGUMENTS}.line)",
                lambda: f"(if {_ARGUMENTS}.urgent then {_ARGUMENTS}.{a} else {texts}).contains({self._text()})",
            )
        )()

    def _about_entities(self) -> str:
        of = self._of
        return of.choice(
            (
                "principal.tenant == resource.tenant",
                f"principal in {self._parent()}",
                f"principal in [{self._parent()}, {self._parent()}]",
                "principal in resource.tenant",
                'principal == User::"dana"',
                "principal is Service",
                'principal is User && principal.tenant == Tenant::"acme"',
                f"(principal is Agent) || principal in {self._parent()}",
                'resource == Target::"account:1"',
                'resource in [Target::"account:1", Target::"x:y:z"]',
                'action in Action::"impact:internal_write"',
                'action == Action::"pay"',
                'action in [Action::"impact:external", Action::"look"]',
                'Agent::"desk" in Role::"lead"',
                'resource.tenant in Tenant::"globex"',
            )
        )

    def _about_text(self, text: str) -> str:
        of = self._of
        return of.choice(
            (
                f"{text} == {self._text()}",
                f"{text} != {self._text()}",
                f'{text} like "{of.choice(_PATTERNS)}"',
                f'["USD", "ab"].contains({text})',
            )
        )

    def _text(self) -> str:
        of = self._of
        return of.choice(
            (f'"{of.choice(_TEXTS)}"',) * 3
            + (f"{_ARGUMENTS}.currency", "resource.id", "resource.kind", f"{_ARGUMENTS}.line.sku")
        )

    def _number(self, depth: int) -> str:
        of = self._of
        if depth == 0:
            return of.choice((str(of.choice(_NUMBERS)), f"{_ARGUMENTS}.amount", f"{_ARGUMENTS}.line.count"))
        one, other = self._number(depth - 1), self._number(depth - 1)
        return of.choice((one, one, one, f"({one} + {other})", f"({one} - {other})", f"({one} * 3)", f"(-{one})"))

    def _order(self) -> str:
        return self._of.choice(("<", "<=", ">", ">="))

    def _decimal(self) -> str:
        return f'decimal("{self._of.choice(_DECIMALS)}")'

    def action(self) -> Action:
        of = self._of
        scope = Scope(of.choice((*_TENANTS, "third")), of.choice(ENVIRONMENTS))
        line = self._line()
        arguments: dict[str, Any] = {
            "amount": self._some(_NUMBERS),
            "rate": of.choice((0.0, 1.5, -2.25, 1.4999, 7, 0.12345)),
            "currency": of.choice((*_TEXTS, "other")),
            "urgent": of.random() < 0.5,
            "tags": self._many((*_TEXTS, "other")),
            "more_tags": self._many((*_TEXTS, "other")),
            "counts": self._many(_NUMBERS),
            "line": line,
            "lines": [line] * of.randint(0, 1) + [self._line() for _ in range(of.randint(0, 1))],
            "grid": of.choice(([], [[]], [[1.5], []], [[0.12345, 1.5]])),
        }
        if of.random() < 0.5:
            arguments["fee"] = self._some(_NUMBERS)
        if of.random() < 0.5:
            arguments["note"] = of.choice((*_TEXTS, "other"))
        target = Target(of.choice(("account", "x", "a")), of.choice(("1", "y:z", "ab")), of.choice(("", *_TENANTS)))
        kind: Any = of.choice(("user", "user", "service"))
        return Action(
            scope=scope,
            run_id="run",
            step_id="s1",
            agent=self._principal("agent", of.choice(("desk", "clerk", "other")), scope),
            user=self._principal(kind, of.choice(("dana", "amir")), scope),
            tool="pay",
            tool_digest="sha256:0",
            impact=of.choice((Impact.INTERNAL_WRITE, Impact.EXTERNAL)),
            arguments=arguments,
            shown=arguments,
            targets=(target,),
            shown_targets=(target,),
            key="",
            fingerprint="",
            digest="",
            reason=of.choice(("", "why")),
            labels={path: self._label() for path in self._many(_PATHS)},
            consequential=frozenset(self._many(_PATHS)),
            history=self._history(),
        )

    def _label(self) -> Label:
        of = self._of
        sources = tuple(source if source == "request" else f"s1:{source}" for source in self._many(_SOURCES))
        return Label(of.choice(tuple(Trust)), sources, frozenset(self._many(_TENANTS)), frozenset(self._many(_TYPES)))

    def _history(self) -> History:
        done = frozenset(self._many(("look", "pay")))
        counts = {"run": self._of.randint(0, 3)}
        return History(done, done, done | frozenset(self._many(("look", "pay"))), counts, {"amount": {"user_day": 2}})

    def _principal(self, kind: Any, id_: str, scope: Scope) -> Principal:
        roles, groups = frozenset(self._many(_ROLES)), frozenset(self._many(_GROUPS))
        return Principal(kind, id_, scope, roles, groups)

    def _line(self) -> dict[str, Any]:
        of = self._of
        line: dict[str, Any] = {"sku": of.choice(_TEXTS), "count": of.choice(_NUMBERS)}
        price = {"price": of.choice((0, 1.5, 0.12345))} if of.random() < 0.5 else {}
        return line | price | ({"gift": of.random() < 0.5} if of.random() < 0.5 else {})

    def _some(self, numbers: tuple[int, ...]) -> int:
        number = self._of.choice(numbers) + self._of.choice((-1, 0, 0, 0, 1))
        return max(-(2**63), min(2**63 - 1, number))

    def _many(self, values: tuple[Any, ...]) -> list[Any]:
        return [value for value in values if self._of.random() < 0.3]


def context_of(action: Action) -> dict[str, Any]:
    """What policy sees of an action, as JSON values."""
    return {
        "arguments": action.arguments,
        "impact": action.impact.value,
        "environment": action.scope.environment,
        "reason_given": bool(action.reason),
        **values(action, None, arguments_type(SCHEMA)),
    }
