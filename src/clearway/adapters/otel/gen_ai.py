"""INVARIANT: every `gen_ai.*` name that Clearway writes stands here, and nowhere else.

The conventions are all of status Development and their names conflict between sources, so they are a view onto our own
schema (`names`), and this mapping has a version, sent with every such span as `clearway.semconv`: other names, other
version.
Source: OpenTelemetry semantic conventions for generative AI, as of `SOURCE`.
"""

from typing import Any

VERSION = "1"
SOURCE = "semantic-conventions 1.37 (2025-08)"

#: Kind of span → gen_ai.operation.name.
OPERATIONS = {
    "workflow": "invoke_workflow",
    "agent": "invoke_agent",
    "chat": "chat",
    "tool": "execute_tool",
}

#: Kind of span → fact → attribute. A fact may have one of ours (`names`) too.
ATTRIBUTES: dict[str, dict[str, str]] = {
    "workflow": {"skill": "gen_ai.workflow.name", "run_id": "gen_ai.conversation.id"},
    "agent": {
        "agent": "gen_ai.agent.name",
        "agent_id": "gen_ai.agent.id",
        "agent_version": "gen_ai.agent.version",
        "provider": "gen_ai.provider.name",
        "model": "gen_ai.request.model",
        "run_id": "gen_ai.conversation.id",
    },
    "chat": {
        "provider": "gen_ai.provider.name",
        "model": "gen_ai.request.model",
        "answered_by": "gen_ai.response.model",
        "response_id": "gen_ai.response.id",
        "finish_reasons": "gen_ai.response.finish_reasons",
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
        "max_output_tokens": "gen_ai.request.max_tokens",
        "temperature": "gen_ai.request.temperature",
    },
    "tool": {
        "tool": "gen_ai.tool.name",
        "tool_type": "gen_ai.tool.type",
        "call_id": "gen_ai.tool.call.id",
        "arguments": "gen_ai.tool.call.arguments",
        "result": "gen_ai.tool.call.result",
    },
}

#: The event of a judgement, and its attributes.
EVALUATION = "gen_ai.evaluation.result"
EVALUATION_ATTRIBUTES = {
    "name": "gen_ai.evaluation.name",
    "score": "gen_ai.evaluation.score.value",
    "label": "gen_ai.evaluation.score.label",
    "explanation": "gen_ai.evaluation.explanation",
}


def operation(kind: str) -> dict[str, str]:
    """What every span of a kind that the conventions know begins with."""
    found = OPERATIONS.get(kind)
    return {} if found is None else {"gen_ai.operation.name": found, "clearway.semconv": VERSION}


def view(kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    """What the conventions call the facts of a span of this kind."""
    names = ATTRIBUTES.get(kind, {})
    return {names[fact]: value for fact, value in facts.items() if fact in names}
