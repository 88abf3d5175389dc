"""An approval as an approver has to see it: everything that the digests bind, and nothing rendered by a model."""

import json
from collections.abc import Mapping
from typing import Any

from clearway.cli.context import At
from clearway.cli.output import inline, time_left, when
from clearway.rules.present import WARNINGS

Json = Mapping[str, Any]


def show_approval(at: At, approval: Json) -> None:
    """The whole page. Its order: what will happen, on what, with what; who asks and why; who decides, until when."""
    out, shown = at.out, approval["presented"]
    out.say(str(shown["summary"]), style="bold")
    out.fields(
        [
            ("approval", approval["approval_id"]),
            ("state", _state(approval)),
            ("impact", shown["impact"] + (", cannot be undone" if shown.get("irreversible") else "")),
            ("tool", shown["tool"]),
            ("targets", ", ".join(map(_target, shown["targets"])) or "none are declared"),
            ("where", f"{shown['tenant']}/{shown['environment']}"),
            ("run", f"{approval['run_id']}, step {approval['step']}"),
        ]
    )
    for warning in shown["warnings"]:
        out.say(f"WARNING: {_warning(warning)}", style="bold")
    out.say("bounds:" if approval["kind"] == "grant" else "arguments:")
    out.fields([(name, _exactly(value)) for name, value in shown["arguments"].items()])
    _show_origins(at, shown.get("origins") or {})
    out.fields([("grant", shown.get("grant"))])
    if shown.get("preview") is not None:
        _show_preview(at, shown["preview"])
    out.fields(
        [
            ("asked by", approval["requester"]),
            ("for", shown["user"]),
            ("through", shown["agent"]),
            ("asked at", when(approval["requested_at"])),
            ("replaces", approval["replaces"]),
        ]
    )
    if shown["claim"]:
        out.box(
            "the agent's claim (not verified)" if approval["kind"] == "action" else "the asker's reason", shown["claim"]
        )
    _show_deciding(at, approval)


def _show_origins(at: At, origins: Json) -> None:
    """Where the arguments came from; what matters and is nobody's word stands out."""
    if not origins:
        return
    at.out.say("came from:")
    at.out.fields([(name, _origin(one)) for name, one in origins.items()])
    for name, one in origins.items():
        if one["trust"] == "untrusted" and one.get("consequential"):
            at.out.say(f"WARNING: {name} came from an untrusted source", style="bold")


def _origin(one: Json) -> str:
    parts = [", ".join(one["sources"]) or "nowhere that is known", one["trust"]]
    parts += [f"of tenant {', '.join(one['tenants'])}"] if one.get("tenants") else []
    parts += [f"holds {', '.join(one['privacy'])}"] if one.get("privacy") else []
    return ", ".join(parts)


def _show_deciding(at: At, approval: Json) -> None:
    out = at.out
    out.say("to decide:")
    out.fields(
        [
            *((f"group {f['group']}", f"{f['given']} of {f['needed']}") for f in approval["factors"]),
            ("asked by policies", ", ".join(approval["policies"])),
            ("may not decide", ", ".join(approval["excluded"])),
            ("until", _until(approval)),
            ("escalated to", _escalation(approval)),
            ("to be carried out by", when(approval["execute_by"])),
        ]
    )
    for vote in approval["votes"]:
        cast = f"{vote['verdict']} by {vote['subject']} for {vote['factor']}"
        out.say(f"  {cast}, {when(vote['at'])}: {vote['comment'] or '–'}")
    out.fields([("presented digest", approval["presented_digest"]), ("action digest", approval["action_digest"])])


def next_commands(at: At, approval: Json) -> None:
    """How to answer, on stderr."""
    if approval["state"] != "pending":
        return
    digest = str(approval["presented_digest"]).removeprefix("sha256:")[:16]
    for verb, more in (("approve", ""), ("reject", " --comment TEXT")):
        words = at.command("approvals", verb, approval["approval_id"], "--digest", digest, acting=True)
        at.out.hint(f"{verb}: {words}{more}")


def _show_preview(at: At, preview: Any) -> None:
    if isinstance(preview, dict) and set(preview) == {"before", "after"}:  # pyright: ignore[reportUnknownArgumentType]
        at.out.say(f"before: {inline(preview['before'])}")
        at.out.say(f"after:  {inline(preview['after'])}")
    else:
        at.out.say(f"preview: {inline(preview)}")


def _state(approval: Json) -> str:
    return f"{approval['state']} ({approval['note']})" if approval["note"] else approval["state"]


def _until(approval: Json) -> str | None:
    left = f", {time_left(approval['expires_at'])}" if approval["state"] == "pending" else ""
    return f"{when(approval['expires_at'])}{left}"


def _escalation(approval: Json) -> str | None:
    if not approval["escalate_to"]:
        return None
    since = approval["escalated_at"]
    return f"{approval['escalate_to']} {'since' if since else 'from'} {when(since or approval['escalate_at'])}"


def _exactly(value: Any) -> str:
    """JSON, but for backslashes: what is shown was made visible when it was recorded, and stays as it was."""
    return json.dumps(value, ensure_ascii=False).replace("\\\\", "\\")


def _target(target: Json | str) -> str:
    if isinstance(target, str):  # a grant's
        return target
    tenant = f" of {target['tenant']}" if target.get("tenant") else ""
    return f"{target['kind']}:{target['id']}{tenant}"


def _warning(text: str) -> str:
    """`account: bidi` → with the code in words."""
    where, _, code = text.rpartition(": ")
    return f"{where or 'a text'} {WARNINGS.get(code, code)}"
