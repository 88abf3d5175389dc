"""Runs over HTTP: the same envelope as the command line, ids in and out, cursors, idempotency."""

from tests.server.site import LARGE, SMALL, Site


def test_a_run_is_started_once_a_key_and_read(site: Site) -> None:
    with site.client("dana") as client:
        first = client.post("/v1/runs", json=SMALL, headers={"idempotency-key": "k1", "x-correlation-id": "order-7"})
        assert first.status_code == 201
        assert first.headers["location"] == f"/v1/runs/{first.json()['data']['run_id']}"
        assert first.headers["x-correlation-id"] == "order-7"
        again = client.post("/v1/runs", json=SMALL, headers={"idempotency-key": "k1"})
        assert (again.status_code, again.json()["data"]["new"]) == (200, False)
        other = client.post("/v1/runs", json=LARGE, headers={"idempotency-key": "k1"})
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        assert other.headers["content-type"] == "application/problem+json"
        record = site.ended(first.json()["data"]["run_id"])
        assert (record["status"], record["correlation_id"]) == ("done", "order-7")
        assert client.get(f"/v1/runs/{record['run_id']}/result").json()["data"]["result"] == {"refunded": 2000}
