"""A support desk: tools over the remote, and skills that use them."""

from collections.abc import Callable
from typing import Any

from clearway import Found, Idempotency, Run, ToolContext, skill, tool
from clearway.model.tool import Arguments, NotFound
from clearway.project.declare import Skill, Tool
from tests.road import Remote

AnyTool = Tool[..., Any]
AnySkill = Skill[..., Any]


def lookup_at(remote: Remote) -> Callable[[str, Arguments], Found | NotFound]:
    """Asks the remote by key."""

    def look_up(key: str, arguments: Arguments) -> Found | NotFound:
        found = remote.has(key)
        return NotFound() if found is None else Found(found, found["ref"])

    return look_up


def refund_tool(remote: Remote, **options: Any) -> AnyTool:
    options = {
        "targets": "account:{account}",
        "impact": "external",
        "name": "refund",
        "summary": "Refund {amount_minor|money:currency} to account {account}",
        **options,
    }

    @tool(**options)
    async def refund(
        ctx: ToolContext, account: str, amount_minor: int, currency: str = "USD", note: str = ""
    ) -> dict[str, Any]:
        return remote.call(ctx, str(options["name"]), account=account, amount_minor=amount_minor)

    return refund


def keyed(window_s: float = 3600.0) -> Idempotency:
    return Idempotency(remote_dedup_window_s=window_s)


def looked_up(remote: Remote, settle_delay_s: float = 0.0) -> Idempotency:
    return Idempotency(lookup=lookup_at(remote), settle_delay_s=settle_delay_s)


def read_tool(remote: Remote, **options: Any) -> AnyTool:
    options = {"impact": "read", "targets": "account:{account}", "name": "read_account", **options}

    @tool(**options)
    async def read_account(ctx: ToolContext, account: str) -> dict[str, Any]:
        return remote.call(ctx, "read_account", account=account)

    return read_account


def refund_skill(**options: Any) -> AnySkill:
    options = {"name": "desk", "tools": ["refund"], **options}

    @skill(**options)
    async def desk(
        run: Run,
        account: str,
        amount_minor: int,
        currency: str = "USD",
        note: str = "",
        reason: str = "the customer asked",
    ) -> dict[str, Any]:
        return await run.call(
            "refund", account=account, amount_minor=amount_minor, currency=currency, note=note, reason=reason
        )

    return desk


def errand_skill(*tools: str, **options: Any) -> AnySkill:
    """Does what its input says, one call after the other: `[[tool, arguments], …]`; the endings of all."""
    options = {"name": "errand", "tools": list(tools), **options}

    @skill(**options)
    async def errand(run: Run, plan: list[list[Any]]) -> list[str]:
        endings: list[str] = []
        for name, arguments in plan:
            outcome = await run.propose(name, **arguments)
            endings.append(getattr(outcome, "code", "done"))
        return endings

    return errand
