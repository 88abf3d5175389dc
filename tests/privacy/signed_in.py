"""People of an identity provider in the play: what it says of them is full of canaries, and so is what goes wrong.

An opaque id is what a person is called in the audit log; one that is a letter or an e-mail address is not stored.
"""

from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlencode

import httpx
import pytest

from tests.privacy.canaries import CANARIES, NOTE, RECORD, WORDS
from tests.server.provider import CLIENT_ID, SECRET, Provider, provider
from tests.server.site import Site
from tests.server.test_oidc import Browser

PAGES = ("/", "/runs", "/approvals", "/v1/me", "/v1/runs", "/v1/approvals")


@contextmanager
def identity_provider(monkeypatch: pytest.MonkeyPatch) -> Generator[tuple[str, Provider]]:
    """(what to add to the project's settings, the provider)."""
    monkeypatch.setenv("CLEARWAY_OIDC_SECRET", SECRET)
    with provider() as made:
        yield (
            f"""\
[oidc]
issuer = "{made.url}"
client_id = "{CLIENT_ID}"
tenant = "acme"
[oidc.roles.dev]
"ops-people" = ["operator"]
[oidc.groups]
"money-people" = ["finance"]
""",
            made,
        )


def sign_in(site: Site, people: Provider) -> dict[str, str]:
    """People with an opaque id, with a letter as id, and with an address sign in, look around and out; others are
    refused.

    What was shown, by name."""
    shown: dict[str, str] = {}
    for name, subject in (("opaque", "u-4711"), ("a letter", NOTE), ("an address", CANARIES["EMAIL"])):
        groups = ["ops-people", "money-people", *WORDS]
        people.person = {**RECORD, "sub": subject, "groups": groups, "name": CANARIES["PERSON"], "nickname": NOTE}
        browser = Browser(site)
        answers = [browser.sign_in("environment=dev&next=/runs")]
        assert answers[0].status_code == 303, answers[0].text
        with browser.page as client:
            answers += [client.get(page) for page in PAGES]
            assert client.get("/v1/me").json()["data"]["groups"] == ["finance"]
            if name == "opaque":  # the other one stays signed in
                answers.append(client.delete("/v1/session"))
        shown[name] = "\n".join(f"{answer.status_code} {dict(answer.headers)} {answer.text}" for answer in answers)
    shown["refused"] = "\n".join(answer.text for answer in _refused(site, people))
    return shown


def _refused(site: Site, people: Provider) -> list[httpx.Response]:
    found: list[httpx.Response] = []
    said = {"state": CANARIES["API_KEY"], "code": CANARIES["JWT"], "error": "x", "error_description": NOTE}
    found.append(Browser(site).get(f"{site.url}/v1/oidc/callback?{urlencode(said)}"))
    browser = Browser(site)
    back = browser.begin("environment=dev")
    found.append(browser.get(f"{back}&{urlencode({'error_description': NOTE})}&code={CANARIES['API_KEY']}"))
    people.person = {**RECORD, "sub": "u-4712", "groups": list(WORDS)}  # whom no group lets in
    found.append(Browser(site).sign_in("environment=dev"))
    people.claims = {"iss": NOTE}
    found.append(Browser(site).sign_in("environment=dev"))
    people.claims = {}
    return found
