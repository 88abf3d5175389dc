"""kill -9 around a model's turns: a real worker, a real provider over HTTP that counts, a real billing service."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from clearway.model.ledger import LedgerState
from clearway.testing import FakeProvider, ScriptedModel, call, calls, say
from tests.crash.boundaries import Order
from tests.crash.site import SCOPE, Site, Worker, eventually
from tests.crash.worker import Task
from tests.databases import PostgresServer

pytestmark = [pytest.mark.crash, pytest.mark.slow]

AGENT = '''
from tools.billing import charge, held_charge, read_balance

from clearway import Budget, agent


@agent(model="fake:small", tools=[read_balance, charge, held_charge], budget=Budget(wall_s=3600))
def payer(amount_minor: int) -> None:
    """Charges two accounts."""
'''

#: Boundary → whether an answer that was given is lost there, so that it may be asked for again.
BOUNDARIES = {
    "before turn.asked": False,
    "after turn.asked": False,
    "turn_asked": True,
    "before turn.answered": True,
    "after turn.answered": False,
    "started": False,
    "in flight": False,
    "sent": False,
    "settled": False,
}


#: Boundary and hit → whether an answer that was given is lost there, of a run in which a charge waits for people.
PENDING_BOUNDARIES = {
    ("held", 1): False,
    ("after approval.requested", 1): False,
    ("turn_asked", 2): True,
    ("after turn.answered", 2): False,
    ("after run.waiting", 1): False,
    ("after run.resumed", 1): False,
    ("started", 1): False,
    ("sent", 1): False,
    ("settled", 1): False,
    ("after turn.asked", 4): False,
    ("before turn.answered", 4): True,
}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    script = ScriptedModel(
        call("read_balance", account="2093"),
        calls(
            ("charge", {"account": "2093", "amount_minor": 100}), ("charge", {"account": "5005", "amount_minor": 100})
        ),
        say("Charged both."),
    )
    with FakeProvider(script) as made:
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site(request: pytest.FixtureRequest, tmp_path: Path, provider: FakeProvider) -> Iterator[Site]:
    def prepare(project: Path) -> None:
        (project / "skills" / "payer.py").write_text(AGENT)
        (project / "prompts").mkdir(exist_ok=True)
        (project / "prompts" / "payer.md").write_text("You charge accounts.")
        with (project / "clearway.toml").open("a") as settings:
            settings.write(f'\n[models.providers.fake]\nbase_url = "{provider.url}"\n')

    server: PostgresServer | None = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    made = Site(tmp_path, server.create() if server else None, prepare=prepare)
    yield made
    made.close()


def turns_asked(provider: FakeProvider, since: int = 0) -> list[int]:
    """Which turn each request was, from 1."""
    return [1 + sum(m["role"] == "assistant" for m in body["messages"]) for body in provider.bodies[since:]]


def test_a_killed_worker_asks_for_no_recorded_answer_again_and_runs_no_tool_twice(
    site: Site, provider: FakeProvider
) -> None:
    for boundary, loses in BOUNDARIES.items():
        before = provider.asked
        worker = site.start_worker(Task(Order(boundary, 2, signal.SIGKILL))).await_ready()
        run_id = site.start("payer")
        eventually(lambda: not worker.is_alive, 300, why=f"{boundary} was never reached")  # noqa: B023
        site.bury(worker, boundary)
        rows = site.app.store.read(SCOPE, lambda tx: tx.ledger.of_run(run_id))  # noqa: B023
        recorded = {int(row.step_id[1:]) for row in rows if row.kind == "turn" and row.state is LedgerState.SUCCEEDED}
        killed = provider.asked
        successor = site.start_worker(Task(dead_after_s=1.0)).await_ready()
        eventually(lambda: site.ended([run_id]), 300, why=f"{boundary}: the run did not end")  # noqa: B023
        assert site.status(run_id) == "done", (boundary, site.dana.run(run_id)["failure"])
        assert recorded.isdisjoint(turns_asked(provider, killed)), f"{boundary}: a recorded answer was asked for again"
        assert provider.asked - before == 3 + int(loses), (boundary, turns_asked(provider, before))
        assert successor.stop() == 0
        site.workers.remove(successor)
    charges = site.evidence().charges
    assert len(charges) == 2 * len(BOUNDARIES), "each tool ran once for each run, whatever was killed"


def test_a_killed_worker_asks_people_once_and_tells_the_model_what_they_decided(
    site: Site, provider: FakeProvider
) -> None:
    provider.model = ScriptedModel(
        calls(("read_balance", {"account": "2093"}), ("held_charge", {"account": "2093", "amount_minor": 100})),
        call("read_balance", account="5005"),
        say("It waits for people."),
        say("Charged."),
    )

    def decide(run_id: str) -> None:
        if site.status(run_id) == "waiting":
            site.approve_all()

    def gone(run_id: str, worker: Worker) -> bool:
        decide(run_id)
        return not worker.is_alive

    def over(run_id: str) -> bool:
        decide(run_id)
        return site.ended([run_id])

    for (boundary, hit), loses in PENDING_BOUNDARIES.items():
        before = provider.asked
        worker = site.start_worker(Task(Order(boundary, hit, signal.SIGKILL))).await_ready()
        run_id = site.start("payer")
        eventually(partial(gone, run_id, worker), 300, why=f"{boundary} was never reached")
        site.bury(worker, boundary)
        successor = site.start_worker(Task(dead_after_s=1.0)).await_ready()
        eventually(partial(over, run_id), 300, why=f"{boundary}: the run did not end")
        record = site.dana.run(run_id)
        assert record["result"] == "Charged.", (boundary, record["failure"])
        assert len(record["approvals"]) == 1, f"{boundary}: people were asked twice"
        assert provider.asked - before == 4 + int(loses), (boundary, turns_asked(provider, before))
        last = [each["content"] for each in provider.bodies[-1]["messages"] if each["role"] == "user"]
        assert '"decision": "approved"' in last[-1], boundary
        assert successor.stop() == 0
        site.workers.remove(successor)
    evidence = site.evidence()
    assert len(evidence.charges) == len(PENDING_BOUNDARIES), "each charge was made once, and none without approval"
    assert evidence.audit_status == "intact", evidence.audit_why
