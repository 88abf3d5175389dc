"""What is wrong with policies that parse: types, and names that stand for nothing in this project."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping

import cedarpy

from clearway.adapters.cedar.expressions import Est, entities_named, literals_compared
from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.adapters.cedar.schema import GROUPS, impact_group
from clearway.model.errors import ConfigError
from clearway.model.tool import Impact, ToolSpec
from clearway.rules.sequences import PERIODS

_FOR_POLICY = re.compile(r"^for policy `[^`]*`, ")
_APPLICATION = re.compile(r' in context for Action::"[^"]*"| on entity type `\w+`')
_UNRECOGNIZED = re.compile(r'unrecognized action `Action::"([^"`]*)"`')
_INAPPLICABLE = "unable to find an applicable action given the policy scope constraints"
_REMEDIES = (
    ("optional attribute", "Ask for it first: context.arguments has X && context.arguments.X …"),
    ("not compatible", "Compare values of one type."),
    ("`count`", f"The counters are {', '.join(PERIODS)}."),
    ("attribute", "Write arguments as context.arguments.X, as the tool declares them."),
    ("entity type", "The types are User, Agent, Service, Role, Group, Tenant and Target."),
)


def check_policy(
    policy: LoadedPolicy,
    schema: cedarpy.Schema,
    tools: Mapping[str, ToolSpec],
    agents: Collection[str],
    environments: Collection[str],
) -> list[ConfigError]:
    """Everything that is wrong with one policy, each with its file and line."""
    result = cedarpy.validate_policies(policy.text, schema)  # pyright: ignore[reportUnknownMemberType]
    texts = _distinct(_FOR_POLICY.sub("", error.error) for error in result.errors)
    # An impact of which the project has no tool yet is not a mistake; a misspelt action has an error of its own.
    if texts == [_INAPPLICABLE] and _names_only(policy.est["action"], _idle_groups(tools)):
        texts = []
    elif len(texts) > 1:
        texts = [text for text in texts if text != _INAPPLICABLE]
    if not result.validation_passed and not result.errors:
        texts = ["Cedar refuses it without saying why"]
    found = [(_sentence(text), _remedy(text, tools)) for text in texts]
    found += _unknown_names(policy.est, agents, environments)
    return [
        ConfigError(f'Policy "{policy.id}": {what}.', file=policy.file, line=policy.line, remedy=remedy)
        for what, remedy in dict.fromkeys(found)
    ]


def concerns(policy: LoadedPolicy, tool: str, spec: ToolSpec) -> bool:
    """Whether the policy's action scope fits the tool."""
    scope = policy.est["action"]
    names = {tool, impact_group(spec.impact)}
    return scope["op"] == "All" or any(one["id"] in names for one in scope.get("entities", [scope.get("entity")]))


def _distinct(texts: Iterable[str]) -> list[str]:
    """Cedar repeats a mistake for each action and each principal that the policy can apply to; once is enough."""
    first: dict[str, str] = {}
    for text in sorted(texts):
        first.setdefault(_APPLICATION.sub("", text), text)
    return list(first.values())


def _sentence(text: str) -> str:
    return text.removesuffix(".") if text != _INAPPLICABLE else "no action fits the principal, action and resource"


def _remedy(text: str, tools: Iterable[str]) -> str:
    unknown = _UNRECOGNIZED.search(text)
    if unknown:
        return nearest(unknown[1], [*tools, *GROUPS], "tool")
    return next((remedy for sign, remedy in _REMEDIES if sign in text), "")


def nearest(name: str, known: Iterable[str], what: str) -> str:
    """The remedy for a name that nothing has."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"Declare such a {what}, or correct the name."


def _idle_groups(tools: Mapping[str, ToolSpec]) -> frozenset[str]:
    """The impacts that no tool has."""
    return GROUPS - {impact_group(spec.impact) for spec in tools.values()}


def _names_only(action: Est, ids: frozenset[str]) -> bool:
    if action["op"] == "All":
        return False
    named = action["entities"] if "entities" in action else [action["entity"]]
    return all(one["id"] in ids for one in named)


def _unknown_names(policy: Est, agents: Collection[str], environments: Collection[str]) -> list[tuple[str, str]]:
    """Names that nothing here has: a forbid that names one would never bite, and nobody would notice."""
    impacts = [impact.value for impact in Impact]
    named = [("agent", agents, name) for name in entities_named(policy, "Agent")]
    named += [("environment", environments, name) for name in literals_compared(policy, "environment")]
    named += [("impact", impacts, name) for name in literals_compared(policy, "impact")]
    return [
        (f'unknown {kind} "{name}"', nearest(name, known, kind)) for kind, known, name in named if name not in known
    ]
