"""Signing in at a real OpenID provider: what it says is checked, and gives rights by a map only."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clearway.app import Clearway
from clearway.model.errors import ConfigError
from clearway.model.identity import Scope
from clearway.server.app import make_app
from clearway.server.binding import Binding, options_of
from tests.server.provider import CLIENT_ID, SECRET, Provider, provider
from tests.server.site import FILES, LARGE, Site, running, write_project

OIDC = """
[oidc]
issuer = "{issuer}"
client_id = "clearway"
tenant = "acme"
[oidc.users]
"sub-dana" = "dana"
[oidc.roles.prod]
"ops-people" = ["operator"]
"watchers" = ["viewer"]
[oidc.groups]
"money-people" = ["finance"]
"""


@pytest.fixture(scope="module")
def idp() -> Iterator[Provider]:
    with provider() as made:
        yield made


@pytest.fixture
def issuer(idp: Provider) -> Provider:
    """The provider with its best manners."""
    fresh = Provider(idp.url, idp.key)
    idp.__dict__.update(fresh.__dict__)
    return idp


@pytest.fixture
def oidc_app(tmp_path: Path, issuer: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clearway]:
    monkeypatch.setenv("CLEARWAY_OIDC_SECRET", SECRET)
    toml = FILES["clearway.toml"] + OIDC.format(issuer=issuer.url)
    with Clearway.open(write_project(tmp_path / "project", **{"clearway.toml": toml})) as app:
        yield app


@pytest.fixture
def oidc(oidc_app: Clearway) -> Iterator[Site]:
    with running(oidc_app) as site:
        yield site


class Browser:
    """Follows the redirects of a sign-in, and keeps this host's cookies as a browser does."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}

    def get(self, url: str) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        own = url.startswith(self.site.url)
        answer = httpx.get(url, headers={"cookie": cookie} if own and cookie else {}, trust_env=False)
        if own:
            for line in answer.headers.get_list("set-cookie"):
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies.pop(name, None)
                if "Max-Age=0" not in line:
                    self.cookies[name] = value
        return answer

    def begin(self, query: str = "environment=prod") -> str:
        """Where the provider sends the browser back to."""
        start = self.get(f"{self.site.url}/v1/oidc/start?{query}")
        assert start.status_code == 303, start.text
        return self.get(start.headers["location"]).headers["location"]

    def sign_in(self, query: str = "environment=prod") -> httpx.Response:
        return self.get(self.begin(query))

    @property
    def page(self) -> httpx.Client:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return self.site.browser(cookies or None)

    def me(self) -> Any:
        with self.page as client:
            return client.get("/v1/me").json().get("data")


def test_a_sign_in_uses_pkce_state_and_nonce_and_gives_what_the_map_says(oidc: Site, issuer: Provider) -> None:
    browser = Browser(oidc)
    answer = browser.sign_in("environment=prod&next=/runs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs")
    asked = issuer.asked[-1]
    assert (asked["response_type"], asked["code_challenge_method"], asked["client_id"]) == ("code", "S256", CLIENT_ID)
    assert len(asked["state"]) >= 20
    assert len(asked["nonce"]) >= 16
    me = browser.me()
    assert (me["name"], me["tenant"], me["environment"]) == ("user:oidc.sub-1", "acme", "prod")
    assert (me["roles"], me["groups"], me["fresh"]) == (["operator"], [], True)
    assert me["authenticated_by"] == "oidc:127.0.0.1"
    assert "__Host-clearway-sign-in" not in browser.cookies


def test_the_first_person_is_no_admin_and_without_a_mapped_group_nobody_gets_in(oidc: Site, issuer: Provider) -> None:
    issuer.person = {"sub": "first", "groups": ["admins", "admin", "everybody"]}
    refused = Browser(oidc).sign_in()
    assert (refused.status_code, refused.json()["code"]) == (403, "no_role")
    issuer.person = {"sub": "first", "groups": ["watchers"], "roles": ["admin"], "role": "admin"}
    browser = Browser(oidc)
    browser.sign_in()
    assert browser.me()["roles"] == ["viewer"]
    issuer.person = {"sub": "first", "groups": "ops-people"}
    assert Browser(oidc).sign_in().json()["code"] == "no_role"


def test_a_mapped_subject_is_the_declared_user_and_a_likely_name_is_not(oidc: Site, issuer: Provider) -> None:
    issuer.person = {"sub": "sub-dana", "groups": ["ops-people"]}
    browser = Browser(oidc)
    browser.sign_in()
    assert (browser.me()["name"], browser.me()["roles"]) == ("user:dana", ["support"])
    strange = ("Amir", "a\u202emir", "amir@desk.test", "h.amir")
    for name, shown in (("amir", "user:oidc.amir"), *((name, "user:oidc.h.1") for name in strange)):
        issuer.person = {"sub": name, "groups": ["ops-people"]}
        other = Browser(oidc)
        other.sign_in()
        assert other.me()["name"].startswith(shown)
        assert other.me()["groups"] == []


@pytest.mark.parametrize(
    "misbehave",
    [
        lambda p: p.claims.update(iss="https://evil.example"),
        lambda p: p.claims.update(iss=p.url + "/"),
        lambda p: p.claims.update(iss=None),
        lambda p: p.claims.update(aud="somebody-else"),
        lambda p: p.claims.update(aud=[CLIENT_ID, "somebody-else"], azp=CLIENT_ID),
        lambda p: p.claims.update(aud=None),
        lambda p: p.claims.update(nonce="another"),
        lambda p: p.claims.update(nonce=None),
        lambda p: p.claims.update(exp=1_000_000_000),
        lambda p: p.claims.update(exp=None),
        lambda p: p.claims.update(iat=4_000_000_000),
        lambda p: p.claims.update(sub=None),
        lambda p: p.claims.update(sub=7),
        lambda p: setattr(p, "sign", "none"),
        lambda p: setattr(p, "sign", "HS256"),
        lambda p: setattr(p, "sign", "RS512"),
        lambda p: setattr(p, "sign", "other key"),
        lambda p: setattr(p, "calls_itself", "https://evil.example"),
        lambda p: setattr(p, "leave_token_out", True),
    ],
    ids=[
        "wrong issuer",
        "nearly the issuer",
        "no issuer",
        "wrong audience",
        "one more audience",
        "no audience",
        "wrong nonce",
        "missing nonce",
        "expired",
        "without an end",
        "from the future",
        "nobody",
        "a number",
        "alg none",
        "alg HS256 with the public key",
        "an algorithm that the project does not list",
        "another key",
        "discovery of somebody else",
        "no id token",
    ],
)
def test_a_token_that_is_not_exactly_ours_signs_nobody_in(
    oidc: Site, issuer: Provider, misbehave: Callable[[Provider], None]
) -> None:
    browser = Browser(oidc)
    try:
        misbehave(issuer)
        start = browser.get(f"{oidc.url}/v1/oidc/start?environment=prod")
        if start.status_code == 303:
            start = browser.get(browser.get(start.headers["location"]).headers["location"])
    finally:
        issuer.calls_itself = ""
    assert (start.status_code, start.json()["code"]) == (401, "unauthenticated")
    assert "__Host-clearway" not in browser.cookies


def test_a_state_works_once_and_only_in_the_browser_that_began(oidc: Site, issuer: Provider) -> None:
    issuer.codes_last = True  # so that it is not the provider who holds a replay off
    browser, victim = Browser(oidc), Browser(oidc)
    back = browser.begin()
    pending = dict(browser.cookies)
    assert victim.get(back).status_code == 401
    again = Browser(oidc)
    back = again.begin()
    kept = dict(again.cookies)
    assert again.get(back).status_code == 303
    again.cookies = kept
    assert again.get(back).status_code == 401
    other = Browser(oidc)
    other.cookies = pending
    back = Browser(oidc).begin()
    assert other.get(back).status_code == 401
    tampered = Browser(oidc)
    back = tampered.begin()
    tampered.cookies = {name: value[:-4] + "AAAA" for name, value in tampered.cookies.items()}
    assert tampered.get(back).status_code == 401


def test_t48_a_sign_in_makes_a_new_id_and_ends_the_session_before(oidc: Site, issuer: Provider) -> None:
    browser = Browser(oidc)
    browser.sign_in()
    first = browser.cookies["__Host-clearway"]
    browser.sign_in("environment=prod&again=1")
    assert (issuer.asked[-1]["prompt"], issuer.asked[-1]["max_age"]) == ("login", "0")
    second = browser.cookies["__Host-clearway"]
    assert first != second
    with oidc.browser(f"__Host-clearway={first}") as old:
        assert old.get("/v1/me").status_code == 401
    planted = Browser(oidc)
    planted.cookies["__Host-clearway"] = "planted"
    planted.sign_in()
    assert planted.cookies["__Host-clearway"] != "planted"


def test_an_old_proof_does_not_let_somebody_approve(oidc: Site, issuer: Provider) -> None:
    issuer.person = {"sub": "mia", "groups": ["money-people"]}
    for ago, fresh in ((None, False), (3600.0, False), (60.0, True)):
        issuer.authenticated_ago_s = ago
        browser = Browser(oidc)
        browser.sign_in()
        assert browser.me()["fresh"] is fresh
        with browser.page as page:
            answer = page.post("/v1/approvals/x/approve", json={"presented_digest": "sha256:" + "0" * 64})
        assert answer.json()["code"] == ("not_found" if fresh else "step_up")
    issuer.authenticated_ago_s = 3600.0
    assert Browser(oidc).sign_in("environment=prod&again=1").status_code == 401


def test_t48_what_somebody_approved_does_not_run_once_they_have_lost_the_group(oidc: Site, issuer: Provider) -> None:
    issuer.person = {"sub": "mia", "groups": ["money-people"]}
    mia = Browser(oidc)
    mia.sign_in()
    with oidc.client("dana") as dana:
        run_id = dana.post("/v1/runs", json=LARGE).json()["data"]["run_id"]
        record = oidc.ended(run_id)
    approval = record["approvals"][0]["approval_id"]
    oidc.app.stop()
    with mia.page as page:
        digest = page.get(f"/v1/approvals/{approval}").json()["data"]["presented_digest"]
        decided = page.post(f"/v1/approvals/{approval}/approve", json={"presented_digest": digest})
        assert decided.json()["data"]["state"] == "approved", decided.text
    issuer.person = {"sub": "mia", "groups": []}
    assert Browser(oidc).sign_in().status_code == 403
    assert mia.me() is None
    oidc.app.serve()
    for _ in range(1500):
        state = {a["approval_id"]: a["state"] for a in oidc.ended(run_id)["approvals"]}[approval]
        if state != "approved":
            break
        threading.Event().wait(0.02)
    assert state == "invalidated"
    assert [s["state"] for s in oidc.ended(run_id)["steps"] if s["tool"] == "refund"] != ["succeeded"]


def test_an_admin_keeps_somebody_out_at_once(oidc: Site, issuer: Provider) -> None:
    browser = Browser(oidc)
    browser.sign_in()
    with oidc.client("olga") as olga, oidc.client("gil") as gil:
        listed = olga.get("/v1/users").json()["data"]["items"]
        assert [(u["user"], u["roles"], u["disabled"]) for u in listed] == [("user:oidc.sub-1", ["operator"], False)]
        assert gil.get("/v1/users").json()["data"]["items"] == []
        reason = {"reason": "left"}
        assert gil.post("/v1/users/oidc.sub-1/disable", json=reason).status_code == 404
        done = olga.post("/v1/users/oidc.sub-1/disable", json=reason).json()["data"]
        assert (done["disabled"], done["sessions_ended"]) == (True, 1)
        assert browser.me() is None
        assert Browser(oidc).sign_in().json()["code"] == "disabled"
        by_their_own_name = olga.post("/v1/users/sub-1/enable", json={"reason": "came back"})
        assert by_their_own_name.json()["data"]["user"] == "user:oidc.sub-1"
        assert Browser(oidc).sign_in().status_code == 303
    kinds = [e.kind for e in oidc.app.store.read(Scope("acme", "prod"), lambda tx: tx.audit.read())]
    assert {"user.disabled", "user.enabled", "session.opened"} <= set(kinds)


@pytest.mark.parametrize("next_path", ["//evil.example", "https://evil.example", "/\\evil", "/a?b", "x", "/../x"])
def test_it_goes_on_to_its_own_pages_only(oidc: Site, next_path: str) -> None:
    answer = httpx.get(f"{oidc.url}/v1/oidc/start", params={"next": next_path}, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (422, "next")


def test_an_environment_that_is_not_there_and_a_secret_that_is_missing_are_said(
    oidc_app: Clearway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(oidc_app, work=False) as site:
        answer = httpx.get(f"{site.url}/v1/oidc/start?environment=moon", trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (422, "environment")
    monkeypatch.delenv("CLEARWAY_OIDC_SECRET")
    with pytest.raises(ConfigError, match="secret"):
        make_app(oidc_app, options_of(Binding(), oidc_app))


def test_a_server_without_a_provider_says_so(still: Site) -> None:
    answer = httpx.get(f"{still.url}/v1/oidc/start", trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_oidc")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('issuer = "http://login.example.com"', "https://"),
        ('algorithms = ["none"]', "public key"),
        ('algorithms = ["HS256"]', "public key"),
        ('tenant = "nowhere"', "tenant"),
        ('colour = "blue"', "colour"),
    ],
)
def test_a_careless_oidc_table_is_refused(tmp_path: Path, line: str, says: str) -> None:
    lines = ['issuer = "https://login.example.com"', 'client_id = "clearway"']
    lines = [kept for kept in lines if kept.split()[0] != line.split()[0]]
    toml = FILES["clearway.toml"] + "[oidc]\n" + "\n".join([*lines, line])
    with pytest.raises(ConfigError, match=says):
        Clearway.open(write_project(tmp_path / "p", **{"clearway.toml": toml}))
