"""A campaign: traffic through the API, workers killed under it, and the evidence once all has come to rest."""

import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from clearway.model.errors import Conflict, Unavailable
from clearway.model.ledger import LedgerState
from tests.crash.boundaries import BOUNDARIES, Order
from tests.crash.evidence import Evidence
from tests.crash.site import SCOPE, Never, Site, Worker, eventually
from tests.crash.verdict import FOR_PEOPLE, Violation, judge
from tests.crash.worker import Task

SKILLS = ("errand", "plain_errand", "wide_errand", "errand", "plain_errand", "wide_errand", "blind_errand")
SETTLE_LIMIT_S = 180.0
#: A worker that does not get to its boundary in this time is killed where it is.
BOUNDARY_LIMIT_S = 4.0
ACTIVE = frozenset({"queued", "running", "waiting", "sleeping"})


@dataclass(frozen=True)
class Plan:
    """`named_share` of the kills are at named boundaries, the others 0 to `longest_ms` after the worker works."""

    kills: int
    seed: int
    workers: int = 1
    named_share: float = 0.5
    longest_ms: float = 800.0
    open_runs: int = 6
    boundaries: tuple[str, ...] = BOUNDARIES
    sabotage: str = ""


@dataclass
class Result:
    """`doubts`: effects that came into doubt, by how it was resolved. `for_people`: those that only people could."""

    evidence: Evidence
    violations: list[Violation]
    hows: Counter[str] = field(default_factory=Counter[str])
    for_people: int = 0
    duration_s: float = 0.0


class Traffic(threading.Thread):
    """Keeps `most` runs open: starts new ones, and approves what is held, until `finish`."""

    def __init__(self, site: Site, most: int, chance: random.Random) -> None:
        super().__init__(name="traffic")
        self._site, self._most, self._chance = site, most, chance
        self._finished = threading.Event()
        self._running: set[str] = set()
        self._asked = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._finished.is_set():
                self._turn()
                self._finished.wait(0.05)
        except BaseException as error:
            self.error = error

    def _turn(self) -> None:
        self._running = {run_id for run_id in self._running if self._site.status(run_id) in ACTIVE}
        while len(self._running) < self._most and not self._finished.is_set():
            key = f"request-{self._asked}"
            try:
                skill, amount_minor = SKILLS[self._asked % len(SKILLS)], self._chance.randint(1, 9999)
                self._running.add(self._site.start(skill, amount_minor, key))
            except Unavailable:
                return  # not acknowledged: asked again, under the same key, at the next turn
            self._asked += 1
        approve(self._site)

    def finish(self) -> None:
        self._finished.set()
        self.join()
        if self.error is not None:
            raise self.error


def approve(site: Site) -> None:
    """Approves what is pending. A decision that collided or found the store busy is made at the next turn."""
    try:
        site.approve_all()
    except (Conflict, Unavailable):
        return


def carry_out(site: Site, plan: Plan) -> Result:
    """Kills `plan.kills` workers, lets everything come to rest, and judges."""
    begun, chance, hows = time.monotonic(), random.Random(plan.seed), Counter[str]()
    for service in (site.keyed, site.plain):  # what is committed takes a moment to be answered: more kills hit it
        site.arm(service, "slow", times=None, delay_s=0.015)
    traffic = Traffic(site, plan.open_runs, random.Random(plan.seed + 1))
    names = _named(plan, chance)
    workers = [site.start_worker(_task(plan)) for _ in range(plan.workers)]
    for worker in workers:
        worker.await_ready()
    traffic.start()
    try:
        for number in range(plan.kills):
            victim = chance.randrange(plan.workers)
            how = _kill(site, workers[victim], names[number], chance, plan)
            hows[how] += 1
            workers[victim] = site.start_worker(_task(plan)).await_ready()
            if traffic.error is not None:
                break
    finally:
        traffic.finish()
    _come_to_rest(site)
    evidence = site.evidence()
    for_people = evidence.states()["unknown"]
    violations = judge(evidence)
    if for_people and not violations:
        resolve(site, evidence)
        _come_to_rest(site)
        evidence = site.evidence()
        violations = judge(evidence)
    for worker in workers:
        site.workers.remove(worker)
        worker.stop()
    return Result(evidence, violations, hows, for_people, time.monotonic() - begun)


def resolve(site: Site, evidence: Evidence) -> None:
    """What people do about UNKNOWN: they look into billing's books and say what they saw."""
    charged = {charge.idempotency_key for charge in evidence.charges}
    for entry in evidence.entries:
        if entry.state is LedgerState.UNKNOWN:
            site.olga.resolve(entry.key, happened=entry.key in charged, reason="looked it up in billing's ledger")


def _named(plan: Plan, chance: random.Random) -> list[str | None]:
    """For each kill its boundary, or None for a random moment; every boundary about equally often."""
    count = round(plan.kills * plan.named_share)
    names: list[str | None] = [plan.boundaries[number % len(plan.boundaries)] for number in range(count)]
    names += [None] * (plan.kills - count)
    chance.shuffle(names)
    return names


def _task(plan: Plan) -> Task:
    return Task(sabotage=plan.sabotage)


def _kill(site: Site, worker: Worker, boundary: str | None, chance: random.Random, plan: Plan) -> str:
    """Kills the worker at the boundary, or else at a random moment; returns which it was."""
    if boundary is not None:
        worker.tell(Order(boundary, chance.randint(1, 3), signal.SIGKILL))
        with suppress(Never):
            eventually(lambda: not worker.is_alive, BOUNDARY_LIMIT_S)
    else:
        threading.Event().wait(chance.uniform(0, plan.longest_ms) / 1000)  # the random moment itself
    worker.kill()
    how = boundary if boundary is not None and worker.said("at", boundary) else "random"
    site.bury(worker, how)
    return how


def _come_to_rest(site: Site) -> None:
    """Waits until every acknowledged run has ended or is left to people. What does not, the verdict names."""

    def at_rest() -> bool:
        approve(site)
        statuses = {run_id: site.status(run_id) for run_id in site.acknowledged}
        return all(
            status not in ACTIVE and (status != "unknown" or _left_to_people(site, run_id))
            for run_id, status in statuses.items()
        )

    with suppress(Never):
        eventually(at_rest, SETTLE_LIMIT_S)


def _left_to_people(site: Site, run_id: str) -> bool:
    entries = site.app.store.read(SCOPE, lambda tx: tx.ledger.of_run(run_id))
    unknown = {entry.tool for entry in entries if entry.state is LedgerState.UNKNOWN}
    return bool(unknown) and unknown <= FOR_PEOPLE


__all__ = ["Plan", "Result", "carry_out"]
