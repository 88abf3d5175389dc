"""`[routing]`: which routers choose a skill, in which order, and what happens below their thresholds.

::

    [routing]           routers = ["rules", "embedded", "model"]    model = "openai:gpt-5-mini"    timeout_s = 20
                        below = "person"                            person = "front_desk"
    [routing.keywords]  refund_desk = ["money back"]
    [routing.patterns]  refund_desk = ['\\brefund\\b.*\\bCS-[0-9]+']
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clearway.model.errors import ConfigError
from clearway.project.located import Table
from clearway.rules.routing.keywords import compile_rule

ROUTERS = ("rules", "embedded", "tfidf", "model")
#: What happens where every router abstains: ask back, refuse, or start the skill that hands over to a person.
BELOW = ("clarify", "refuse", "person")


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """`routers`: in order, each passed by where it abstains. `model`: `provider:name`, for the router `model`.
    `person`: a skill, for `below = "person"`. `keywords`, `patterns`: by skill."""

    routers: tuple[str, ...] = ("rules", "embedded")
    below: str = "clarify"
    person: str = ""
    model: str = ""
    timeout_s: float = 20.0
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    patterns: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def read_routing(root: Table) -> RoutingSettings:
    """Problems are noted in `root.problems`."""
    table = root.table("routing")
    default = RoutingSettings()
    keywords, patterns = table.table("keywords"), table.table("patterns")
    found = RoutingSettings(
        routers=table.texts("routers", default.routers, example='["rules", "embedded"]'),
        below=table.text("below", default.below, example="clarify"),
        person=table.text("person", default.person, example="front_desk"),
        model=table.text("model", default.model, example="openai:gpt-5-mini"),
        timeout_s=table.number("timeout_s", default.timeout_s, example=20),
        keywords={skill: keywords.texts(skill, example='["money back"]') for skill in keywords.values},
        patterns={skill: _patterns(patterns, skill) for skill in patterns.values},
    )
    table.finish()
    _check(table, found)
    return found


def _patterns(table: Table, skill: str) -> tuple[str, ...]:
    sources = table.texts(skill, example="['\\brefund\\b']")
    for place, source in enumerate(sources, 1):
        try:
            compile_rule(source)
        except ConfigError as error:
            table.wrong(skill, f"has a bad pattern ({place}): {error.message.rstrip('.')}", error.remedy)
    return sources


def _check(table: Table, found: RoutingSettings) -> None:
    for name in found.routers:
        if name not in ROUTERS:
            table.wrong("routers", "names a router that does not exist", f"Use some of: {', '.join(ROUTERS)}.")
    if not found.routers:
        table.wrong("routers", "is empty", 'Write routers = ["rules", "embedded"].')
    if found.below not in BELOW:
        table.wrong("below", "is none of the known ways", f"Use one of: {', '.join(BELOW)}.")
    if found.below == "person" and not found.person:
        table.wrong(None, "has no person", 'Name the skill that hands over to a person: person = "front_desk".')
    if "model" in found.routers and ":" not in found.model:
        table.wrong(None, "names no model for the router model", 'Write model = "provider:name".')
