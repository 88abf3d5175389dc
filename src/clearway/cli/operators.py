"""`clearway kill` and `clearway grants`."""

from enum import StrEnum
from typing import Annotated

import typer

from clearway.cli.command import STILL_GOING, command, group_of
from clearway.cli.context import At
from clearway.cli.output import inline, moment
from clearway.cli.runs import Reason
from clearway.cli.values import json_object
from clearway.model.errors import Invalid
from clearway.model.identity import Scope
from clearway.operate.operations import Json


class Kind(StrEnum):
    """What a kill switch covers."""

    GLOBAL = "global"
    ENVIRONMENT = "environment"
    TENANT = "tenant"
    AGENT = "agent"
    TOOL = "tool"


KindArgument = Annotated[Kind, typer.Argument(metavar="KIND", help="global, environment, tenant, agent or tool.")]
IdArgument = Annotated[
    str, typer.Argument(metavar="[ID]", help="Of the tool or agent; else this tenant or environment.")
]


def declare(root: typer.Typer) -> None:
    kill = group_of(root, "kill", "Kill switches: one person engages, two release.")
    command(kill, "engage")(engage)
    command(kill, "release")(release)
    command(kill, "list")(switches)
    grants = group_of(root, "grants", "Grants: expiring permission for actions of one shape.")
    command(grants, "ask")(ask)
    command(grants, "list")(grants_list)
    command(grants, "revoke")(revoke_grant)


def engage(at: At, kind: KindArgument, reason: Reason, id: IdArgument = "") -> None:
    """Stop every effect that the switch covers, at once."""
    with at.operations() as ops:
        switch = ops.engage(kind.value, _covered(at, ops.caller.scope, kind, id), reason)
    at.out.emit(
        "kill_switch", switch, lambda: at.out.say(f"{_name(switch)}: engaged; nothing it covers is sent any more")
    )
    at.out.hint(f"what was under way: {at.command('ledger', 'list', '--state', 'started')}")


def release(at: At, kind: KindArgument, reason: Reason, id: IdArgument = "") -> int:
    """Ask for, or as the second person grant, the release of a kill switch. Exits with 4 while it is engaged."""
    with at.operations() as ops:
        switch = ops.release(kind.value, _covered(at, ops.caller.scope, kind, id), reason)
    engaged = bool(switch["engaged"])
    told = "still engaged; a second person has to release it too" if engaged else "released"
    at.out.emit("kill_switch", switch, lambda: at.out.say(f"{_name(switch)}: {told}"))
    if engaged:
        words = ("kill", "release", kind.value, *([id] if id else []))
        at.out.hint(f"missing: a second person types {at.command(*words, acting=True)} --reason TEXT")
    return STILL_GOING if engaged else 0


def switches(at: At) -> None:
    """List kill switches, also those that were released."""
    with at.operations() as ops:
        page = ops.switches()
    at.out.emit(
        "kill_switches",
        page,
        lambda: at.out.table(
            ("switch", "state", "by", "at", "release asked by", "reason"),
            [
                (
                    _name(s),
                    "ENGAGED" if s["engaged"] else "released",
                    s["by"],
                    moment(s["at"]),
                    ", ".join(s["release_votes"]),
                    s["reason"],
                )
                for s in page["items"]
            ],
        ),
    )


def ask(
    at: At,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The tool's name.")],
    target: Annotated[
        list[str], typer.Option("--target", metavar="KIND:ID", help="What it may touch; may be repeated.")
    ],
    bounds: Annotated[
        str,
        typer.Option("--bounds", metavar="JSON", help=('Every argument → {"max": n}, {"equals": v} or {"any": true}.')),
    ],
    reason: Reason,
    max_uses: Annotated[int, typer.Option("--max-uses", help="How often it may be used.")] = 1,
    ttl: Annotated[float, typer.Option("--ttl", metavar="SECONDS", help="How long it holds, at most an hour.")] = 900.0,
) -> int:
    """Ask for a grant. It holds once people have approved it; until then it exits with 4."""
    given = json_object(bounds, "--bounds")
    with at.operations() as ops:
        asked = ops.ask_grant(tool, targets=target, bounds=given, max_uses=max_uses, ttl_s=ttl, reason=reason)
        approval = ops.approval(asked["approval_id"])
    at.out.emit("approval", approval, lambda: at.out.say(f"asked for: {approval['summary']}"))
    if approval["state"] != "pending":
        return 0
    needed = ", ".join(f"{f['needed']} of {f['group']}" for f in approval["factors"])
    at.out.hint(f"missing: approval by {needed or 'somebody else'}: {_approval_command(at, approval)}")
    return STILL_GOING


def grants_list(at: At) -> None:
    """List grants."""
    with at.operations() as ops:
        page = ops.grants()
    at.out.emit(
        "grants",
        page,
        lambda: at.out.table(
            ("grant", "state", "tool", "targets", "bounds", "used", "until"),
            [
                (
                    g["grant_id"],
                    g["state"],
                    g["tool"],
                    ", ".join(g["targets"]),
                    inline(g["bounds"]),
                    f"{g['uses']} of {g['max_uses']}",
                    moment(g["expires_at"]),
                )
                for g in page["items"]
            ],
        ),
    )


def revoke_grant(
    at: At, grant_id: Annotated[str, typer.Argument(metavar="GRANT", help="The grant's id.")], reason: Reason
) -> None:
    """End a grant at once."""
    with at.operations() as ops:
        done = ops.revoke_grant(grant_id, reason)
    at.out.emit("grant", done, lambda: at.out.say(f"{grant_id}: revoked"))


def _covered(at: At, scope: Scope, kind: Kind, id: str) -> str:
    """The switch's id. Errors: `Invalid` where one is missing, or is none of one's own."""
    own = {Kind.GLOBAL: "", Kind.TENANT: scope.tenant, Kind.ENVIRONMENT: scope.environment}
    if kind in own:
        if id not in ("", own[kind]):
            everywhere = kind is Kind.GLOBAL
            raise Invalid(
                "The global switch covers everything, so it takes no id."
                if everywhere
                else f"Only the switch of your own {kind.value} can be worked from here.",
                code="usage",
                remedy="Leave the id out; for one tool or agent use the kinds tool and agent."
                if everywhere
                else f"Leave the id out, or use --{'tenant' if kind is Kind.TENANT else 'env'} and a key of there.",
            )
        return own[kind]
    if not id:
        raise Invalid(
            f"Name the {kind.value}.",
            code="usage",
            remedy=f"See {at.command('tools' if kind is Kind.TOOL else 'skills', 'list')}.",
        )
    return id


def _approval_command(at: At, approval: Json) -> str:
    return at.command("approvals", "show", str(approval["approval_id"]))


def _name(switch: Json) -> str:
    return f"{switch['kind']} {switch['id']}".strip()
