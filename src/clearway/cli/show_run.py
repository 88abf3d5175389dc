"""A run as people read it: how it ended, where it failed, who owns that, what it waits for, what to type next."""

from collections.abc import Mapping
from typing import Any

from clearway.cli.context import At
from clearway.cli.output import inline, when

Json = Mapping[str, Any]


def show_outcome(at: At, run: Json) -> None:
    """The short form, at the end of `clearway run`."""
    say = at.out.say
    say(f"{run['run_id']}: {run['status']}", style="bold")
    if run["status"] == "done":
        say(f"result: {inline(run['result'])}")
    if run["failure"]:
        _show_failure(at, run)


def show_next(at: At, run: Json) -> None:
    """What to type next, on stderr."""
    hint = at.out.hint
    for approval in run["approvals"]:
        if approval["state"] == "pending":
            hint(f"waiting for approval: {approval['summary']}")
            hint(f"  {at.command('approvals', 'show', approval['approval_id'])}")
    for step in run["steps"]:
        if step["state"] == "unknown":
            hint(
                f"step {step['step']} ({step['tool']}) may or may not have happened; owner: {step['owner']}. "
                "Find out, then:"
            )
            resolve = at.command("ledger", "resolve", "--run", run["run_id"], "--step", step["step"], acting=True)
            hint(f"  {resolve} --reason TEXT --happened --result '{{…}}', or --did-not-happen")
            hint("  (--result: what the tool would have returned, as JSON; without it the skill gets null)")
    if run.get("code_missing") and not run.get("no_worker"):
        hint("no worker has the code of the run's release: start one that has, or cancel the run")
    if run["status"] in ("failed", "refused"):
        hint(f"all of it: {at.command('runs', 'show', run['run_id'])}")


def show_run(at: At, run: Json, *, events: bool) -> None:
    """The whole execution record."""
    out, route = at.out, run["route"]
    out.say(f"{run['run_id']}: {run['status']}", style="bold")
    chosen = f"{run['skill']} ({route.get('router')}: {route.get('why')})"
    out.fields(
        [
            ("skill", chosen),
            ("owner", run["owner"]),
            ("for", run["user"]),
            ("request", run["request_id"]),
            ("correlation", run["correlation_id"]),
            ("key", run["idempotency_key"]),
            ("release", run["release"]),
            ("created", when(run["created_at"])),
            ("finished", when(run["finished_at"])),
            (
                "took",
                None if run["latency_s"] is None else f"{run['latency_s']:.3f} s, working {run['working_s']:.3f} s",
            ),
            ("cost", cost_line(run["cost"])),
            ("input", run["input"]),
            ("result", run["result"]),
            ("cancelling", "asked for" if run["cancel_requested"] and not run["finished_at"] else None),
            ("held", _held(run)),
            ("waits for", _code(run)),
        ]
    )
    if run["failure"]:
        _show_failure(at, run)
    if run["steps"]:
        out.say()
        out.table(
            ("step", "tool", "impact", "state", "tries", "took", "arguments", "came from", "result or reason"),
            [
                (
                    s["step"],
                    s["tool"],
                    s["impact"],
                    s["state"],
                    s["attempts"],
                    None if s["latency_s"] is None else f"{s['latency_s'] * 1000:.0f} ms",
                    inline(s["arguments"] or {}),
                    came_from(s["labels"]),
                    _told(s),
                )
                for s in run["steps"]
            ],
        )
    if run["approvals"]:
        out.say()
        out.table(
            ("approval", "state", "what", "note", "votes"),
            [
                (a["approval_id"], a["state"], a["summary"], a["note"], "; ".join(map(vote_line, a["votes"])))
                for a in run["approvals"]
            ],
        )
    if events:
        out.say()
        out.table(
            ("seq", "at", "event", "step", "payload"),
            [(e["seq"], when(e["at"]), e["kind"], e["step"], inline(e["payload"])) for e in run["events"]],
        )


def _code(run: Json) -> str | None:
    """What it waits for where no worker carries it out. That none has its code is news only where one runs."""
    if not run.get("code_missing"):
        return None
    return "a worker: none is running" if run.get("no_worker") else f"code {run['code_missing']}: no worker has it"


def _held(run: Json) -> str | None:
    """`effects wait for owners, since … by user:olga: it is wrong`."""
    held = run.get("held")
    if not held:
        return None
    since = f", since {when(held['since'])} by {held['by']}: {held['reason']}" if held["since"] else ""
    return f"effects wait for {held['for']}{since}"


def came_from(labels: Json | None) -> str:
    """`payee: untrusted, s1:read_email; amount: trusted, request`: of whole arguments."""
    return "; ".join(
        f"{name}: {', '.join([one['trust'], *one['sources']])}"
        for name, one in (labels or {}).items()
        if "." not in name and "[" not in name
    )


def _once(message: str | None, code: str | None) -> str:
    """The message with the code behind it, and nowhere else."""
    text = (message or "").removesuffix(f": {code}.").rstrip(".")
    return " ".join(part for part in (f"{text}." if text else "", f"[{code}]" if code else "") if part)


def _show_failure(at: At, run: Json) -> None:
    failure = run["failure"]
    where = (
        f"step {failure['step']} ({failure.get('tool') or '–'})" if failure.get("step") else f"the skill {run['skill']}"
    )
    at.out.say(f"ended at {where}: {_once(failure.get('message'), failure.get('code'))}")
    at.out.say(f"owner of the fix: {run['owner']}")
    if failure.get("policies"):
        at.out.say(f"decided by: {', '.join(failure['policies'])}")


def cost_line(cost: Json) -> str:
    """`0.0021 USD, 1200 + 300 tokens in 2 turns (genai-prices …)`; a price that is not known is not 0."""
    price = "unknown price" if cost["usd"] is None else f"{cost['usd']} USD"
    if "turns" not in cost:
        return f"{price} ({cost['basis']})"
    lost = f"; {cost['lost_tokens']} tokens more may have been billed without an answer" if cost["lost_tokens"] else ""
    tokens = f"{cost['input_tokens']} + {cost['output_tokens']} tokens in {cost['turns']} turns"
    return f"{price}, {tokens} ({cost['basis']}){lost}"


def vote_line(vote: Json) -> str:
    """`approve by user:amir: fine`."""
    return f"{vote['verdict']} by {vote['subject']}{': ' if vote['comment'] else ''}{vote['comment']}"


def resolved(step: Json) -> str | None:
    """`olga at 2026-…: seen in the console`: who settled what was in doubt. None where nobody had to, or retention
    has removed it."""
    if not step.get("resolved_by"):
        return None
    why = f": {step['message']}" if step["message"] else ""
    return f"{step['resolved_by']} at {when(step.get('resolved_at')) or 'a time not recorded'}{why}"


def _told(step: Json) -> str:
    if step["state"] == "succeeded" and "turn" in step:
        return _told_by_model(step)
    if resolved(step):
        return f"{inline(step['result'])} (settled by {resolved(step)})"
    if step["state"] == "succeeded":
        return inline(step["result"])
    told = _once(step["message"], step["code"])
    return f"{told} ({', '.join(step['policies'])})" if step["policies"] else told


def _told_by_model(step: Json) -> str:
    turn, answer = step["turn"], step["result"]
    price = "unknown price" if turn["usd"] is None else f"{turn['usd']:.6f} USD"
    calls = ", ".join(
        f"{call['tool']}{' (' + call['refused'] + ')' if 'refused' in call else ''}" for call in answer["calls"]
    )
    said = " · ".join(part for part in (answer["text"], f"calls {calls}" if calls else "") if part)
    tries: list[Json] = turn["tries"] or []
    others = "".join(f" (not {one['model']}: {one['code']})" for one in tries)
    return f"{said} [{turn['model']}{others}, {turn['usage']['input']} + {turn['usage']['output']} tokens, {price}]"
