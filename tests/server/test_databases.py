"""The server on SQLite and on Postgres: the same suite for both."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearway.adapters.sql.store import SqlStore
from clearway.app import Clearway
from clearway.model.errors import Conflict, Invalid
from clearway.model.identity import Scope
from clearway.model.session import Session, SignedInUser
from tests.databases import ACME
from tests.server.site import LARGE, SMALL, Site, running, write_project

OTHER = Scope("umbrella", "prod")


@pytest.fixture
def on_either(empty_database_url: str, tmp_path: Path) -> Iterator[Site]:
    folder = write_project(tmp_path / "project")
    with Clearway.open(folder, store_url=empty_database_url) as app, running(app) as site:
        yield site


def test_a_run_an_approval_a_stream_and_a_session(on_either: Site) -> None:
    site = on_either
    with site.client("dana") as dana, site.client("gil") as foreign:
        first = dana.post("/v1/runs", json=LARGE, headers={"idempotency-key": "k"}).json()["data"]
        assert dana.post("/v1/runs", json=LARGE, headers={"idempotency-key": "k"}).status_code == 200
        approval = site.ended(first["run_id"])["approvals"][0]["approval_id"]
        assert foreign.get(f"/v1/runs/{first['run_id']}").status_code == 404
        assert foreign.get(f"/v1/approvals/{approval}").status_code == 404
        cookie = site.session("bo")
        with site.browser(cookie) as page:
            digest = page.get(f"/v1/approvals/{approval}").json()["data"]["presented_digest"]
            voted = page.post(f"/v1/approvals/{approval}/approve", json={"presented_digest": digest})
            assert voted.json()["data"]["state"] == "approved"
        with dana.stream("GET", f"/v1/runs/{first['run_id']}/events") as answer:
            text = answer.read().decode()
        assert "event: approval.approved" in text
        assert text.rstrip().endswith("event: end\ndata: {}")
        assert site.ended(first["run_id"])["status"] == "done"
        assert dana.post("/v1/audit/verify", json={}).json()["data"]["status"] == "intact"
        with site.browser(cookie) as page:
            assert page.request("DELETE", "/v1/session", json={}).status_code == 200
            assert page.get("/v1/me").status_code == 401


def test_sixteen_callers_of_one_idempotency_key_get_one_run(on_either: Site) -> None:
    found: list[tuple[int, str]] = []

    def ask() -> None:
        with on_either.client("dana") as client:
            answer = client.post("/v1/runs", json=SMALL, headers={"idempotency-key": "once"})
            found.append((answer.status_code, answer.json()["data"]["run_id"]))

    on_either.key("dana")
    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run_id for _, run_id in found}) == 1
    assert sorted(status for status, _ in found) == [200] * 15 + [201]


def session(scope: Scope = ACME, session_hash: str = "h1", subject: str = "user:dana") -> Session:
    return Session(session_hash, scope.tenant, scope.environment, subject, "oidc:idp", 1.0, 1.0, 1.0, 100.0)


def test_a_session_is_found_by_its_hash_and_changed_in_its_scope_only(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.sessions.insert(session()))
    assert store.find_session("h1") == session()
    assert store.find_session("h1' OR '1'='1") is None
    with pytest.raises(Conflict):
        store.write(OTHER, lambda tx: tx.sessions.insert(session(OTHER)))
    with pytest.raises(Invalid):
        store.write(OTHER, lambda tx: tx.sessions.insert(session(ACME, "h2")))
    for change in (
        lambda tx: tx.sessions.seen("h1", 9.0),
        lambda tx: tx.sessions.end("h1", 9.0),
        lambda tx: tx.sessions.end_of("user:dana", 9.0),
        lambda tx: tx.sessions.prune(1000.0),
    ):
        assert not store.write(OTHER, change)
    assert store.read(OTHER, lambda tx: tx.sessions.list()) == []
    assert store.write(ACME, lambda tx: tx.sessions.seen("h1", 9.0))
    assert [s.seen_at for s in store.read(ACME, lambda tx: tx.sessions.list())] == [9.0]
    assert store.write(ACME, lambda tx: tx.sessions.end("h1", 10.0))
    assert not store.write(ACME, lambda tx: tx.sessions.end("h1", 11.0))
    found = store.find_session("h1")
    assert found is not None
    assert found.ended_at == 10.0
    assert store.read(ACME, lambda tx: tx.sessions.list()) == []


def test_all_of_a_persons_sessions_end_and_old_ones_go(store: SqlStore) -> None:
    for number in range(3):
        store.write(ACME, lambda tx, n=number: tx.sessions.insert(session(session_hash=f"h{n}")))
    store.write(ACME, lambda tx: tx.sessions.insert(session(session_hash="other", subject="user:bo")))
    assert store.write(ACME, lambda tx: tx.sessions.end_of("user:dana", 5.0)) == 3
    assert [s.session_hash for s in store.read(ACME, lambda tx: tx.sessions.list())] == ["other"]
    assert store.write(ACME, lambda tx: tx.sessions.prune(6.0)) == 3
    assert store.write(ACME, lambda tx: tx.sessions.prune(100.5)) == 1


def test_a_signed_in_person_is_put_anew_and_stays_disabled(store: SqlStore) -> None:
    user = SignedInUser("oidc.x", "acme", "prod", "https://idp", ("operator",), ("finance",), 1.0, 1.0)
    store.write(ACME, lambda tx: tx.users.put(user))
    assert store.read(ACME, lambda tx: tx.users.get("oidc.x")) == user
    assert store.write(ACME, lambda tx: tx.users.disable("oidc.x", 5.0))
    again = SignedInUser("oidc.x", "acme", "prod", "https://idp", ("viewer",), (), 9.0, 9.0)
    store.write(ACME, lambda tx: tx.users.put(again))
    found = store.read(ACME, lambda tx: tx.users.get("oidc.x"))
    assert found is not None
    assert (found.roles, found.groups, found.created_at, found.seen_at) == (("viewer",), (), 1.0, 9.0)
    assert found.disabled_at == 5.0
    assert store.read(OTHER, lambda tx: (tx.users.list(), tx.users.get("oidc.x"))) == ([], None)
    assert not store.write(OTHER, lambda tx: tx.users.disable("oidc.x", None))
    assert store.write(ACME, lambda tx: tx.users.disable("oidc.x", None))
    assert [u.disabled_at for u in store.read(ACME, lambda tx: tx.users.list())] == [None]
