"""One person, one vote; and an admin decides nothing, as whatever login of theirs is known (threat 15)."""

from collections.abc import Iterator
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.model.identity import Scope
from clearway.model.session import SignedInUser
from clearway.project.directory import ProjectDirectory
from clearway.project.load import load_people
from tests.server.site import FILES, LARGE, Site, running, write_project

ACME = Scope("acme", "prod")
USERS = """\
[users.ada]
tenant = "acme"
roles = { prod = ["admin"] }
[users.ada2]
tenant = "acme"
person = "ada"
roles = { dev = ["approver"], prod = ["approver", "break_glass"] }
groups = ["finance"]
[users.cy]
tenant = "acme"
roles = { prod = ["viewer"] }
[users.cy2]
tenant = "acme"
person = "cy"
groups = ["finance"]
"""
OIDC = '[oidc]\nissuer = "http://127.0.0.1:9"\nclient_id = "clearway"\ntenant = "acme"\n'
TWO = FILES["policies/main.cedar"].replace('@approvers("finance")', '@approvers("finance:2")')


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two of finance decide. Ada is an admin in prod, with a second login in finance."""
    toml = FILES["clearway.toml"].replace("[approvals]", f"{USERS}[approvals]") + OIDC
    files = {"clearway.toml": toml, "policies/main.cedar": TWO}
    folder = write_project(tmp_path_factory.mktemp("people") / "project", **files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLEARWAY_OIDC_SECRET", "none is asked for")
        with Clearway.open(folder) as app, running(app) as site:
            yield site


def signed_in(site: Site, name: str, *roles: str) -> str:
    """The cookie of somebody of the identity provider, in finance."""
    user = SignedInUser(f"oidc.{name}", "acme", "prod", "https://idp", roles, ("finance",), 0.0, 0.0)
    site.served.site.sessions.admit(user)
    return site.session(f"oidc.{name}")


def asked(site: Site, environment: str = "prod") -> str:
    with site.client("dana", environment) as dana:
        run = site.ended(dana.post("/v1/runs", json=LARGE).json()["data"]["run_id"], environment)
    return str(run["approvals"][0]["approval_id"])


def vote(site: Site, approval: str, cookie: str, **more: Any) -> tuple[int, str]:
    with site.browser(cookie) as voter:
        digest = voter.get(f"/v1/approvals/{approval}").json()["data"]["presented_digest"]
        answer = voter.post(f"/v1/approvals/{approval}/approve", json={"presented_digest": digest, **more})
    found = answer.json()
    return answer.status_code, found.get("code") or found["data"]["state"]


def test_t15_a_second_login_of_an_admin_approves_nothing_where_they_are_an_admin(desk: Site) -> None:
    approval = asked(desk)
    assert vote(desk, approval, desk.session("ada2")) == (403, "admin_approves")
    assert vote(desk, approval, desk.session("ada2"), break_glass=True, comment="now") == (403, "admin_approves")
    with desk.browser(desk.session("ada2"), accept="text/html") as ada:
        page = ada.get(f"/inbox/{approval}").text
        assert "An admin does not approve" in page
        assert 'id="approve"' not in page
        assert ada.get("/inbox").text.count("row-what") == 0
    with desk.client("ada2") as ada:
        assert ada.post(f"/v1/approvals/{approval}/approve", json={"presented_digest": "x"}).status_code == 403
    assert vote(desk, approval, desk.session("cy2")) == (200, "pending")  # a second login of nobody's admin
    assert vote(desk, asked(desk, "dev"), desk.session("ada2", "dev")) == (200, "pending")  # she is no admin there


def test_t15_the_providers_person_of_an_admins_id_approves_nothing(desk: Site) -> None:
    approval = asked(desk)
    assert vote(desk, approval, signed_in(desk, "ada")) == (403, "admin_approves")
    assert vote(desk, approval, signed_in(desk, "ada2")) == (403, "admin_approves")
    assert vote(desk, approval, signed_in(desk, "somebody")) == (200, "pending")


def test_t15_a_declared_user_whose_id_the_provider_makes_an_admin_approves_nothing(desk: Site) -> None:
    approval = asked(desk)
    signed_in(desk, "cy", "admin")
    assert vote(desk, approval, desk.session("cy2")) == (403, "admin_approves")
    signed_in(desk, "cy", "viewer")
    assert vote(desk, approval, desk.session("cy2")) == (200, "pending")


def test_t15_the_providers_person_of_the_askers_id_does_not_decide_and_two_logins_are_one_vote(desk: Site) -> None:
    approval = asked(desk)
    assert vote(desk, approval, signed_in(desk, "dana")) == (403, "separation_of_duties")
    assert vote(desk, approval, desk.session("bo")) == (200, "pending")
    assert vote(desk, approval, signed_in(desk, "bo")) == (409, "already_voted")
    with desk.browser(signed_in(desk, "bo"), accept="text/html") as bo:
        assert "You have voted already" in bo.get(f"/inbox/{approval}").text
    assert vote(desk, approval, desk.session("amir")) == (200, "approved")


def test_t15_a_person_of_the_provider_gets_no_right_from_a_declared_user_of_that_id(desk: Site) -> None:
    signed_in(desk, "amir", "viewer")
    found = desk.app.directory.find("user:oidc.amir", ACME)
    assert found is not None
    assert (found.subject, found.roles) == ("user:oidc.amir", frozenset({"viewer"}))


def test_t15_two_logins_that_may_be_one_person_do_not_release_a_kill_switch(desk: Site) -> None:
    amir, again = desk.session("amir"), signed_in(desk, "amir", "operator")
    switch = {"kind": "tool", "id": "read_account", "reason": "x"}
    with desk.browser(amir) as one, desk.browser(again) as other, desk.client("olga") as olga:
        assert one.post("/v1/switches/engage", json=switch).status_code == 200
        assert one.post("/v1/switches/release", json=switch).json()["data"]["engaged"] is True
        assert other.post("/v1/switches/release", json=switch).json()["code"] == "already_voted"
        assert olga.post("/v1/switches/release", json=switch).json()["data"]["engaged"] is False


def test_t15_what_an_admin_lends_by_a_second_login_counts_for_nothing(desk: Site) -> None:
    lent = '[groups.finance]\nmembers = ["ada2", "bo"]\n[owners]\nrouting = "finance"\npolicy = "finance"\n'
    lent += 'incident = "finance"\n[delegations.away]\nfrom = "FROM"\nto = "vera"\ngroup = "finance"\n'
    lent += 'since = "2000-01-01"\nuntil = "2999-01-01"\n'
    ownership = desk.app.project.folder / "ownership.toml"
    for giver, counts in (("ada2", False), ("bo", True)):
        ownership.write_text(lent.replace("FROM", giver))
        directory = ProjectDirectory(load_people(desk.app.project.folder), watched=False)
        found = directory.find("user:vera", ACME)
        assert found is not None
        assert bool(found.delegated) is counts
    ownership.unlink()


def test_where_keys_do_not_decide_people_sign_in(tmp_path: Any) -> None:
    toml = FILES["clearway.toml"].replace("[server]\n", "[server]\nkeys_decide = false\n")
    folder = write_project(tmp_path / "project", **{"clearway.toml": toml})
    with Clearway.open(folder) as app, running(app, work=False) as site, site.client("bo") as bo:
        for act in ("approve", "reject", "edit", "endorse"):
            refused = bo.post(f"/v1/approvals/x/{act}", json={})
            assert (refused.status_code, refused.json()["code"]) == (403, "key_decides")
        assert bo.get("/v1/approvals").status_code == 200
        with site.browser(site.session("bo")) as signed:
            seen = signed.post("/v1/approvals/x/approve", json={"presented_digest": "x"})
            assert (seen.status_code, seen.json()["code"]) == (404, "not_found")
