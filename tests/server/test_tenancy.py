"""Nothing crosses tenants or environments: every route, by enumeration (threats 18 to 20)."""

import json
from pathlib import Path

import pytest

from clearway.model.endorsement import Endorsement
from clearway.model.identity import Scope
from clearway.server.rights import Need
from tests.server.ask import ask, routes
from tests.server.site import LARGE, SMALL, Site

CANARY = "canary-of-acme"


@pytest.fixture
def of_acme(site: Site) -> dict[str, str]:
    """Ids of everything that acme has in prod: a run that waits, one in doubt, a grant, a key, a person."""
    large = {**LARGE, "input": {**LARGE["input"], "memo": CANARY}}
    with site.client("dana", x_correlation_id=CANARY) as client:
        run_id = client.post("/v1/runs", json=large, headers={"idempotency-key": CANARY}).json()["data"]["run_id"]
        doubt = client.post("/v1/runs", json={"text": CANARY, "skill": "notice", "input": {"board": "silent"}})
    record = site.ended(run_id)
    entry = site.ended(doubt.json()["data"]["run_id"])["steps"][0]["key"]
    asked = {
        "tool": "refund",
        "targets": [f"account:{CANARY}"],
        "bounds": {"account": {"equals": CANARY}, "amount_minor": {"max": 10}, "memo": {"any": True}},
        "reason": CANARY,
    }
    with site.client("amir") as client:
        client.post("/v1/switches/engage", json={"kind": "tool", "id": "post", "reason": CANARY})
        grant = client.post("/v1/grants", json=asked).json()["data"]["approval_id"]
    with site.client("bo") as client:
        digest = client.get(f"/v1/approvals/{grant}").json()["data"]["presented_digest"]
        assert client.post(f"/v1/approvals/{grant}/approve", json={"presented_digest": digest}).status_code == 200
        grant_id = client.get("/v1/grants").json()["data"]["items"][0]["grant_id"]
    endorsement = Endorsement(
        "end_1", "", run_id, "user:dana", "account", "", "user:bo", "user:bo", "finance", "", "", 1.0, 9e9, ""
    )
    site.app.store.write(Scope("acme", "prod"), lambda tx: tx.endorsements.insert(endorsement))
    return {
        "run_id": run_id,
        "endorsement_id": "end_1",
        "approval_id": record["approvals"][0]["approval_id"],
        "key": entry,
        "grant_id": grant_id,
        "key_id": site.key("bo").split("_")[2],
        "user_id": "oidc.somebody",
        "generation": site.release()["generation"],
    }


def _signed_in(site: Site) -> None:
    from clearway.model.session import SignedInUser

    user = SignedInUser("oidc.somebody", "acme", "prod", "https://idp", ("operator",), (), 0.0, 0.0)
    site.app.store.write(Scope("acme", "prod"), lambda tx: tx.users.put(user))


def test_t18_another_tenants_ids_are_not_found_on_any_route(site: Site, of_acme: dict[str, str]) -> None:
    _signed_in(site)
    asked = 0
    for route in routes(site.served.api, site.served.site.routes):
        if not route.parameters or route.need is Need.PUBLIC or "ref" in route.parameters:
            continue  # releases are the project's: the same bundles for every tenant, by design
        assert set(route.parameters) <= set(of_acme), f"this test knows no id for {route}"
        user = "gus" if route.need is Need.APPROVE else "gil"
        with site.client(user) as foreign:
            answer = ask(foreign, route, **of_acme)
            unknown = ask(foreign, route)
        assert answer.status_code == 404, (str(route), answer.text)
        same = ("code", "detail", "remedy")
        assert [answer.json()[n] for n in same] == [unknown.json()[n] for n in same], route
        asked += 1
    assert asked >= 18


def test_t18_the_same_persons_other_environment_is_another_scope(site: Site, of_acme: dict[str, str]) -> None:
    with site.client("dana", "dev") as client:
        assert client.get(f"/v1/runs/{of_acme['run_id']}").status_code == 404
        assert client.get("/v1/runs").json()["data"]["items"] == []


def test_t13_an_approval_is_consumed_once_and_unknown_elsewhere(site: Site, of_acme: dict[str, str]) -> None:
    url = f"/v1/approvals/{of_acme['approval_id']}"
    with site.client("bo") as bo, site.client("amir") as amir:
        body = {"presented_digest": bo.get(url).json()["data"]["presented_digest"]}
        assert bo.post(f"{url}/approve", json={"presented_digest": "sha256:" + "1" * 64}).status_code == 409
        assert bo.post(f"{url}/approve", json=body).status_code == 200
        assert site.ended(of_acme["run_id"], final=True)["status"] == "done"
        for replay in (bo, amir):
            assert replay.post(f"{url}/approve", json=body).status_code == 409
        with site.client("gus") as foreign:
            assert foreign.post(f"{url}/approve", json=body).status_code == 404
        assert bo.post("/v1/approvals/apr_other/approve", json=body).status_code == 404
    steps = site.ended(of_acme["run_id"])["steps"]
    assert [(s["tool"], s["state"], s["attempts"]) for s in steps][-1] == ("refund", "succeeded", 1)


def test_t19_an_equal_idempotency_key_of_another_tenant_is_another_run(site: Site, of_acme: dict[str, str]) -> None:
    body = {"text": "mine", "skill": "desk", "input": {"account": "1", "amount_minor": 1}}
    with site.client("gil") as client:
        started = client.post("/v1/runs", json=body, headers={"idempotency-key": CANARY})
    assert started.status_code == 201
    assert started.json()["data"]["run_id"] != of_acme["run_id"]
    assert CANARY not in json.dumps({**started.json()["data"], "idempotency_key": None})


def test_t20_nothing_of_a_tenant_is_in_any_answer_to_another(
    site: Site, of_acme: dict[str, str], tmp_path: Path
) -> None:
    with site.client("gil") as client:
        client.post("/v1/runs", json=SMALL)
        secrets = {CANARY, *(v for k, v in of_acme.items() if k not in ("user_id", "generation"))}
        for route in routes(site.served.api, site.served.site.routes):
            if route.method == "GET" and not route.parameters and "events" not in route.path:
                text = ask(client, route).text
                assert not any(secret in text for secret in secrets), route
        for query in ({"correlation_id": CANARY}, {"skill": "desk"}, {"status": "waiting"}):
            assert CANARY not in client.get("/v1/runs", params=query).text
        assert client.get("/v1/ledger", params={"run_id": of_acme["run_id"]}).json()["data"]["items"] == []
        exported = client.post("/v1/audit/export", json={}).text
        assert CANARY not in exported
        assert of_acme["run_id"] not in exported


def test_t20_a_cursor_of_another_tenant_shows_nothing_of_theirs(site: Site, of_acme: dict[str, str]) -> None:
    with site.client("dana") as client:
        cursor = client.get("/v1/runs", params={"limit": 1}).json()["data"]["next"]
    with site.client("gil") as foreign:
        page = foreign.get("/v1/runs", params={"cursor": cursor}).json()["data"]
    assert page == {"items": [], "next": None}
