"""Each operator of Cedar that policies can use here: a condition, and a wider one. The comparison finds a request that
only the second lets through, which Clearway's own decision confirms; and says nothing false the other way round."""

import re
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearway.adapters.cedar import PolicyFile
from clearway.adapters.z3.plausible import KnownWorld
from clearway.model.identity import Principal, Scope
from clearway.model.tool import Impact, SkillSpec, ToolSpec
from clearway.operate.policy_diff import PolicyDiff, compare
from clearway.rules.changes.kinds import Direction, changes

Json = dict[str, Any]
TEXT, WHOLE, FLAG, NUMBER = ({"type": kind} for kind in ("string", "integer", "boolean", "number"))


def many(item: Json) -> Json:
    return {"type": "array", "items": item}


def record(*required: str, **properties: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": properties}


INNER = record("deep", deep=WHOLE, opt=TEXT, names=many(TEXT))
SCHEMA = record(
    "amount",
    "text",
    "flag",
    "rate",
    "tags",
    "line",
    "numbers",
    "rates",
    "lines",
    amount=WHOLE,
    text=TEXT,
    flag=FLAG,
    rate=NUMBER,
    tags=many(TEXT),
    numbers=many(WHOLE),
    rates=many(NUMBER),
    flags=many(FLAG),
    line=record("price", "inner", price=NUMBER, sku=TEXT, inner=INNER),
    lines=many(record("sku", "n", sku=TEXT, n=WHOLE)),
    nested=many(many(TEXT)),
    kind={"enum": ["a", "b", "c"]},
    maybe={"anyOf": [TEXT, {"type": "null"}], "default": None},
)


def tool(name: str, impact: Impact, schema: Json) -> ToolSpec:
    return ToolSpec(name, "", impact, print, lambda raw: dict(raw), schema, "sha256:0", lambda _: [])


async def nothing() -> None: ...


PEOPLE = [Principal("user", name, Scope("acme", "prod"), frozenset({name})) for name in ("support", "boss")]
WORLD = KnownWorld(
    {"t": tool("t", Impact.EXTERNAL, SCHEMA), "r": tool("r", Impact.READ, record("text", text=TEXT))},
    {"desk": SkillSpec("desk", "", nothing, frozenset({"t", "r"}), lambda given, text="": dict(given))},
    ("dev", "staging", "prod"),
    ("acme", "globex"),
    PEOPLE,
)
#: (a condition, one that is true of more). `$` stands for `context.arguments`.
WIDER = [
    ("$.amount < 5", "$.amount <= 5"),
    ("$.amount+1 < 5", "$.amount+2 < 7"),
    ("$.amount*$.amount < 100", "$.amount*$.amount <= 100"),
    ("$.amount*3 < 100", "$.amount*2 < 100"),
    ("$.amount-9223372036854775807 < 0", "true"),
    ("-$.amount < 5", "-$.amount < 6"),
    ("$.amount+$.amount < 5", "$.amount < 3"),
    ("$.amount == 5", "[5,6].contains($.amount)"),
    ('$.text == "x"', '$.text like "x*"'),
    ('$.text like "x*y"', '$.text like "x*"'),
    ('$.text like "*a*b*"', '$.text like "*a*"'),
    ('$.text like "*\\*"', '$.text like "*"'),
    ('$.text like "*@acme.com"', '$.text like "*acme.com"'),
    ('$.text like "a*" && $.text like "*b"', '$.text like "a*"'),
    ('["a","b"].contains($.text)', '["a","b","c"].contains($.text)'),
    ('$.tags.containsAll(["a","b"])', '$.tags.containsAny(["a","b"])'),
    ('$.tags.containsAll(["a","b"])', '$.tags.containsAll(["a"])'),
    ('["a","b"].containsAll($.tags)', '["a","b","c"].containsAll($.tags)'),
    ("$.tags.isEmpty()", "true"),
    ("!($.tags.isEmpty())", "true"),
    ('$.tags == ["a"]', '$.tags == ["a"] || $.tags == ["b"]'),
    ("$.tags.contains($.text)", '$.tags.contains($.text) || $.tags.contains("x")'),
    ("$.numbers.contains(5)", "$.numbers.contains(5) || $.numbers.contains(6)"),
    ("$.numbers.containsAll([1,2,3])", "$.numbers.containsAny([1,2,3])"),
    ("$.numbers.contains($.amount)", "$.numbers.contains($.amount+1) || $.numbers.contains($.amount)"),
    ('$.rates.contains(decimal("1.5"))', "true"),
    ("$ has flags && $.flags.contains(true)", "$ has flags"),
    ('$.rate.lessThan(decimal("1.5"))', '$.rate.lessThanOrEqual(decimal("1.5"))'),
    ('$.rate == decimal("1.5")', '$.rate.greaterThan(decimal("1.4999"))'),
    ('$.line.price.lessThan(decimal("100.0"))', '$.line.price.lessThan(decimal("100.0001"))'),
    ("$.line.inner.deep == 3", "$.line.inner.deep >= 3"),
    ('$.line.inner has opt && $.line.inner.opt == "x"', "$.line.inner has opt"),
    ('$ has line.inner.opt && $.line.inner.opt == "x"', "$ has line.inner.opt"),
    (
        'context has arguments.line.inner.names && $.line.inner.names.contains("x")',
        "context has arguments.line.inner.names",
    ),
    ("$ has maybe", "true"),
    ("!($ has maybe)", "true"),
    ("if $.flag then $.amount < 5 else $.amount < 2", "if $.flag then $.amount < 5 else $.amount < 3"),
    ("(if $.flag then 1 else 2) < $.amount", "(if $.flag then 1 else 1) < $.amount"),
    ('(if $.flag then "a" else "b") == $.text', '(if $.flag then "a" else "c") == $.text'),
    (
        '$.lines.contains({"sku":"a","n":1})',
        '$.lines.contains({"sku":"a","n":1}) || $.lines.contains({"sku":"b","n":1})',
    ),
    ("$.lines.isEmpty()", "true"),
    ('$.lines.containsAll([{"sku":"a","n":1}])', "true"),
    ('{"a":$.amount}=={"a":5}', '{"a":$.amount}.a >= 5'),
    ('$ has nested && $.nested.contains(["a"])', "$ has nested"),
    ("$ has nested && $.nested.isEmpty()", "$ has nested"),
    ("principal.tenant == resource.tenant", "true"),
    ("principal in resource.tenant", "true"),
    ('resource.kind == "account"', '["account","card"].contains(resource.kind)'),
    ('resource.id like "9*"', "true"),
    ("resource.id == $.text", "resource.id == $.text || resource.kind == $.text"),
    ('principal in Role::"support"', 'principal in [Role::"support",Role::"boss"]'),
    ('principal in Group::"desk"', 'principal in Group::"desk" || principal in Role::"support"'),
    ("principal is User", "principal is User || principal is Agent || principal is Service"),
    ('principal is User in Role::"support" || principal is Agent', "principal is User || principal is Agent"),
    (
        'principal == User::"dana" || principal is Agent',
        'principal == User::"dana" || principal == User::"olga" || principal is Agent',
    ),
    ('principal in Tenant::"acme"', 'principal in [Tenant::"acme",Tenant::"globex"]'),
    ('resource.tenant == Tenant::"acme"', 'resource.tenant == Tenant::"acme" || resource.tenant == Tenant::"globex"'),
    ('resource.tenant in Tenant::"acme"', "true"),
    ('action in Action::"impact:read"', 'action in [Action::"impact:read",Action::"impact:external"]'),
    ('action == Action::"r"', "true"),
    ('resource is Target && resource.kind == "a"', "resource is Target"),
    ('context.environment == "prod"', 'context.environment != "dev"'),
    ('context.impact == "read"', 'context.impact != "internal_write"'),
    ("context.reason_given", "true"),
    ('datetime("2024-01-01") < datetime("2024-01-02") && $.flag', "true"),
    ('ip("10.0.0.1").isInRange(ip("10.0.0.0/8")) && $.flag', "true"),
    ('ip("10.0.0.1").isLoopback() || $.flag', "true"),
    ('duration("1h") > duration("30m") && $.amount < 5', "$.amount < 6"),
    ('datetime("2024-10-15").offset(duration("1d")).toTime() == duration("0h") && $.amount == 1', "$.amount >= 1"),
    ("context.untrusted.isEmpty()", '!context.untrusted.contains("text")'),
    ('!context.untrusted.contains("amount")', "true"),
    ('context.sources.containsAny(["text:request"])', "true"),
    ('context.done.contains("r")', "true"),
    ("context.count.user_day < 3", "context.count.user_day < 4"),
    ('$ has kind && $.kind == "a"', '$ has kind && $.kind != "b"'),
    ('$.text != "" && $.amount < 5', "$.amount < 5"),
    ("$.amount > 0", "$.amount >= 0"),
    ("$.amount < 5 || $.amount+9223372036854775807 > 0", "$.amount < 5 || $.amount >= 0"),
    ('[$.text,"a"].contains("b")', '[$.text,"a","b"].contains("b")'),
    ("[$.amount,1].containsAll([1,2])", "[$.amount,1].containsAny([1,2])"),
    ("$.tags.containsAny([$.text])", '$.tags.containsAny([$.text,"z"])'),
    ('principal.tenant in [Tenant::"acme"]', "true"),
    ('principal in [Role::"support"] && $.amount < 10', 'principal in [Role::"support"] && $.amount < 11'),
    ("$.line has sku && $.text == $.line.sku", "true"),
]


def compared(*sides_of: str | list[str]) -> PolicyDiff:
    """Two sides; each is a condition, or several, one a policy."""
    sides: list[list[PolicyFile]] = []
    for side in sides_of:
        conditions = [side] if isinstance(side, str) else side
        texts = [
            f'@id("p{n}") permit (principal, action == Action::"t", resource) when {{ {condition} }};'
            for n, condition in enumerate(conditions)
        ]
        sides.append([PolicyFile("policies/p.cedar", "\n".join(texts).replace("$", "context.arguments"))])
    found = compare(sides[0], sides[1], WORLD, timeout_s=30.0)
    assert (found.old.check(), found.new.check()) == ([], [])
    return found


@pytest.mark.parametrize(("old", "new"), WIDER)
def test_a_widening_by_any_operator_is_found_and_confirmed(old: str, new: str) -> None:
    found = compared(old, new)
    assert found.widenings, "nothing was found"
    assert not found.not_proven
    for finding in found.widenings:
        seen = changes(found.old.decide(finding.action), found.new.decide(finding.action))
        assert any(change.direction is Direction.WIDENING for change in seen)


@pytest.mark.parametrize(("new", "old"), WIDER)
def test_the_way_back_lets_nothing_more_through_or_shows_what(old: str, new: str) -> None:
    found = compared(old, new)
    assert not found.not_proven
    assert found.narrowings


def test_what_a_set_of_sets_contains_is_named_as_outside_and_never_passed_over() -> None:
    found = compared('$ has nested && $.nested.contains(["a"])', "$ has nested")
    assert found.widenings
    (tool,) = compared(
        '$ has nested && $.nested.contains(["a"])', '$ has nested && $.nested.containsAny([["a"], ["b"]])'
    ).not_proven
    assert {part.what for part in tool.outside} == {"a set of sets"}


WORDS = ["alpha", "bravo", "charlie", "delta", "echo", "fox", "golf", "hotel", "india", "juliet"]
PATTERNS = {
    "anywhere": [f"*{word}*" for word in WORDS],
    "few anywhere": [f"*{word}*" for word in WORDS[:6]],
    "at the end": [f"*@{word}{n}.com" for n in range(4) for word in WORDS],
    "at the beginning": [f"/{word}/{n}/*" for n in range(10) for word in WORDS],
    "both": [f"/{word}/*" for word in WORDS] + [f"*.{word}" for word in WORDS],
    "paths": ["/home/*", "*..*", "*/.ssh/*", "*.pem", "*.key", "/etc/*", "*passwd*", "*secret*"],
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_one_pattern_more_among_many_is_found(kind: str) -> None:
    patterns = PATTERNS[kind]
    old, new = ([f'$.text like "{pattern}"' for pattern in some] for some in (patterns[:-1], patterns))
    assert compared(old, new).widenings
    back = compared(new, old)
    assert back.narrowings
    assert not back.widenings
    assert not back.not_proven


MANY_WORDS = [f"{word}{n}" for n in range(6) for word in WORDS]


def test_many_patterns_anywhere_are_proved_and_what_they_say_together_is_found() -> None:
    """Half of them required, and the others ruled out: a text is put together that does both."""
    some, more = ([f'$.text like "*{word}*"' for word in MANY_WORDS[n::2]] for n in (0, 1))
    wanted, unwanted = " && ".join(some[:12]), " || ".join(more[:12])
    found = compared("false", f"{wanted} && !({unwanted})")
    (finding,) = found.widenings
    text = finding.action.arguments["text"]
    assert all(word in text for word in MANY_WORDS[0:24:2])
    assert not any(word in text for word in MANY_WORDS[1:25:2])
    same = compared([*some, *more], list(reversed([*more, *some])))
    assert {tool.answer for tool in same.tools} == {"equivalent"}
    one_less = compared([*some, *more], [*some, *more[1:]])
    assert one_less.narrowings
    assert not one_less.widenings
    assert not one_less.not_proven


#: What patterns say together and no pair of them does: (a condition, one that says the same).
SAME = [
    ('$.text like "a*" && $.text like "*a" && !($.text like "a*a")', '$.text == "a"'),
    ('$.text like "ab*" && $.text like "*ba" && !($.text like "ab*ba")', '$.text == "aba"'),
    ('$.text like "*" && !($.text like "*a*")', '!($.text like "*a*")'),
    ('$.text like "*\\**" && $.text like "a*"', '$.text like "a*\\**"'),
    ('$.text like "*a*a*" || ($.text like "*a*" && !($.text like "*a*a*"))', '$.text like "*a*"'),
    ('$.text like "abc"', '$.text == "abc"'),
    ('$.text like ""', '$.text == ""'),
    ('$.text like "**a**"', '$.text like "*a*"'),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_patterns_say_together_is_known(one: str, other: str) -> None:
    found = compared(one, other)
    assert {tool.answer for tool in found.tools} == {"equivalent"}


def test_there_are_no_two_different_texts_of_a_kind_of_which_there_is_one() -> None:
    only_a = '$.line.sku like "a*" && $.line.sku like "*a" && !($.line.sku like "a*a")'
    also_a = '$.text like "a*" && $.text like "*a" && !($.text like "a*a")'
    both = f"$.line has sku && {only_a} && {also_a}"
    assert {tool.answer for tool in compared("false", f"{both} && $.text != $.line.sku").tools} == {"equivalent"}
    assert compared("false", f"{both} && $.text == $.line.sku").widenings


def test_sources_are_texts_that_no_policy_names() -> None:
    """A source stands behind its argument's name and a colon; of those there are more than policies write."""
    found = compared('["text:request"].containsAll(context.sources)', "true")
    assert found.widenings
    assert not found.not_proven


PATTERN = st.lists(st.sampled_from(["a", "b", "*"]), max_size=4).map("".join)
SAID = st.recursive(
    PATTERN.map(lambda pattern: f'$.text like "{pattern}"') | st.sampled_from(['$.text == "a"', '$.text == "ab"']),
    lambda inner: (
        st.tuples(inner, inner, st.sampled_from(["&&", "||"])).map(lambda parts: f"({parts[0]} {parts[2]} {parts[1]})")
        | inner.map(lambda one: f"!({one})")
    ),
    max_leaves=6,
)
#: Longer ones tell no more of patterns of four places.
TEXTS = ["".join(text) for length in range(6) for text in product("abz", repeat=length)]


@settings(max_examples=25)
@given(SAID, SAID)
def test_of_random_patterns_it_says_wider_where_some_short_text_shows_it_and_nowhere_else(old: str, new: str) -> None:
    found = compared(old, new)
    assert not found.not_proven
    assert bool(found.widenings) is any(_said(new, text) and not _said(old, text) for text in TEXTS)
    assert bool(found.narrowings) is any(_said(old, text) and not _said(new, text) for text in TEXTS)


def _said(condition: str, text: str) -> bool:
    """The condition as Python has it: by regular expressions, nothing of the translation."""
    parts = re.split(r'(\$\.text like "[^"]*"|\$\.text == "[^"]*")', condition)
    words = {"&&": " and ", "||": " or ", "!": " not "}
    for number, part in enumerate(parts):
        if number % 2:
            wanted = part.split('"')[1].replace("*", ".*") if " like " in part else part.split('"')[1]
            parts[number] = str(re.fullmatch(wanted, text) is not None)
        else:
            for sign, word in words.items():
                part = part.replace(sign, word)
            parts[number] = part
    return bool(eval("".join(parts).strip()))
