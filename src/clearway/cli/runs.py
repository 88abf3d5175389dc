"""`clearway run`, and `clearway runs list | show | cancel | retry | unhold`."""

from typing import Annotated, Any

import typer

from clearway.cli.command import RUN_EXITS, STILL_GOING, command, group_of
from clearway.cli.context import At, page_hint
from clearway.cli.follow import carry_out, look_on
from clearway.cli.output import moment
from clearway.cli.show_run import show_next, show_outcome, show_run
from clearway.cli.values import json_object
from clearway.model.errors import Invalid
from clearway.operate.operations import Json

Wait = Annotated[
    float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to follow the run; 0: not at all.")
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show the real result, to whom the run acts for.")]
Limit = Annotated[int, typer.Option("--limit", help="Rows on a page.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Of the page before: go on behind it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


def declare(root: typer.Typer) -> None:
    command(root, "run")(run)
    runs = group_of(root, "runs", "Runs: list, look, cancel, retry, let held ones go on.")
    command(runs, "list")(list_)
    command(runs, "show")(show)
    command(runs, "cancel")(cancel)
    command(runs, "retry")(retry)
    command(runs, "unhold")(unhold)


def run(
    at: At,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is asked.")],
    skill: Annotated[
        str | None, typer.Option("--skill", help="The skill, instead of choosing one by the text.")
    ] = None,
    input: Annotated[str, typer.Option("--input", metavar="JSON", help="The skill's arguments.")] = "{}",
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same one again is the same run.")
    ] = None,
    request_id: Annotated[str | None, typer.Option("--request-id", help="The caller's own id.")] = None,
    correlation_id: Annotated[
        str | None, typer.Option("--correlation-id", help="Joins runs that belong together.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Id of the person whose data it is about, for erasure.")
    ] = None,
    wait: Wait = 60.0,
    reveal: Reveal = False,
) -> int:
    """Start a run and follow it. Without a worker, this process carries it out meanwhile."""
    given = json_object(input, "--input")
    with at.desk(make=True) as app:
        ops = at.caller(app, narrow=False)
        started = ops.start(
            text,
            skill=skill,
            input=given,
            key=key,
            request_id=request_id,
            correlation_id=correlation_id,
            **({} if subject is None else {"subject": subject}),
            role=at.shared.role,
        )
        run_id = str(started["run_id"])
        if not started["new"]:
            at.out.hint("The key was used for this request before: it is the same run.")
        if wait > 0:
            carry_out(at, app, ops, run_id, wait)
        elif not app.is_served():
            at.out.hint(f"No worker is running; start one: {at.command('worker')}")
        record = _revealed(ops, ops.run(run_id), reveal)
    return _end(at, {**record, "new": started["new"]}, followed=wait > 0)


def list_(
    at: At,
    status: Annotated[str | None, typer.Option("--status", help="queued, running, waiting, unknown, …")] = None,
    skill: Annotated[str | None, typer.Option("--skill", help="Of this skill only.")] = None,
    correlation_id: Annotated[str | None, typer.Option("--correlation-id", help="Of this correlation only.")] = None,
    held: Annotated[bool, typer.Option("--held", help="Only runs that a rollback holds.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List runs, newest first."""
    with at.operations() as ops:
        page = ops.runs(
            status=status,
            skill=skill,
            correlation_id=correlation_id,
            limit=limit,
            cursor=cursor,
            **({"held": True} if held else {}),
        )
    if held:
        at.out.emit("runs", page, lambda: _show_held(at, page))
        page_hint(at, page, "runs", "list", "--held", ("--limit", str(limit)))
        return
    at.out.emit(
        "runs",
        page,
        lambda: at.out.table(
            ("run", "status", "skill", "for", "created", "failure"),
            [
                (r["run_id"], r["status"], r["skill"], r["user"], moment(r["created_at"]), r["failure_code"])
                for r in page["items"]
            ],
        ),
    )
    asked = (("--status", status), ("--skill", skill), ("--correlation-id", correlation_id), ("--limit", str(limit)))
    page_hint(at, page, "runs", "list", *asked)


def show(
    at: At,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    wait: Wait = 0.0,
    events: Annotated[bool, typer.Option("--events", help="Also the recorded events.")] = False,
    reveal: Reveal = False,
) -> int:
    """Show a run whole. With --wait, follow it first, and exit by how it stands then.

    It reads only: a worker, or whoever started the run, carries it out.
    """
    with at.desk() as app:
        ops = at.caller(app)
        if wait > 0:
            look_on(at, app, ops, run_id, wait)
        record = _revealed(ops, ops.run(run_id), reveal)
    at.out.emit("run", record, lambda: show_run(at, record, events=events))
    if record.get("no_worker") and not wait:
        at.out.hint(f"No worker is running to carry it on; start one: {at.command('worker')}")
    show_next(at, record)
    return exit_of(record) if wait > 0 else 0


def cancel(at: At, run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")], reason: Reason) -> None:
    """Ask a run to stop: nothing more is sent, and what was done is undone where a tool says how."""
    with at.desk() as app:
        ops = at.caller(app)
        ops.cancel(run_id, reason)
        record = ops.run(run_id)
        served = app.is_served()
    at.out.emit("run", record, lambda: at.out.say(f"{run_id}: asked to stop"))
    if not served:
        at.out.hint(f"No worker is running to end it; start one: {at.command('worker')}")


def retry(
    at: At,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    reason: Reason,
    wait: Wait = 0.0,
) -> int:
    """Carry a failed or refused run on from where it ended; what succeeded is not done again."""
    with at.desk() as app:
        ops = at.caller(app)
        ops.retry(run_id, reason)
        return follow_or_say(at, app, ops, run_id, wait)


def unhold(
    at: At,
    reason: Reason,
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run's id.")] = None,
    all_of: Annotated[
        str | None, typer.Option("--all-of", metavar="RELEASE", help="Every held run of this release, instead of one.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="End what is held instead of letting it go on.")] = False,
) -> None:
    """Let runs that a rollback held go on under the release they are pinned to, as policy allows.

    For the incident and policy owners, not for whom a run acts for. Under a revoked release nothing goes on.
    """
    if (run_id is None) == (all_of is None):
        raise Invalid("Name a run, or a release with --all-of.", code="run", remedy="See: clearway runs list --held.")
    with at.operations() as ops:
        if run_id is not None:
            found = ops.unhold_run(run_id, reason, cancel=cancel)
        else:
            found = ops.unhold_runs_of(str(all_of), reason, cancel=cancel)
    done = "asked to stop" if cancel else "goes on"

    def show_it() -> None:
        for run in found["runs"]:
            at.out.say(f"{run['run_id']}: {done}")
        for run in found["left"]:
            at.out.say(f"{run['run_id']}: still held, {run['why']}")

    at.out.emit("runs_unheld", found, show_it)


def _show_held(at: At, page: Json) -> None:
    rows = [
        (r["run_id"], r["status"], r["skill"], r["user"], h["for"], moment(h["since"]), h["by"], h["reason"])
        for r in page["items"]
        for h in [r["held"]]
    ]
    at.out.table(("run", "status", "skill", "for", "waits for", "since", "by", "reason"), rows)


def follow_or_say(at: At, app: Any, ops: Any, run_id: str, wait: float) -> int:
    """Follows the run, or says who will carry it on. Returns the exit code."""
    if wait > 0:
        carry_out(at, app, ops, run_id, wait)
    elif not app.is_served():
        at.out.hint(f"No worker is running to carry it on; start one: {at.command('worker')}")
    return _end(at, ops.run(run_id), followed=wait > 0)


def exit_of(record: Json) -> int:
    return RUN_EXITS.get(record["status"], STILL_GOING)


def _end(at: At, record: Json, *, followed: bool) -> int:
    at.out.emit("run", record, lambda: show_outcome(at, record))
    show_next(at, record)
    if not followed:
        at.out.hint(f"follow it: {at.command('runs', 'show', record['run_id'], '--wait', '60')}")
        return 0
    return exit_of(record)


def _revealed(ops: Any, record: Json, reveal: bool) -> Json:
    return {**record, "result": ops.result(record["run_id"])} if reveal else record
