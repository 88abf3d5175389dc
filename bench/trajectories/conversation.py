"""What a recorded agent has read so far, as the gate's provenance.

The part of a trajectory up to a call comes as the harness's context: the user's words are the request's, the system
prompt is the skill's, each tool result is labelled as the pack declares. What the assistant wrote is nobody's word.
"""

import ast
import json
from collections.abc import Mapping
from typing import Any

import yaml

from clearway.model.label import Trust
from clearway.model.tool import ToolSpec

#: How the harness tells a model that its call was not carried out.
REFUSAL = "REFUSED:"


class Conversation:
    """Of one trajectory; `follow` reads on from where it stopped. `provenance`: takes the notes (`note`, `endorse`)."""

    def __init__(self, context: Any, tools: Mapping[str, ToolSpec], provenance: Any) -> None:
        self.trajectory_id: str = context.trajectory_id
        self.provenance = provenance
        self._tools = tools
        self._read = 0
        self._names: dict[str, str] = {}
        self._asked: dict[str, dict[str, Any]] = {}
        self.provenance.note(context.system or "", "skill", Trust.TRUSTED)
        self.provenance.note(context.user_request or "", "request", Trust.TRUSTED)

    def continues(self, context: Any) -> bool:
        return self.trajectory_id == context.trajectory_id and len(context.history) >= self._read

    def follow(self, history: list[dict[str, Any]]) -> None:
        for event in history[self._read :]:
            self._names.update({call["id"]: call["name"] for call in event.get("tool_calls") or ()})
            if event["role"] == "user":
                self.provenance.note(event.get("content") or "", "request", Trust.TRUSTED)
            elif event["role"] == "tool":
                self._result(event)
        self._read = len(history)

    def ask(self, call_id: str, arguments: dict[str, Any]) -> None:
        """Notes what a person is asked to vouch for; they did if the call then has a result."""
        self._asked[call_id] = arguments

    def _result(self, event: dict[str, Any]) -> None:
        call_id, error = event.get("tool_call_id") or "", event.get("error")
        name = self._names.get(call_id, "unknown")
        if str(error or "").startswith(REFUSAL):
            return
        for argument, value in self._asked.pop(call_id, {}).items():
            self.provenance.endorse(value, "approver", argument=argument)
        spec = self._tools.get(name)
        trust = spec.result_trust if spec and not error else Trust.UNTRUSTED
        text = str(error or event.get("content") or "")
        self.provenance.note(text if trust is Trust.UNTRUSTED else tree_of(text), f"{call_id}:{name}", trust)


def tree_of(text: str) -> Any:
    """A result as JSON: the environments answer in JSON or YAML. Scalars stay as they are written."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - texts, lists and mappings only
    except yaml.YAMLError:
        return text


def as_declared(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A model's arguments as both environments read them before they call a tool: unknown names are left out, a list
    written as text is a list, a number written as text a number. Values that still do not fit are for the gate."""
    properties: Mapping[str, Any] = schema.get("properties") or {}
    return {name: _read(value, properties[name]) for name, value in arguments.items() if name in properties}


def _read(value: Any, schema: Mapping[str, Any]) -> Any:
    types = {schema.get("type"), *(branch.get("type") for branch in schema.get("anyOf", ()))}
    if isinstance(value, str) and "array" in types and value.strip()[:1] == "[":
        try:
            return list(ast.literal_eval(value.strip()))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return value
    if isinstance(value, str) and "string" not in types and types & {"number", "integer"}:
        try:
            value = float(value)
        except ValueError:
            return value
    if isinstance(value, str) and "boolean" in types and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return int(value) if isinstance(value, float) and "integer" in types and value.is_integer() else value
