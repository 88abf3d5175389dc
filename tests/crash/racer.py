"""Processes that race for the same approvals and the same passes. Started by `Site.start_racer`."""

import asyncio
import os
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import clearway.adapters.dbos_engine.dbos_process  # noqa: F401 - imported before the fork
from clearway.app import Clearway
from clearway.model.errors import ClearwayError, Conflict
from clearway.model.run_ref import RunRef


@dataclass(frozen=True)
class Race:
    """`approvals`: (approval, run, presented digest) of each, to approve as `user` in this order. One that `wakes` also
    enqueues a further pass of each run, so that passes of one run meet. One that `carries_out` carries the pass
    `pass_id` of each run out itself instead.
    """

    user: str
    approvals: tuple[tuple[str, str, str], ...]
    wakes: bool = False
    carries_out: bool = False
    pass_id: str = "race"


def run_race(folder: str, url: str, race: Race, link: "Connection[Any, Any]") -> None:
    """The process' program: says `ready`, waits for the word, and sends a count of what became of its attempts."""
    os.setsid()
    warnings.simplefilter("error")
    with Clearway.open(folder, store_url=url) as app:
        link.send("ready")
        link.recv()
        link.send(_carry_out(app, race) if race.carries_out else _approve(app, race))


def _approve(app: Clearway, race: Race) -> Counter[str]:
    acting, codes = app.acting(race.user), Counter[str]()
    for approval_id, run_id, digest in race.approvals:
        try:
            acting.approve(approval_id, presented_digest=digest)
            codes["done"] += 1
        except Conflict as conflict:
            codes[conflict.code] += 1
        if race.wakes:
            wake_id = f"{run_id}.race-{os.getpid()}"
            app.store.write(acting.caller.scope, lambda tx, run=run_id, wake=wake_id: tx.wake(run, wake))
    return codes


def _carry_out(app: Clearway, race: Race) -> Counter[str]:
    scope = app.acting(race.user).caller.scope

    async def all_passes() -> Counter[str]:
        codes = Counter[str]()
        for _, run_id, _ in race.approvals:
            try:
                await app.workflow.handle_pass(RunRef(scope.tenant, scope.environment, run_id), race.pass_id)
                codes["done"] += 1
            except ClearwayError as error:
                codes[error.code] += 1
        return codes

    return asyncio.run(all_passes())
