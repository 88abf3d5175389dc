"""Who may what: one table, and every route of the app is in it."""

import re
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI

from clearway.app import Clearway
from clearway.model.errors import Internal
from clearway.model.identity import Principal, Scope
from clearway.server.admission import GuardedRoute, add_routes
from clearway.server.app import check_routes, make_app
from clearway.server.binding import Binding, options_of
from clearway.server.rights import ROUTES, Need, require
from tests.server.ask import ask, routes
from tests.server.site import Site

#: user → needs that they have in prod.
HAS = {
    "nobody": {Need.SELF},
    "vera": {Need.SELF, Need.READ, Need.REVEAL},
    "dana": {Need.SELF, Need.READ, Need.REVEAL, Need.ASK},
    "amir": {Need.SELF, Need.READ, Need.REVEAL, Need.ASK, Need.OPERATE, Need.APPROVE},
    "bo": {Need.SELF, Need.READ, Need.REVEAL, Need.APPROVE},
    "olga": {Need.SELF, Need.READ, Need.REVEAL, Need.ASK, Need.OPERATE, Need.ADMIN},
}


def test_every_route_is_guarded_and_the_table_names_no_route_that_is_not_there(app: Clearway) -> None:
    served = make_app(app, options_of(Binding(), app))
    found = {(route.method, route.path) for route in routes(served.api, served.site.routes)}
    assert set(ROUTES) <= found
    assert found == set(served.site.routes)


def test_a_route_without_an_entry_or_a_guard_keeps_the_server_from_starting() -> None:
    for guarded in (GuardedRoute, None):
        api, router = FastAPI(openapi_url=None), APIRouter(**({"route_class": guarded} if guarded else {}))
        router.add_api_route("/v1/new", lambda: {})
        add_routes(api, router)
        with pytest.raises(Internal, match="/v1/new"):
            check_routes(api, {} if guarded else {("GET", "/v1/new"): Need.READ})


def test_without_a_key_every_route_that_is_not_public_answers_the_same_401(still: Site) -> None:
    bodies = set()
    with still.browser(None) as nobody:
        for route in routes(still.served.api, still.served.site.routes):
            if route.need is Need.PUBLIC or route.is_page:
                continue
            answer = ask(nobody, route)
            assert answer.status_code == 401, route
            assert answer.headers["www-authenticate"].startswith("Bearer")
            bodies.add(tuple(answer.json()[name] for name in ("code", "detail", "remedy", "title")))
    assert len(bodies) == 1


@pytest.mark.parametrize("user", HAS)
def test_each_route_refuses_whoever_lacks_the_right_that_it_names_and_nobody_else(still: Site, user: str) -> None:
    with still.client(user) as client:
        for route in routes(still.served.api, still.served.site.routes):
            if route.need is Need.PUBLIC or route.is_page or route.path == "/v1/session/acting":
                continue
            answer = ask(client, route)
            refused = answer.status_code == 403 and answer.json()["code"] in ("role_missing", "admin_approves")
            inner = refused and route.need in HAS[user] and answer.json()["code"] == "role_missing"
            assert refused is (route.need not in HAS[user]) or inner, (user, route, answer.text)


def test_an_admin_does_not_approve_even_in_the_approvers_group(still: Site) -> None:
    with still.client("olga") as client:
        answer = client.post("/v1/approvals/x/approve", json={"presented_digest": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_approves")


def test_a_service_never_approves() -> None:
    service = Principal("service", "nightly", Scope("acme", "prod"), frozenset({"approver"}))
    with pytest.raises(Exception, match="may not do this"):
        require(service, Need.APPROVE)


def test_a_role_can_be_narrowed_and_never_added(still: Site) -> None:
    with still.client("olga", clearway_role="operator") as client:
        assert client.get("/v1/keys").json()["code"] == "role_missing"
        assert client.get("/v1/me").json()["data"]["roles"] == ["operator"]
    with still.client("dana", clearway_role="admin") as client:
        assert client.get("/v1/me").json()["code"] == "role_not_held"


def test_t04_a_role_claimed_in_a_header_or_a_body_is_ignored(still: Site) -> None:
    with still.client("vera", x_role="admin", x_user="olga", x_forwarded_user="olga") as client:
        assert client.get("/v1/me").json()["data"]["roles"] == ["viewer"]
        started = client.post("/v1/runs", json={"text": "x", "skill": "desk", "input": {}, "role": "operator"})
        assert started.json()["code"] == "role_missing"


def test_each_route_and_what_it_needs_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    documented = {tuple(found) for found in re.findall(r"^\| `([A-Z]+) (\S+)` \| (\w+) \|$", page, re.M)}
    assert documented == {(method, path, need.value) for (method, path), need in ROUTES.items()}
