"""Follows a run until it has ended or waits for somebody; for those who act, sees to it that it is carried out."""

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from clearway.cli.context import At, Place
from clearway.cli.output import line
from clearway.operate.resting import has_settled

if TYPE_CHECKING:
    from clearway.operate.operations import Operations

POLL_S = 0.03
#: The same, on a server.
REMOTE_POLL_S = 0.3
#: How often it is looked whether the worker that serves is still there.
LOOK_S = 2.0


def carry_out(at: At, app: Place, ops: "Operations", run_id: str, wait_s: float) -> None:
    """Follows the run for up to `wait_s` seconds; this process carries it out where no other one does.

    INVARIANT: for an identified caller who acts only; whoever reads follows with `look_on`.
    Errors: `Unauthenticated`.
    """
    _ = ops.caller
    _follow(at, app, ops, run_id, wait_s, carries=True)


def look_on(at: At, app: Place, ops: "Operations", run_id: str, wait_s: float) -> None:
    """Follows the run for up to `wait_s` seconds and carries nothing out."""
    if not has_settled(ops.run_status(run_id)) and not app.is_served():
        at.out.hint(f"No worker is running to carry it on; start one: {at.command('worker')}")
    _follow(at, app, ops, run_id, wait_s, carries=False)


def _follow(at: At, app: Place, ops: "Operations", run_id: str, wait_s: float, *, carries: bool) -> None:
    with ExitStack() as stack:
        mine = carries and stack.enter_context(app.working())
        progress = stack.enter_context(_Progress(at))
        begun = looked = time.monotonic()
        try:
            while not has_settled(now := ops.run_status(run_id)):
                progress.tell(now)
                moment = time.monotonic()
                if moment - begun >= wait_s:
                    break
                if carries and not mine and moment - looked >= LOOK_S:
                    mine, looked = stack.enter_context(app.working()), moment
                threading.Event().wait(min(REMOTE_POLL_S if at.shared.server else POLL_S, wait_s))
            progress.tell(now)
        except KeyboardInterrupt:
            at.out.hint(f"{run_id} is not cancelled by this: a worker carries it on ({at.command('worker')})")
            raise
    if not has_settled(now):
        going = "It has not ended yet"
        at.out.hint(
            f"{going}; start a worker to carry it on: {at.command('worker')}"
            if mine or not app.is_served()
            else f"{going}; follow it with: {at.command('runs', 'show', run_id, '--wait', '60')}"
        )


class _Progress:
    """Steps as they come: a live line on a terminal, one line a change elsewhere."""

    def __init__(self, at: At) -> None:
        self._at = at
        self._told: dict[str, str] = {}
        self._live = at.out.err.status("queued") if at.out.err.is_terminal else None

    def __enter__(self) -> "_Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def tell(self, now: dict[str, Any]) -> None:
        for step, tool, state in now["steps"]:
            if self._told.get(step) != state:
                self._told[step] = state
                self._at.out.hint(f"  {step}  {tool}  {state}")
        if self._live:
            self._live.update(line(str(now["status"])))
