"""The OpenAPI document: what it says is what is answered, whatever is asked."""

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clearway.server import shapes
from clearway.server.rights import ROUTES, Need
from tests.server.site import LARGE, SMALL, Site

CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
#: They redirect to, or come back from, an identity provider that this server does not have; or never end.
LEFT_OUT = ("/v1/oidc/start", "/v1/oidc/callback", "/v1/events", "/v1/runs/{run_id}/events")
EXAMPLES = 12


def test_the_document_is_open_api_3_1_and_names_each_route_with_its_right(still: Site) -> None:
    with still.client() as client:
        document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    named = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert named == set(ROUTES) - {("GET", "/openapi.json")}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert bool(operation["security"]) is (ROUTES[method.upper(), path] is not Need.PUBLIC)
            assert operation["summary"]


# schemathesis draws at random where hypothesis would rather be asked.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.slow
def test_schemathesis_finds_no_fault_of_the_server_and_no_answer_that_is_not_described(site: Site) -> None:
    with site.client("dana") as client:
        for body in (SMALL, LARGE):
            site.ended(client.post("/v1/runs", json=body).json()["data"]["run_id"])
    schema: Any = schemathesis.openapi.from_url(f"{site.url}/openapi.json")
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path not in LEFT_OUT:
            need = ROUTES[operation.method.upper(), operation.path]
            user = {Need.APPROVE: "bo", Need.ADMIN: "olga", Need.OPERATE: "amir"}.get(need, "dana")
            asked += _ask(operation, site.key(user))
            site.served.site.failures._levels.clear()
    assert asked > 300


def _ask(operation: Any, key: str) -> int:
    """How often it was asked. Keys are sent in a right form: the 401s are another test's."""
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        case.headers.pop("authorization", None)
        sent = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        case.validate_response(case.call(headers=sent, timeout=20), checks=CHECKS)

    ask()
    return asked


def test_the_described_shapes_are_those_of_the_records(site: Site) -> None:
    with site.client("dana") as client:
        run = client.post("/v1/runs", json=LARGE).json()["data"]
        shapes.StartedRun.model_validate(run, strict=True)
        site.ended(run["run_id"])
        shapes.RunRecord.model_validate(client.get(f"/v1/runs/{run['run_id']}").json()["data"], strict=True)
        shapes.RunStatusShown.model_validate(client.get(f"/v1/runs/{run['run_id']}/status").json()["data"])
        approval = client.get("/v1/approvals").json()["data"]["items"][0]
        shapes.ApprovalLine.model_validate(approval, strict=True)
        whole = client.get(f"/v1/approvals/{approval['approval_id']}").json()["data"]
        shapes.ApprovalRecord.model_validate(whole, strict=True)
        shapes.EntryRecord.model_validate(client.get("/v1/ledger").json()["data"]["items"][0], strict=True)
        shapes.Me.model_validate(client.get("/v1/me").json()["data"], strict=True)
        for model, shown in ((shapes.RunLine, run), (shapes.ApprovalRecord, whole)):
            assert set(model.model_fields) <= set(shown)


def test_the_envelope_is_the_one_of_the_command_line(still: Site) -> None:
    with still.client("dana") as client:
        listed = client.get("/v1/runs").json()
    assert listed == {"clearway": "v1", "kind": "runs", "data": {"items": [], "next": None}}
    missing = httpx.get(f"{still.url}/v1/none", trust_env=False)
    assert missing.headers["content-type"] == "application/problem+json"
    assert set(missing.json()) == set(shapes.Problem.model_fields)
    wrong = httpx.request("PUT", f"{still.url}/v1/runs", trust_env=False, headers={"authorization": "Bearer x"})
    assert wrong.status_code == 403
    with still.client("dana") as client:
        method = client.put("/v1/runs", json={})
        assert (method.status_code, method.json()["code"]) == (405, "method")
        assert method.headers["allow"]


def test_pages_go_on_where_the_one_before_ended(site: Site) -> None:
    with site.client("dana") as client:
        ids = [client.post("/v1/runs", json=SMALL).json()["data"]["run_id"] for _ in range(5)]
        found, cursor = [], None
        while True:
            query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = client.get("/v1/runs", params=query).json()["data"]
            found += [run["run_id"] for run in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert found == ids[::-1]
        for query in ({"limit": 0}, {"limit": 501}, {"limit": "x"}, {"cursor": "%%"}, {"status": "nowhere"}):
            assert client.get("/v1/runs", params=query).status_code == 422


def test_the_server_is_not_imported_by_the_command_line_until_it_serves() -> None:
    script = "import sys; from clearway.cli.main import make_app; make_app(); assert 'fastapi' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_values_that_were_sent_do_not_come_back_in_a_refusal(still: Site) -> None:
    canary = "canary-4711"
    with still.client("dana") as client:
        for answer in (
            client.post("/v1/runs", json={"text": 5, "input": canary}),
            client.post("/v1/runs", json={canary: 1}),
            client.post("/v1/runs", content=json.dumps(canary)),
            client.get(f"/v1/{canary}"),
            client.get("/v1/runs", params={"status": canary}),
            client.get("/v1/runs", params={"limit": canary}),
            client.get(f"/v1/runs/{canary}"),
            client.post("/v1/runs", json={"skill": canary}),
            client.get("/v1/runs", headers={"authorization": canary}),
            client.get("/v1/runs", headers={"clearway-role": canary}),
        ):
            assert answer.status_code >= 400
            assert canary not in answer.text
