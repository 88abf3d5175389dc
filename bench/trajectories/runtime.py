"""`python harness.py --runtime bench.trajectories.runtime:run_tool`: recorded calls through Clearway's own runtime.

Each call is a run of its own: intake, gate, labels, ledger, approvals and audit log, on a SQLite file, with the call's
id as the idempotency key. Policies and labels are the pack's: what the agent has read before is noted where the runtime
notes what a run reads. Held calls are answered by the harness's approver, as a person of the pack's approvers. What the
harness does to a call, repeating it or losing its answer, Clearway has to stand.
"""

import atexit
import contextlib
import functools
import hashlib
import json
import lzma
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.trajectories.conversation import Conversation, as_declared
from bench.trajectories.decide import packs_folder
from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.app import Clearway
from clearway.guarding import Guard, Waiting
from clearway.model.action import ToolCall
from clearway.model.errors import ClearwayError
from clearway.model.identity import DEV
from clearway.model.outcome import Done, Failed, Outcome, Refused, Unknown
from clearway.model.tool import Retry
from clearway.project.declare import skill
from clearway.project.pack import Pack, ToolSchema, load_pack
from clearway.project.principals import DeclaredPrincipal
from clearway.project.project import Project
from clearway.project.settings import Settings
from clearway.runtime.run_api import ActionStopped, RunContext

Invoke = Callable[[], tuple[str, str | None]]

TENANT, SKILL, USER, APPROVER, APPROVERS = "default", "recorded", "me", "amir", "owners"


@dataclass(slots=True)
class Notes:
    """What `Conversation` notes, to be noted again in the run of each call."""

    notes: list[tuple[Any, str, Any, str]] = field(default_factory=list[tuple[Any, str, Any, str]])

    def note(self, value: Any, source: str, trust: Any) -> None:
        self.notes.append((value, source, trust, ""))

    def endorse(self, value: Any, by: str, *, argument: str = "") -> None:
        """Nothing: an approval is for its own call. To endorse a value for later ones is another thing to do."""


@dataclass(slots=True)
class Offered:
    """One call as it was offered. In memory: the skill's input would be content that the run has read. `invoke`
    carries out this call, whichever the harness has come to by then."""

    tool: str
    arguments: dict[str, Any]
    notes: list[tuple[Any, str, Any, str]]
    invoke: Invoke


_guards: dict[str, tuple[Guard, Pack]] = {}
_current: list[Conversation] = []
_offered: dict[str, Offered] = {}
_held: set[str] = set()
_carried_out: ContextVar[Offered] = ContextVar("carried_out")
_stack = contextlib.ExitStack()
atexit.register(_stack.close)


def run_tool(call: dict[str, Any], context: Any, invoke: Invoke) -> dict[str, Any]:
    """One call, carried out at most once. `decision` as the harness knows it; `content` is what a model would see."""
    guard, pack = _guards.get(context.domain) or _open(context)
    if not _current or not _current[0].continues(context):
        _current[:] = [Conversation(context, pack.tools, Notes())]
    conversation = _current[0]
    conversation.follow(context.history)
    arguments = as_declared(call["arguments"], context.tool["parameters"]) if context.tool else call["arguments"]
    key = hashlib.sha256(f"{context.trajectory_id}/{call['id']}".encode()).hexdigest()
    _offered.setdefault(key, Offered(call["name"], arguments, list(conversation.provenance.notes), invoke))
    try:
        started = guard.acting(USER).start("A recorded call", skill=SKILL, input={"call": key}, key=key)
        outcome = guard.outcome(str(started["run_id"]))
        if isinstance(outcome, Waiting):
            _held.add(key)
            outcome = _answered(guard, outcome, call, context)
    except ClearwayError as error:
        return {"decision": "deny", "content": error.message, "error": error.code}
    return _told(outcome, "approve" if key in _held else "allow")


def _told(outcome: Outcome | Waiting, decision: str) -> dict[str, Any]:
    match outcome:
        case Done(result):
            return {"decision": decision, "content": result["content"], "error": result["error"]}
        case Unknown(code, message):
            doubt = f"In doubt, not repeated ({code}). {message}"
            return {"decision": decision, "content": doubt, "error": None, "reason": code}
        case Refused(code, message):
            refused = f"REFUSED: {message}"
            decision = "deny" if decision == "allow" else decision
            return {"decision": decision, "content": refused, "error": refused, "reason": code}
        case Failed(code, message):
            return {"decision": decision, "content": message, "error": message, "reason": code}
        case Waiting():
            return {"decision": "approve", "content": "Waiting for approval.", "error": "approval_required"}


def _answered(guard: Guard, held: Waiting, call: dict[str, Any], context: Any) -> Outcome | Waiting:
    """What came of it once the harness's approver has said yes or no."""
    person = guard.acting(APPROVER)
    presented = str(person.approval(held.approval_id)["presented_digest"])
    if _approver()(call, _trajectory(context.trajectory_id)):
        person.approve(held.approval_id, presented_digest=presented, comment="as the user asked")
    else:
        person.reject(held.approval_id, presented_digest=presented, comment="nobody asked for this")
    return guard.settled(held.run_id)


def _approver() -> Callable[[Any, Any], bool]:
    return sys.modules["__main__"]._W["approver"]


@functools.cache
def _trajectory(trajectory_id: str) -> dict[str, Any]:
    """Its labels are the approver's, never the gate's."""
    for file in sorted(Path(os.environ["CORPUS"]).glob("*.jsonl.xz")):
        with lzma.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                if f'"{trajectory_id}"' in line and (one := json.loads(line))["id"] == trajectory_id:
                    return one
    raise LookupError(trajectory_id)


@skill(name=SKILL, tools=[], description="Carries out one recorded call.", owner="bench", request="untrusted")
async def recorded(run: RunContext, call: str) -> Any:
    offered = _offered[call]
    _carried_out.set(offered)
    run._at.unread += offered.notes
    outcome = await run._start(ToolCall(offered.tool, offered.arguments, "s1", ""))
    if isinstance(outcome, Done):
        return outcome.result
    raise ActionStopped("s1", offered.tool, outcome)


def _open(context: Any) -> tuple[Guard, Pack]:
    schemas = [ToolSchema(tool["name"], tool["description"], tool["parameters"]) for tool in context.tools]
    pack = load_pack(packs_folder() / context.domain, schemas, _execute)
    folder = Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="clearway-trajectories-")))
    # The harness counts a read that is repeated after a lost answer as a double execution; Clearway's default repeats.
    tools = {name: replace(spec, retry=Retry(attempts=1)) for name, spec in pack.tools.items()}
    policy = CedarPolicy(tools, [SKILL], [DEV], [PolicyFile(file, text) for file, text in pack.policies])
    project = Project(
        folder=folder,
        tools=tools,
        skills={SKILL: replace(recorded.spec, tools=frozenset(tools))},
        users={
            name: DeclaredPrincipal("user", name, TENANT, roles={DEV: frozenset()}, groups=frozenset(groups))
            for name, groups in ((USER, ()), (APPROVER, (APPROVERS,)))
        },
        settings=Settings(
            SKILL,
            f"sqlite:///{folder / 'clearway.db'}",
            environments=(DEV,),
            tenants=(TENANT,),
            keyring=folder / "keys",
        ),
        digest=policy.digest,
    )
    _guards[context.domain] = _stack.enter_context(Guard(Clearway(project, policy=policy), USER)), pack
    return _guards[context.domain]


def _execute(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    content, error = _carried_out.get().invoke()
    return {"content": content, "error": error}
