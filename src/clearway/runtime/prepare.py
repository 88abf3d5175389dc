"""ToolCall → Action, once: validated, classified, resolved, masked, fingerprinted."""

import asyncio
import contextlib
import copy
import inspect
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from clearway.model.action import Action, ToolCall
from clearway.model.errors import Invalid
from clearway.model.history import History
from clearway.model.outcome import Refused
from clearway.model.tool import Target, ToolSpec
from clearway.ports import Sealer
from clearway.rules.canonical import canonical
from clearway.rules.classify import classify
from clearway.rules.digests import action_digest, fingerprint, idempotency_key
from clearway.rules.failure import Meaning, read_failure, type_name
from clearway.rules.names import is_name
from clearway.rules.present import visible
from clearway.rules.retry import pause_s
from clearway.rules.shapes import Shapes
from clearway.runtime.carry import Carry

LONGEST_REASON = 4000
LONGEST_UNKNOWN_NAME = 64


def find_tool(tools: Mapping[str, ToolSpec], at: Carry, call: ToolCall, *, compensating: bool) -> ToolSpec | Refused:
    """The declared tool, where the skill may use it. A compensation was declared with a tool that it may use."""
    spec = tools.get(call.tool)
    if spec is None:
        return Refused("unlisted_tool", "No such tool is declared in the project.")
    if call.tool not in at.skill.tools and not compensating:
        return Refused("tool_not_allowed", f"The skill {at.skill.name} does not list the tool {call.tool}.")
    return spec


def as_storable(call: ToolCall, at: Carry) -> ToolCall:
    """The call of a tool that is not declared: its name is whatever a model wrote, and only its likeness is stored."""
    name = str(call.tool)
    return replace(call, tool=name if is_name(name) else visible(at.masker.scrub(name))[0][:LONGEST_UNKNOWN_NAME])


async def prepare(spec: ToolSpec, at: Carry, call: ToolCall, sealer: Sealer) -> Action | Refused:
    """Errors are values: what cannot be validated, resolved or canonicalised is refused, and nothing was sent."""
    try:
        arguments = spec.validate(call.arguments)
        targets = await resolve_targets(spec, arguments, at)
        return _bind(spec, at, call, arguments, targets, sealer)
    except Invalid as error:
        _learn(spec, at, call)
        return Refused(error.code, at.masker.scrub(str(error)))
    except RecursionError:
        return Refused("not_canonical", "The arguments are nested too deeply.")


def same_as_recorded(spec: ToolSpec, at: Carry, call: ToolCall, recorded: str, sealer: Sealer) -> bool:
    """Whether a replayed call is the recorded one. An empty fingerprint stands for a call that was never validated."""
    if not recorded:
        _learn(spec, at, call)
        return True
    try:
        arguments = spec.validate(call.arguments)
        # As `_bind` did it, so that a replay knows in each step what the first time knew.
        at.masker.mask([arguments, _storable(call.reason)], spec.sensitive, _shapes(spec))
        return _fingerprint(spec, at, arguments, sealer) == recorded
    except Invalid:
        return False


def _learn(spec: ToolSpec, at: Carry, call: ToolCall) -> None:
    """What was refused is stored nowhere, and may be repeated elsewhere."""
    with contextlib.suppress(Invalid, RecursionError):
        at.masker.learn(call.arguments, spec.sensitive)


async def resolve_targets(spec: ToolSpec, arguments: dict[str, Any], at: Carry) -> tuple[Target, ...]:
    """What the action touches, resolved anew at each asking. It may ask the outside, and is tried again as a read is.

    Errors: `Invalid` (`targets`)."""
    for attempt in range(1, spec.retry.attempts + 1):
        try:
            # A copy: what the project's own functions do to it must not change what is decided and sent.
            found = spec.targets(copy.deepcopy(arguments))
            if inspect.isawaitable(found):
                async with asyncio.timeout(spec.timeout_s):
                    found = await found
            return tuple(sorted({_target(item) for item in found}))
        except Invalid:
            raise
        except Exception as error:
            pause = pause_s(attempt, spec.retry.base_s, spec.retry.max_s)
            if attempt == spec.retry.attempts or not _may_pass(error, spec) or pause > at.remaining_s():
                raise Invalid(
                    f"The targets of {spec.name} could not be resolved ({type_name(error)}).",
                    code="targets",
                    remedy="See the targets function of the tool; `clearway runs retry` asks it again.",
                ) from None
            await at.clock.sleep(pause)
    raise AssertionError("unreachable")


def _may_pass(error: Exception, spec: ToolSpec) -> bool:
    """Whether asking again may help: the other side was away, slow or busy. A defect of the function stays one."""
    failure = read_failure(error, spec.retry, now=math.inf)
    if failure.meaning is Meaning.IN_DOUBT:
        return failure.code != type_name(error)
    return failure.meaning is not Meaning.REJECTED


def _target(item: str | Target) -> Target:
    if isinstance(item, Target):
        return item
    kind, colon, name = item.partition(":")
    if not (kind and colon and name):
        raise Invalid(
            "A target is not of the form kind:id.", code="targets", remedy="Write, for instance, account:9182."
        )
    return Target(kind, name)


def _bind(
    spec: ToolSpec, at: Carry, call: ToolCall, arguments: dict[str, Any], targets: tuple[Target, ...], sealer: Sealer
) -> Action:
    # In one pass: it costs the least, and each part is looked through with what the others tell.
    whole = [arguments, _storable(call.reason), *(target.id for target in targets)]
    shown, reason, *ids = cast(list[Any], at.masker.mask(whole, spec.sensitive, _shapes(spec)))
    if spec.subject:
        at.vault.concerns(call.step_id, arguments.get(spec.subject), shown)
    shown_targets = tuple(Target(t.kind, id, t.tenant) for t, id in zip(targets, ids, strict=True))
    run_id = at.run.run_id
    key = idempotency_key(at.scope, spec.name, run_id, call.step_id)
    return Action(
        scope=at.scope,
        run_id=run_id,
        step_id=call.step_id,
        agent=at.agent,
        user=at.user,
        tool=spec.name,
        tool_digest=spec.digest,
        impact=classify(spec, copy.deepcopy(arguments)),
        arguments=arguments,
        shown=shown,
        targets=targets,
        shown_targets=shown_targets,
        key=key,
        fingerprint=_fingerprint(spec, at, arguments, sealer),
        digest=action_digest(
            at.scope,
            agent=at.agent,
            user=at.user,
            tool=spec.name,
            tool_digest=spec.digest,
            shown=shown,
            targets=shown_targets,
            run_id=run_id,
            step_id=call.step_id,
            key=key,
        ),
        business_key=_business_key(spec, at, arguments, sealer),
        reason=reason,
        release=at.run.release,
        irreversible=spec.irreversible,
        consequential=spec.consequential,
        # INVARIANT: nothing is known before it was looked up; a policy that asks all the same errs, and denies.
        history=History(known=frozenset()),
    )


def _shapes(spec: ToolSpec) -> Shapes:
    """Of the arguments as an item of a list."""
    return Shapes(spec.format_keeping, {"items": spec.schema, "$defs": spec.schema.get("$defs", {})})


def _business_key(spec: ToolSpec, at: Carry, arguments: dict[str, Any], sealer: Sealer) -> str | None:
    if spec.idempotency.business_key is None:
        return None
    try:
        raw = cast(object, spec.idempotency.business_key(copy.deepcopy(arguments)))
    except Exception as error:
        raise Invalid(
            f"The business key of {spec.name} could not be made ({type_name(error)}).",
            code="business_key",
            remedy="See the business_key function of the tool.",
        ) from None
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, str | int) or raw == "":
        raise Invalid(
            f"The business key of {spec.name} is neither a text nor a whole number.",
            code="business_key",
            remedy="See the business_key function of the tool; None stands for no key.",
        )
    return sealer.token(str(raw), "BUSINESS_KEY", at.scope)


def _fingerprint(spec: ToolSpec, at: Carry, arguments: dict[str, Any], sealer: Sealer) -> str:
    return fingerprint(spec.name, sealer.token(canonical(arguments).decode(), "ARGUMENTS", at.scope))


def _storable(reason: object) -> str:
    """The proposer's words, as far as they can be stored: no lone surrogates, of bounded length."""
    text = str(reason).encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
