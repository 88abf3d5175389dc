"""`python harness.py --decide bench.trajectories.decide:decide`: the gate's decision about recorded calls.

A suite's pack (`CLEARWAY_PACKS`/SUITE, by default the packs beside this file), the tools as the harness shows them, and
Clearway's own parts in their order: validation, classification, targets, labels, Cedar. Nothing here knows a suite.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

from bench.trajectories.conversation import Conversation, as_declared
from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.model.action import Action
from clearway.model.decision import Verdict
from clearway.model.errors import ConfigError, Invalid
from clearway.model.identity import Principal, Scope
from clearway.model.tool import Target, ToolSpec
from clearway.project.pack import Pack, ToolSchema, load_pack
from clearway.rules.classify import classify
from clearway.rules.provenance import Provenance

PACKS = "CLEARWAY_PACKS"
AGENT, ENVIRONMENT = "agent", "dev"
_SCOPE = Scope("default", ENVIRONMENT)
_AGENT = Principal("agent", AGENT, _SCOPE)
_USER = Principal("user", "me", _SCOPE)
_ANSWERS = {Verdict.ALLOW: "allow", Verdict.HOLD: "approve", Verdict.DENY: "deny"}

_loaded: dict[str, tuple[Pack, CedarPolicy]] = {}
_current: list[Conversation] = []


def decide(call: dict[str, Any], context: Any) -> dict[str, str]:
    """What the gate says of one call, given all that the agent has read before."""
    pack, policy = _pack(context)
    if not _current or not _current[0].continues(context):
        _current[:] = [Conversation(context, pack.tools, Provenance())]
    conversation = _current[0]
    conversation.follow(context.history)
    spec = pack.tools.get(call["name"])
    if spec is None:
        return {"decision": "deny", "reason": "unlisted_tool"}
    try:
        action = _action(call, spec, conversation, context.tool["parameters"])
    except Invalid as error:
        return {"decision": "deny", "reason": f"{error.code}: {error.message}"}
    decision = policy.decide(action)
    held = sorted(spec.consequential & {path for path, label in action.labels.items() if label.trust == "untrusted"})
    if decision.verdict is Verdict.HOLD:
        asked = {path for path in spec.consequential if path in action.arguments}
        conversation.ask(call["id"], {name: action.arguments[name] for name in asked})
    sources = "; ".join(f"{path}: {', '.join(action.labels[path].sources) or 'nowhere'}" for path in held)
    return {"decision": _ANSWERS[decision.verdict], "reason": f"{decision.code} {sources}".strip()}


def _action(call: dict[str, Any], spec: ToolSpec, conversation: Conversation, schema: dict[str, Any]) -> Action:
    given = as_declared(call["arguments"], schema)
    arguments = spec.validate(given)
    named: Any = spec.targets(arguments)
    targets = tuple(target if isinstance(target, Target) else Target(*target.split(":", 1)) for target in named)
    return Action(
        scope=_SCOPE,
        run_id=conversation.trajectory_id,
        step_id=call["id"],
        agent=_AGENT,
        user=_USER,
        tool=spec.name,
        tool_digest=spec.digest,
        impact=classify(spec, arguments),
        arguments=arguments,
        shown=arguments,
        targets=targets,
        shown_targets=targets,
        key=call["id"],
        fingerprint="",
        digest="",
        labels=conversation.provenance.label({name: arguments[name] for name in given}),
        consequential=spec.consequential,
    )


def _pack(context: Any) -> tuple[Pack, CedarPolicy]:
    suite = context.domain
    if suite not in _loaded:
        tools = [ToolSchema(tool["name"], tool["description"], tool["parameters"]) for tool in context.tools]
        pack = load_pack(packs_folder() / suite, tools, lambda _name, _arguments: None)
        files = [PolicyFile(file, text) for file, text in pack.policies]
        policy = CedarPolicy(pack.tools, [AGENT], [ENVIRONMENT], files)
        if policy.check():
            raise ConfigError("\n".join(map(str, policy.check())))
        _loaded[suite] = pack, policy
    return _loaded[suite]


@cache
def packs_folder() -> Path:
    return Path(os.environ.get(PACKS) or Path(__file__).parent / "packs")
