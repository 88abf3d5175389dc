"""A shadow and a guarded canary on Postgres, with two workers that carry runs out at once."""

import json
from collections import Counter
from pathlib import Path

import pytest

import clearway.adapters.dbos_engine.dbos_process  # noqa: F401 - imported before the fork
from clearway.app import Clearway
from clearway.model.event import RecordedEvent
from clearway.model.identity import Scope
from clearway.operate.releases.watching import GUARD
from clearway.rules.releases.guard import Terms
from tests.crash.site import eventually
from tests.databases import PostgresServer
from tests.releases.desk import DENY, FILES, write
from tests.releases.workers import processes, work

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

DEV = Scope("acme", "dev")
REQUESTS = 24
MOST_REQUESTS = 150
#: What a refund leaves behind outside of any store: one line for each time that it was really sent.
SENDS = FILES["tools/desk.py"].replace(
    '    "Refunds."\n',
    '    "Refunds."\n    with open(__file__ + ".sent", "a") as sent:\n        sent.write(f"{account}\\n")\n',
)


class Site:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = write(folder, **{"tools/desk.py": SENDS}), url

    def sent(self) -> list[str]:
        path = self.folder / "tools" / "desk.py.sent"
        return path.read_text().split() if path.exists() else []

    def cut(self, app: Clearway) -> str:
        return str(app.shelf.cut(app.acting("olga").caller, "a change")["digest"])

    def change(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def site(tmp_path: Path, postgres_server: PostgresServer) -> Site:
    made = Site(tmp_path / "desk", postgres_server.create())
    with Clearway.open(made.folder, store_url=made.url) as app:
        app.rollout.promote(app.acting("olga").caller, made.cut(app), "to begin")
    return made


def events(app: Clearway, *kinds: str) -> list[RecordedEvent]:
    return [e for e in app.store.read(DEV, lambda tx: tx.audit.read(limit=100_000)) if e.kind in kinds]


def ended(app: Clearway, run_ids: list[str]) -> Counter[tuple[str, str]]:
    reading = app.reading()
    eventually(lambda: all(reading.run_status(run_id)["final"] for run_id in run_ids), 60, why="runs are lost")
    return Counter((r["release"], r["status"]) for r in map(reading.run, run_ids))


def test_a_shadow_sends_nothing_and_each_of_its_differences_is_recorded_once(site: Site) -> None:
    site.change("clearway.toml", 'refunds = ["refund"]', 'refunds = ["money"]')
    (site.folder / "policies" / "main.cedar").write_text(FILES["policies/main.cedar"] + DENY)
    with Clearway.open(site.folder, store_url=site.url) as app:
        shadow, live = site.cut(app), str(app.rollout.status(DEV)["active"])
        app.rollout.shadow(app.acting("olga").caller, shadow, "let us see")
        with processes(work, 2, str(site.folder), site.url):
            dana = app.acting("dana")
            run_ids = [
                str(dana.start("a refund please", input={"account": f"a{n}"})["run_id"]) for n in range(REQUESTS)
            ]
            assert ended(app, run_ids) == Counter({(live, "done"): REQUESTS}), "the live release decides"
        assert sorted(site.sent()) == sorted(f"a{n}" for n in range(REQUESTS)), "each was sent once, by the live one"
        rows = app.store.read(DEV, lambda tx: tx.ledger.list(limit=500))
        assert sorted(row.run_id for row in rows) == sorted(run_ids), "the shadow leaves no row in the ledger"
        assert {row.state.value for row in rows} == {"succeeded"}
        decided = events(app, "release.shadow_decision")
        assert sorted(str(e.run_id) for e in decided) == sorted(run_ids)
        assert {(e.payload["live"], e.payload["shadow"]) for e in decided if e.payload} == {("allow", "deny")}
        routed = events(app, "release.shadow_route")
        assert sorted(str(e.run_id) for e in routed) == sorted(run_ids)
        assert {(e.payload["live"], e.payload["shadow"]) for e in routed if e.payload} == {("refunds", None)}
        assert app.rollout.status(DEV)["active"] == live


def test_a_guard_whose_evidence_comes_from_two_workers_ends_a_bad_canary_once(site: Site) -> None:
    (site.folder / "policies" / "main.cedar").write_text(FILES["policies/main.cedar"] + DENY)
    with Clearway.open(site.folder, store_url=site.url) as app:
        canary, live = site.cut(app), str(app.rollout.status(DEV)["active"])
        app.rollout.canary(app.acting("olga").caller, canary, 0.5, "carefully", Terms())
        run_ids: list[str] = []
        with processes(work, 2, str(site.folder), site.url):
            dana = app.acting("dana")
            while len(run_ids) < MOST_REQUESTS and app.rollout.status(DEV)["canary"] is not None:
                batch = range(len(run_ids), len(run_ids) + 6)
                run_ids += [str(dana.start("a refund please", key=f"k{n}")["run_id"]) for n in batch]
                ended(app, run_ids)
            status = app.rollout.status(DEV)
            assert (status["active"], status["canary"], status["moved_by"]) == (live, None, GUARD), len(run_ids)
            after = ended(app, [str(dana.start("a refund please")["run_id"]) for _ in range(6)])
            assert after == Counter({(live, "done"): 6}), "from then on the live release decides alone"
        found = ended(app, run_ids)
        assert found[live, "done"], "the control has traffic"
        assert found[canary, "refused"], "the canary denied"
        # A run of the canary's that had not come to its refund before the way back is decided by the live policy.
        assert set(found) <= {(live, "done"), (canary, "refused"), (canary, "done")}
        (back,) = events(app, "release.rolled_back")
        assert back.payload is not None
        assert "denials" in back.payload["reason"]
        done = found[live, "done"] + found[canary, "done"] + 6
        assert len(site.sent()) == done, "what the canary denied was not sent"
        print(json.dumps({"requests": len(run_ids), "reason": back.payload["reason"]}))
