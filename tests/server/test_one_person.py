"""One person, one vote; and an admin decides nothing, as whatever login of theirs is known (threat 15)."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.model.identity import Scope
from clearway.model.session import SignedInUser
from clearway.operate.people import user_id_of
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
[users."eli@acme.example"]
tenant = "acme"
groups = ["finance"]
[users.fay]
tenant = "acme"
[users.fay-2]
tenant = "acme"
person = "fay"
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


def id_of(site: Site, value: str) -> str:
    """What somebody is called here whom the provider calls `value`, without its prefix."""
    return user_id_of(value, site.app.vaults.redaction, ACME).removeprefix("oidc.")


def kin(site: Site, name: str) -> set[str]:
    found = site.app.directory.find(f"user:{name}", ACME)
    assert found is not None
    return {found.subject, *found.kin}


@contextmanager
def lending(site: Site, giver: str) -> Generator[None]:
    """Vera has the giver's membership in finance."""
    lent = '[groups.finance]\nmembers = ["ada2", "bo"]\n[owners]\nrouting = "finance"\npolicy = "finance"\n'
    lent += f'incident = "finance"\n[delegations.away]\nfrom = "{giver}"\nto = "vera"\ngroup = "finance"\n'
    lent += 'since = "2000-01-01"\nuntil = "2999-01-01"\n'
    ownership = site.app.project.folder / "ownership.toml"
    ownership.write_text(lent)
    seen_anew(site)
    try:
        yield
    finally:
        ownership.unlink()
        seen_anew(site)


def seen_anew(site: Site) -> None:
    """The declarations are read at the next look, however short ago the last was."""
    declared: Any = vars(site.app.directory)["_declared"]
    declared._looked_at = float("-inf")


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


def test_t15_an_address_is_one_person_whom_the_provider_calls_so(desk: Site) -> None:
    eli, provided, approval = "eli@acme.example", id_of(desk, "eli@acme.example"), asked(desk)
    assert provided.startswith("h.")
    cookie = signed_in(desk, provided)
    assert kin(desk, eli) == kin(desk, f"oidc.{provided}") == {f"user:{eli}", f"user:oidc.{provided}"}
    assert vote(desk, approval, desk.session(eli)) == (200, "pending")
    assert vote(desk, approval, cookie) == (409, "already_voted")
    signed_in(desk, provided, "admin")
    assert vote(desk, asked(desk), desk.session(eli)) == (403, "admin_approves")


def test_t15_all_logins_of_one_person_are_one_whoever_of_them_is_declared_or_disabled(desk: Site) -> None:
    approval = asked(desk)
    fay, again = signed_in(desk, "fay"), signed_in(desk, "fay-2")
    assert vote(desk, approval, fay) == (200, "pending")
    assert vote(desk, approval, again) == (409, "already_voted")
    assert vote(desk, approval, desk.session("fay-2")) == (409, "already_voted")
    desk.app.store.write(ACME, lambda tx: tx.users.disable("oidc.fay", tx.now))
    signed_in(desk, "zoe")  # any sign-in has people looked at anew
    assert "user:oidc.fay" in kin(desk, "fay-2") & kin(desk, "oidc.fay-2")
    assert kin(desk, "oidc.fay-2") == {"user:fay", "user:fay-2", "user:oidc.fay", "user:oidc.fay-2"}
    assert desk.app.directory.find("user:oidc.fay", ACME) is None


def test_t15_two_signatures_that_may_be_one_persons_are_not_two_peoples(desk: Site) -> None:
    signed_in(desk, "bo")
    signed_in(desk, "zoe")
    same = desk.app.shelf.sameness(ACME)
    assert same("user:bo", "user:oidc.bo")
    assert same("user:oidc.bo", "user:bo")
    assert not same("user:amir", "user:oidc.bo")
    assert not same("user:bo", "user:oidc.zoe")


def test_t15_a_membership_counts_for_nothing_once_any_login_of_its_giver_has_voted(desk: Site) -> None:
    with lending(desk, "bo"):
        approval = asked(desk)
        assert vote(desk, approval, signed_in(desk, "bo")) == (200, "pending")
        assert vote(desk, approval, desk.session("vera")) == (403, "not_an_approver")
        assert vote(desk, approval, desk.session("amir")) == (200, "approved")
        signed_in(desk, "bo", "admin")
        assert vote(desk, asked(desk), desk.session("vera")) == (403, "role_missing")
        signed_in(desk, "bo")
        assert vote(desk, asked(desk), desk.session("vera")) == (200, "pending")


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
    for giver, counts in (("ada2", False), ("bo", True)):
        with lending(desk, giver):
            directory = ProjectDirectory(load_people(desk.app.project.folder), watched=False)
            found = directory.find("user:vera", ACME)
            assert found is not None
            assert bool(found.delegated) is counts


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
