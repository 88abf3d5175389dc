"""`clearway ledger list | show | resolve`: what was claimed, sent and done, a row a step."""

from typing import Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At, page_hint
from clearway.cli.output import inline, moment, when
from clearway.cli.runs import Cursor, Limit, Reason
from clearway.cli.show_run import resolved
from clearway.model.errors import Invalid, NotFound
from clearway.operate.operations import Json, Operations
from clearway.rules.canonical import parse_json

Run = Annotated[str | None, typer.Option("--run", help="The run's id.")]
Step = Annotated[str | None, typer.Option("--step", help="The step of that run.")]
Key = Annotated[str | None, typer.Argument(metavar="[KEY]", help="The row's key, or --run and --step.")]


def declare(root: typer.Typer) -> None:
    group = group_of(root, "ledger", "The ledger: what was sent, and what is in doubt.")
    command(group, "list")(list_)
    command(group, "show")(show)
    command(group, "resolve")(resolve)


def list_(
    at: At,
    state: Annotated[str | None, typer.Option("--state", help="unknown, started, succeeded, held, refused, …")] = None,
    run: Run = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List ledger rows, newest first."""
    with at.operations() as ops:
        page = ops.ledger(state=state, run_id=run, limit=limit, cursor=cursor)
    rows = [(e["run_id"], e["step"], e["tool"], e["state"], e["attempts"], moment(e["at"])) for e in page["items"]]
    at.out.emit("ledger", page, lambda: at.out.table(("run", "step", "tool", "state", "tries", "at"), rows))
    page_hint(at, page, "ledger", "list", ("--state", state), ("--run", run), ("--limit", str(limit)))


def show(at: At, key: Key = None, run: Run = None, step: Step = None) -> None:
    """Show one ledger row."""
    _check_named(key, run, step)
    with at.operations() as ops:
        entry = ops.ledger_entry(key or _key_of(ops, run or "", step or ""))
    at.out.emit("ledger_entry", entry, lambda: _show(at, entry))


def resolve(
    at: At,
    reason: Reason,
    key: Key = None,
    run: Run = None,
    step: Step = None,
    happened: Annotated[bool, typer.Option("--happened", help="The effect did happen.")] = False,
    did_not_happen: Annotated[
        bool, typer.Option("--did-not-happen", help="It did not: the step may be tried again.")
    ] = False,
    remote_ref: Annotated[
        str | None, typer.Option("--remote-ref", help="With --happened: its id on the other side.")
    ] = None,
    result: Annotated[
        str | None,
        typer.Option("--result", metavar="JSON", help="With --happened: what the tool would have returned."),
    ] = None,
) -> None:
    """Say whether an effect in doubt happened. Look it up on the other side first: your word is what counts."""
    if happened == did_not_happen:
        raise Invalid(
            "Say one of --happened and --did-not-happen.", code="usage", remedy="Look it up on the other side."
        )
    _check_named(key, run, step)
    if did_not_happen and (remote_ref is not None or result is not None):
        raise Invalid(
            "What did not happen has no --remote-ref and no --result.", code="usage", remedy="Leave them out."
        )
    returned = None if result is None else parse_json(result, what="--result")
    with at.desk() as app:
        ops = at.caller(app)
        _ = ops.caller
        entry = ops.resolve(
            key or _key_of(ops, run or "", step or ""),
            happened=happened,
            reason=reason,
            remote_ref=remote_ref,
            result=returned,
        )
        served = app.is_served()
    at.out.emit("ledger_entry", entry, lambda: _show(at, entry))
    if not served:
        at.out.hint(f"No worker is running to carry the run on; start one: {at.command('worker')}")
    at.out.hint(f"follow the run: {at.command('runs', 'show', entry['run_id'], '--wait', '60')}")


def _check_named(key: str | None, run: str | None, step: str | None) -> None:
    if (key is None) == (run is None or step is None):
        raise Invalid(
            "Name the row: its key, or both --run and --step.", code="usage", remedy="See `clearway ledger list`."
        )


def _key_of(ops: Operations, run: str, step: str) -> str:
    found = next((row["key"] for row in ops.run(run)["steps"] if row["step"] == step), None)
    if found is None:
        raise NotFound("The run has no such step.", remedy="See `clearway runs show`.")
    return str(found)


def _show(at: At, entry: Json) -> None:
    at.out.say(f"{entry['tool']}: {entry['state']}", style="bold")
    at.out.fields(
        [
            ("key", entry["key"]),
            ("run", f"{entry['run_id']}, step {entry['step']}"),
            ("kind", entry["kind"]),
            ("impact", entry["impact"]),
            ("owner", entry["owner"]),
            ("targets", ", ".join(entry["targets"])),
            ("arguments", entry["arguments"]),
            ("result", entry["result"]),
            ("settled by", resolved(entry)),
            ("reason", None if resolved(entry) else entry["message"]),
            ("code", entry["code"]),
            ("policies", ", ".join(entry["policies"])),
            ("tries", str(entry["attempts"])),
            ("approval", entry["approval"]),
            ("grant", entry["grant"]),
            ("remote reference", entry["remote_ref"]),
            ("first sent", when(entry["first_sent_at"])),
            ("updated", when(entry["updated_at"])),
            ("ways out", "; ".join(entry["ways_out"])),
            ("detail", inline(entry["detail"]) if entry["detail"] else None),
        ]
    )
