"""`python harness.py --runtime bench.trajectories.runtime:run_tool`: recorded calls through Clearway's own runtime.

Each call goes through `clearway.guard` (intake, gate, ledger, audit, on a SQLite file of its own) with its id as the
idempotency key. What the harness does to it, repeating a call or losing an answer, Clearway has to stand. Policy allows
everything here: a held call is never executed twice, so it would show nothing. Decisions are measured by `decide`.
"""

import atexit
import contextlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import clearway
from bench.trajectories.conversation import as_declared
from bench.trajectories.decide import packs_folder
from clearway.guarding import Guard, Waiting
from clearway.model.errors import ClearwayError
from clearway.model.outcome import Done, Failed, Refused, Unknown
from clearway.model.tool import Retry
from clearway.project.declare import Tool
from clearway.project.pack import ToolSchema, load_pack

Invoke = Callable[[], tuple[str, str | None]]

#: Names that `guard.call` and `run.call` take for themselves.
_TAKEN = frozenset({"self", "tool", "reason", "key", "wait_s"})

_POLICY = '@id("all") permit (principal, action, resource);'

_guards: dict[str, Guard] = {}
_stack = contextlib.ExitStack()
atexit.register(_stack.close)
_invoke: list[Invoke] = []


def run_tool(call: dict[str, Any], context: Any, invoke: Invoke) -> dict[str, Any]:
    """One call, carried out at most once. `decision` as the harness knows it; `content` is what a model would see."""
    guard = _guards.get(context.domain) or _open(context)
    arguments = as_declared(call["arguments"], context.tool["parameters"]) if context.tool else call["arguments"]
    _invoke[:] = [invoke]
    try:
        outcome = guard.call(
            call["name"], key=f"{context.trajectory_id}/{call['id']}", **{_name(k): v for k, v in arguments.items()}
        )
    except ClearwayError as error:
        return {"decision": "deny", "content": error.message, "error": error.code}
    match outcome:
        case Done(result):
            return {"decision": "allow", "content": result["content"], "error": result["error"]}
        case Unknown(code, message):
            return {"decision": "allow", "content": f"In doubt, not repeated ({code}). {message}", "error": None}
        case Waiting():
            return {"decision": "approve", "content": "Waiting for approval.", "error": "approval_required"}
        case Refused(code, message) | Failed(code, message):
            return {"decision": "deny", "content": message, "error": code}


def _open(context: Any) -> Guard:
    schemas = [ToolSchema(tool["name"], tool["description"], _renamed(tool["parameters"])) for tool in context.tools]
    pack = load_pack(packs_folder() / context.domain, schemas, _execute)
    folder = Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="clearway-trajectories-")))
    # The harness counts a read that is repeated after a lost answer as a double execution; Clearway's default repeats.
    tools = [Tool(spec.function, replace(spec, retry=Retry(attempts=1))) for spec in pack.tools.values()]
    guard = clearway.guard(tools, _POLICY, store=f"sqlite:///{folder / 'clearway.db'}")
    _guards[context.domain] = _stack.enter_context(guard)
    return guard


def _execute(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    content, error = _invoke[0]()
    return {"content": content, "error": error}


def _name(name: str) -> str:
    return f"{name}_" if name in _TAKEN else name


def _renamed(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = {_name(name): part for name, part in (schema.get("properties") or {}).items()}
    return {**schema, "properties": properties, "required": [_name(name) for name in schema.get("required") or ()]}
