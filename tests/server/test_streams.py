"""Server-sent events: from the beginning, from behind a number, live, and only for whom they are."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx

from clearway.app import Clearway
from clearway.model.event import Event
from clearway.model.identity import Scope
from clearway.remote.connection import parse_events
from tests.server.site import LARGE, SMALL, Site, running

PROD = Scope("acme", "prod")


def listen(client: httpx.Client, path: str, after: int | None = None) -> Iterator[tuple[int, str, Any]]:
    headers = {} if after is None else {"last-event-id": str(after)}
    with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        for last, name, data in parse_events(answer.iter_lines()):
            yield int(last or 0), name, json.loads(data).get("data")


def say(site: Site, kind: str, run_id: str | None = None, scope: Scope = PROD) -> int:
    return site.app.store.write(scope, lambda tx: tx.audit.append([Event(kind, {"n": 1}, run_id)])[0].seq)


def test_a_runs_events_come_in_order_and_end_with_it(site: Site) -> None:
    with site.client("dana") as client:
        run_id = client.post("/v1/runs", json=SMALL).json()["data"]["run_id"]
        found = list(listen(client, f"/v1/runs/{run_id}/events"))
        record = site.ended(run_id)
    kinds = [name for _, name, _ in found]
    assert kinds == [*(e["kind"] for e in record["events"]), "end"]
    assert [seq for seq, _, _ in found[:-1]] == [e["seq"] for e in record["events"]]
    assert found[0][2]["payload"] == record["events"][0]["payload"]


def test_a_stream_goes_on_behind_the_last_event_id_without_gap_or_repeat(site: Site) -> None:
    with site.client("dana") as client:
        run_id = client.post("/v1/runs", json=SMALL).json()["data"]["run_id"]
        whole = [event[:2] for event in listen(client, f"/v1/runs/{run_id}/events")]
        for cut in range(1, len(whole) - 1):
            rest = [event[:2] for event in listen(client, f"/v1/runs/{run_id}/events", after=whole[cut - 1][0])]
            assert rest == whole[cut:], cut
        last = whole[-2][0]
        over = client.get(f"/v1/runs/{run_id}/events", headers={"last-event-id": str(last)})
        assert over.status_code == 204
        assert client.get(f"/v1/runs/{run_id}/events", headers={"last-event-id": "x"}).status_code == 422


def test_news_reach_a_listener_who_waits(site: Site) -> None:
    with site.client("dana") as client, site.client("bo") as bo:
        run_id = client.post("/v1/runs", json=LARGE).json()["data"]["run_id"]
        site.ended(run_id)
        events = listen(client, f"/v1/runs/{run_id}/events")
        while next(events)[1] != "run.waiting":
            pass
        approval = client.get("/v1/approvals").json()["data"]["items"][0]["approval_id"]
        digest = bo.get(f"/v1/approvals/{approval}").json()["data"]["presented_digest"]
        bo.post(f"/v1/approvals/{approval}/approve", json={"presented_digest": digest})
        rest = [name for _, name, _ in events]
    assert rest[0] == "approval.voted"
    assert rest[-2:] == ["run.finished", "end"]


def test_the_scopes_stream_begins_now_is_filtered_and_has_nothing_of_others(still: Site) -> None:
    say(still, "approval.requested")
    got: list[tuple[int, str, Any]] = []
    ready, done = threading.Event(), threading.Event()

    def hear() -> None:
        with still.client("vera") as client, client.stream("GET", "/v1/events?kinds=approval.,run.") as answer:
            ready.set()
            for last, name, data in parse_events(answer.iter_lines()):
                got.append((int(last), name, json.loads(data)))
                if len(got) == 2:
                    break
        done.set()

    thread = threading.Thread(target=hear)
    thread.start()
    assert ready.wait(30)
    say(still, "approval.requested", scope=Scope("globex", "prod"))
    say(still, "approval.requested", scope=Scope("acme", "dev"))
    say(still, "key.created")
    first, second = say(still, "approval.voted"), say(still, "run.started")
    assert done.wait(30)
    thread.join()
    assert [(seq, name) for seq, name, _ in got] == [(first, "approval.voted"), (second, "run.started")]


def test_a_listener_far_behind_gets_everything_once(still: Site) -> None:
    still.key("vera")
    numbers = [say(still, f"run.n{n}", "run_x") for n in range(30)]

    def many(tx: Any) -> list[int]:
        return [e.seq for e in tx.audit.append([Event("run.more", {}, "run_x") for _ in range(1200)])]

    with still.client("vera") as client:
        events = listen(client, "/v1/events", after=numbers[0])
        first = [next(events)[0] for _ in range(10)]
        numbers += still.app.store.write(PROD, many)
        rest = [next(events)[0] for _ in range(len(numbers) - 11)]
    assert first + rest == numbers[1:]
    with still.client("vera") as client:
        late = listen(client, "/v1/events", after=numbers[0])
        assert [next(late)[0] for _ in numbers[1:]] == numbers[1:]


def test_a_stream_ends_when_its_key_is_revoked(app: Clearway) -> None:
    with running(app, work=False, change=lambda o: replace(o, beat_s=0.05)) as site, site.client("vera") as client:
        with client.stream("GET", "/v1/events") as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("retry")
            app.access.revoke_key(_acting(app), site.key("vera").split("_")[2])
            say(site, "run.started")
            assert sum(1 for _ in lines) < 100
        assert client.get("/v1/events").status_code == 401


def test_streams_are_counted_and_given_back(app: Clearway) -> None:
    def two(options: Any) -> Any:
        return replace(options, most_streams_each=2, beat_s=0.05)

    with running(app, work=False, change=two) as site, site.client("vera") as client, site.client("dana") as other:
        with client.stream("GET", "/v1/events") as a, client.stream("GET", "/v1/events") as b:
            assert (a.status_code, b.status_code) == (200, 200)
            third = client.get("/v1/events")
            assert (third.status_code, third.json()["code"]) == (429, "too_many_streams")
            with other.stream("GET", "/v1/events") as c:
                assert c.status_code == 200
        for _ in range(1500):
            if not site.served.api.state.places._open:
                break
            threading.Event().wait(0.02)
        assert not site.served.api.state.places._open
        assert not site.served.site.feed._channels


def _acting(app: Clearway) -> Any:
    from clearway.model.identity import Principal

    return Principal("user", "olga", PROD, frozenset({"admin"}))
