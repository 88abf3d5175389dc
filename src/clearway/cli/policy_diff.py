"""`clearway policy diff`: what a change of policies newly lets through, before it is put in force."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from clearway.cli.context import At
from clearway.cli.output import inline

FOUND = 1

_CHANGES = {
    "deny_to_allow": "was denied, is now allowed",
    "hold_to_allow": "waited for approval, is now allowed",
    "deny_to_hold": "was denied, now waits for approval",
    "weaker_approval": "waits for a weaker approval",
    "allow_to_deny": "was allowed, is now denied",
    "allow_to_hold": "was allowed, now waits for approval",
    "hold_to_deny": "waited for approval, is now denied",
    "stricter_approval": "waits for a stricter approval",
    "other_escalation": "is escalated to others",
}
_ANSWERS = {
    "equivalent": "The same is allowed, held and denied: proved.",
    "narrower": "Less is let through, and nothing more: proved.",
    "wider": "More is let through.",
    "wider and narrower": "More is let through in one place, less in another.",
    "other escalation": "The same is allowed, held and denied: proved. Others are told of what waits.",
    "not proven": "Whether more is let through could not be proved.",
}


def diff(
    at: At,
    old: Annotated[str, typer.Argument(metavar="OLD", help="A folder of *.cedar files, or git:REV.")],
    new: Annotated[
        str | None, typer.Argument(metavar="[NEW]", help="The same; else the project's policies as they are.")
    ] = None,
    timeout_s: Annotated[
        float,
        typer.Option(
            "--timeout", metavar="SECONDS", min=0.0, help="For all; what is not answered by then is not proven."
        ),
    ] = 60.0,
    accept: Annotated[
        str | None,
        typer.Option(
            "--accept",
            metavar="RELEASE",
            help="Pass where the policy owner has signed this release, of NEW's policies, against OLD's.",
        ),
    ] = None,
) -> int:
    """Say what NEW lets through that OLD did not, each with a request that shows it, or prove that there is nothing.

    Exits with 1 where more is let through, or that it is not could not be proved, and nobody has signed for that.
    """
    from clearway.operate import policy_bench, policy_sources
    from clearway.operate.policy_diff import compare, may_pass, world_of
    from clearway.operate.policy_report import report

    # Only the signatures may be on a server; what is compared lies here.
    project = (at.here() if accept is not None else at).load()
    sources = [
        policy_sources.read_source(old, project.folder),
        policy_sources.own_policies(project.folder) if new is None else policy_sources.read_source(new, project.folder),
    ]
    compared = compare(
        sources[0].files,
        sources[1].files,
        world_of(project),
        groups=policy_bench.group_sizes(project),
        timeout_s=timeout_s,
    )
    signed = [] if accept is None else _signed(at, accept, *([file.text for file in each.files] for each in sources))
    answer = {**report(compared, sources[0].name, sources[1].name), "accepted_by": signed}
    at.out.emit("policy_diff", answer, lambda: _show(at, answer))
    return 0 if may_pass(compared, list(project.tools) if signed else ()) else FOUND


def _signed(at: At, release: str, old: list[str], new: list[str]) -> list[str]:
    """Who has signed for the change. Errors: `NotFound`, `Invalid`, `Conflict` (`other_policies`)."""
    from clearway.operate.releases.acceptance import digest_of_text

    before, after = ([digest_of_text(text) for text in texts] for texts in (old, new))
    with at.operations() as ops:
        return list(ops.release_acceptance(release, old=before, new=after)["accepted_by"])


def _show(at: At, answer: Mapping[str, Any]) -> None:
    for side in ("old", "new"):
        problems = answer[side]["problems"]
        if problems:
            at.out.say(f"{answer[side]['source']} denies everything, as it has {len(problems)} problem(s):")
            for problem in problems:
                at.out.say(f"  {problem}")
    for kind in ("widenings", "narrowings", "others"):
        for number, finding in enumerate(answer[kind], 1):
            _show_finding(at, f"{kind.removesuffix('s')} {number}", finding)
    for action in answer["actions"]:
        if not action["proved"]:
            _show_unproved(at, action)
    at.out.say(_ANSWERS[answer["answer"]])
    if answer["accepted_by"]:
        at.out.say(f"Signed for by {', '.join(answer['accepted_by'])}.")


def _show_finding(at: At, title: str, finding: Mapping[str, Any]) -> None:
    request = finding["request"]
    told = {name: value for name, value in {**request["labels"], **request["history"]}.items() if value}
    # What is trusted is the usual; only what is not decides something.
    told["trust"] = {path: trust for path, trust in told.get("trust", {}).items() if trust != "trusted"}
    at.out.say(f"{title}: {finding['action']} ({finding['impact']}) {_CHANGES[finding['change']]}", style="bold")
    at.out.fields(
        [
            ("user", _who(request["user"])),
            ("agent", _who(request["agent"])),
            ("where", f"tenant {request['tenant']}, environment {request['environment']}"),
            ("arguments", request["arguments"]),
            ("target", ", ".join(f"{t['kind']}:{t['id']} of tenant {t['tenant']}" for t in request["targets"])),
            ("reason", "given" if request["reason_given"] else None),
            *((name, value) for name, value in told.items()),
            ("OLD", _decided(finding["old"])),
            ("NEW", _decided(finding["new"])),
            ("note", "; ".join(finding["remarks"])),
        ]
    )
    at.out.say()


def _show_unproved(at: At, action: Mapping[str, Any]) -> None:
    at.out.say(f"not proven: {action['action']}", style="bold")
    for part in action["outside"]:
        at.out.say(f"  {part['place']}: {part['policy']} uses {part['what']}, which is outside what can be translated")
    for reason in action["reasons"]:
        at.out.say(f"  {reason}")
    at.out.say()


def _who(principal: Mapping[str, Any]) -> str:
    held = [*principal["roles"], *(f"group {group}" for group in principal["groups"])]
    return f"{principal['kind']}:{principal['id']}" + (f" ({', '.join(held)})" if held else "")


def _decided(decision: Mapping[str, Any]) -> str:
    by = ", ".join(f"{policy['id']} ({policy['place']})" for policy in decision["policies"])
    approval = decision["approval"]
    asks = "" if approval is None else f", approval {inline(approval)}"
    return f"{decision['verdict']} ({decision['code']})" + (f" by {by}" if by else "") + asks
