"""The numbered threats at the door: origin, host, bodies, keys, sessions (docs: threats 24, 25, 44, 47 to 49)."""

import gzip
import json
import os
import select
import socket
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from sqlalchemy import text

from clearway.app import Clearway
from clearway.model.errors import Limited
from clearway.model.identity import Scope
from clearway.model.tool import RateLimit
from clearway.server.binding import Binding, check, options_of
from clearway.server.throttle import Buckets
from tests.server.ask import ask, routes
from tests.server.site import SMALL, Site, running, write_project

CHANGING = [("POST", "/v1/approvals/x/approve"), ("POST", "/v1/switches/engage"), ("POST", "/v1/runs")]


@pytest.mark.parametrize(("method", "path"), CHANGING)
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
        {},
        {"sec-fetch-site": "same-origin", "content-type": "text/plain"},
        {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"},
        {"sec-fetch-site": "same-origin", "content-type": "multipart/form-data; boundary=x"},
        {"sec-fetch-site": "same-origin", "content-type": ""},
    ],
    ids=str,
)
def test_t24_a_browsers_request_from_another_site_or_of_another_form_changes_nothing(
    still: Site, method: str, path: str, headers: dict[str, str]
) -> None:
    given = {"content-type": "application/json", "cookie": still.session("amir"), **headers}
    with httpx.Client(base_url=still.url, trust_env=False) as client:
        answer = client.request(method, path, headers=given, content=json.dumps({"reason": "x"}))
    assert answer.status_code == 403
    assert answer.json()["code"] in ("csrf", "content_type")
    assert "access-control-allow-origin" not in answer.headers


def test_t24_every_route_that_changes_something_refuses_another_site(still: Site) -> None:
    with still.browser(still.session("amir"), sec_fetch_site="cross-site") as evil:
        for route in routes(still.served.api, still.served.site.routes):
            if route.method not in ("GET", "HEAD"):
                assert ask(evil, route).json()["code"] == "csrf", route


def test_t24_the_own_pages_and_keys_without_a_cookie_get_through_but_never_with_a_form(still: Site) -> None:
    with still.browser(still.session("dana")) as page:
        assert page.post("/v1/runs", json=SMALL).status_code == 201
        del page.headers["sec-fetch-site"]
        assert page.post("/v1/runs", json=SMALL, headers={"origin": still.url}).status_code == 201
        assert page.post("/v1/runs", json=SMALL, headers={"origin": still.url + "0"}).status_code == 403
    with still.client("dana") as program:
        assert program.post("/v1/runs", json=SMALL).status_code == 201
        form = program.post("/v1/runs", content="text=x", headers={"content-type": "application/x-www-form-urlencoded"})
        assert (form.status_code, form.json()["code"]) == (403, "content_type")
        with_cookie = program.post("/v1/runs", json=SMALL, headers={"cookie": still.session("dana")})
        assert with_cookie.json()["code"] == "csrf"


@pytest.mark.parametrize(
    "host", ["evil", "evil:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", ""]
)
def test_t25_another_name_is_answered_400(still: Site, host: str) -> None:
    port = urlsplit(still.url).port
    with still.client("dana") as client:
        for path in ("/v1/runs", "/healthz", "/sign-in"):
            answer = client.get(path, headers={"host": host.format(port=port)})
            assert (answer.status_code, answer.json()["code"]) == (400, "host")


def test_t25_two_hosts_or_none_are_answered_400(still: Site) -> None:
    port = urlsplit(still.url).port
    for lines in ("", f"Host: 127.0.0.1:{port}\r\nHost: evil\r\n"):
        assert b" 400 " in _raw(still, f"GET /v1/runs HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())


def test_every_answer_has_the_headers_that_keep_browsers_from_harm(still: Site) -> None:
    with still.client("dana") as client:
        for path in ("/healthz", "/v1/runs", "/v1/none", "/none"):
            headers = client.get(path).headers
            policy = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
            assert headers["content-security-policy"] == policy
            assert headers["x-content-type-options"] == "nosniff"
            assert not [name for name in headers if name.startswith("access-control-")]
        preflight = client.options("/v1/runs", headers={"origin": "https://evil.example"})
        assert preflight.status_code == 405
        assert not [name for name in preflight.headers if name.startswith("access-control-")]


def test_t44_get_and_head_change_nothing(site: Site) -> None:
    with site.client("dana") as client:
        run = client.post("/v1/runs", json={**SMALL, "input": {**SMALL["input"], "amount_minor": 6000}}).json()["data"]
    record = site.ended(run["run_id"])
    ids = {"run_id": run["run_id"], "approval_id": record["approvals"][0]["approval_id"]}
    ids["key"] = record["steps"][-1]["key"]
    for user in ("bo", "olga"):
        site.key(user)
    before = _everything(site.app)
    for user in ("bo", "olga"):
        with site.client(user) as client:
            for route in routes(site.served.api, site.served.site.routes):
                if route.path.startswith("/v1/oidc"):
                    continue
                for method in ("GET", "HEAD"):
                    with client.stream(method, route.url(**ids)) as answer:
                        assert answer.status_code in (200, 204, 303, 403, 404, 405, 422), route
    assert _everything(site.app) == before


def test_t47_whatever_is_wrong_with_a_key_the_answer_is_the_same(still: Site) -> None:
    good = still.key("dana")
    still.app.access.revoke_key(still.app.acting("olga").caller, _issue_and_get(still, "vera", "dev"))
    revoked = still.keys["vera", "dev"]
    wrong = [
        "x",
        "cw_prod_0123456789abcdef_" + "0" * 72,
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        good.replace("cw_prod", "cw_dev"),
        _with_secret(good, "0" * 64),
        _with_id(good, "0" * 16),
        revoked,
        "cw_" + "a" * 10_000,
        good + "\t",
        "ключ".encode().decode("latin-1"),
    ]
    seen = set()
    for key in wrong[:-2]:
        answer = httpx.get(f"{still.url}/v1/runs", headers={"authorization": f"Bearer {key}"}, trust_env=False)
        assert answer.status_code == 401, key
        body = answer.json()
        seen.add(tuple(body[name] for name in ("code", "detail", "remedy", "title", "retryable")))
        assert key == "" or key not in answer.text
    assert len(seen) == 1


def test_t47_an_unknown_id_and_a_wrong_secret_take_the_same_time(still: Site) -> None:
    good = still.key("dana")
    access = still.app.access
    taken: dict[str, list[float]] = {"unknown": [], "wrong": []}
    for _ in range(200):
        for name, key in (("unknown", _with_id(good, os.urandom(8).hex())), ("wrong", _with_secret(good, "1" * 64))):
            begun = time.perf_counter()
            with pytest.raises(Exception, match="not valid"):
                access.authenticate(key)
            taken[name].append(time.perf_counter() - begun)
    unknown, wrong = (statistics.median(taken[name]) for name in ("unknown", "wrong"))
    assert 0.4 < unknown / wrong < 2.5


def test_t47_an_address_that_fails_too_often_waits_and_a_good_key_waits_with_it(app: Clearway) -> None:
    with running(app, work=False) as site:
        good = site.key("dana")
        bad = _with_secret(good, "2" * 64)
        statuses = [
            httpx.get(f"{site.url}/v1/me", headers={"authorization": f"Bearer {bad}"}, trust_env=False).status_code
            for _ in range(25)
        ]
        assert statuses[:20] == [401] * 20
        assert statuses[-1] == 429
        held = httpx.get(f"{site.url}/v1/me", headers={"authorization": f"Bearer {good}"}, trust_env=False)
        assert (held.status_code, held.json()["code"]) == (429, "too_many_requests")
        assert 1 <= int(held.headers["retry-after"]) <= 4


def test_buckets_refill_with_time_and_forget_the_quietest() -> None:
    now = [0.0]
    buckets = Buckets(RateLimit(2, 10.0), monotonic=lambda: now[0])
    buckets.take("a")
    buckets.take("a")
    with pytest.raises(Limited) as refused:
        buckets.take("a")
    assert refused.value.retry_after_s == pytest.approx(5.0)
    buckets.take("b")
    now[0] = 5.0
    buckets.take("a")
    for number in range(10_001):
        buckets.spend(f"other-{number}")
    assert len(buckets._levels) == 10_000


def test_a_caller_who_asks_too_often_is_told_when_to_come_again(app: Clearway) -> None:
    with running(app, work=False, rate=RateLimit(5, 600.0)) as site, site.client("dana") as client:
        answers = [client.get("/v1/me") for _ in range(6)]
        assert [a.status_code for a in answers] == [200] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) > 60
        with site.client("vera") as other:
            assert other.get("/v1/me").status_code == 200


def test_t48_an_id_that_a_caller_brings_is_never_taken_over(still: Site) -> None:
    token = still.served.site.token
    assert token is not None
    planted = "__Host-clearway=planted-by-an-attacker"
    with still.browser(planted) as page:
        answer = page.post("/v1/session", json={"token": token.text, "user": "dana"})
        assert answer.status_code == 201
        cookie = answer.headers["set-cookie"]
        assert "planted" not in cookie
        for part in ("__Host-clearway=", "Secure", "HttpOnly", "SameSite=lax", "Path=/"):
            assert part in cookie
        assert "Domain" not in cookie
        assert page.get("/v1/me").status_code == 401
        again = page.post("/v1/session", json={"token": token.text, "user": "dana"})
        assert again.status_code == 401


def test_t48_a_mistyped_user_does_not_use_the_start_token_up_but_counts_as_a_failure(still: Site) -> None:
    token = still.served.site.token
    assert token is not None
    with still.browser("") as page:
        for _ in range(2):
            mistyped = page.post("/v1/session", json={"token": token.text, "user": "dnaa"})
            assert (mistyped.status_code, mistyped.json()["code"]) == (404, "unknown_principal")
        guessed = page.post("/v1/session", json={"token": "x", "user": "dnaa"})
        assert guessed.status_code == 401, "without the token nobody learns who is declared"
        assert page.post("/v1/session", json={"token": token.text, "user": "dana"}).status_code == 201
        assert page.post("/v1/session", json={"token": token.text, "user": "dana"}).status_code == 401
        codes = [page.post("/v1/session", json={"token": "x", "user": "dana"}).status_code for _ in range(20)]
        assert codes == [401] * 16 + [429] * 4


def test_t48_a_change_of_who_acts_makes_a_new_id_and_ends_the_old_one(still: Site) -> None:
    first = still.session("dana", "dev", by="start-token")
    with still.browser(first) as page:
        answer = page.post("/v1/session/acting", json={"user": "amir"})
        second = answer.headers["set-cookie"].partition(";")[0]
        assert second != first
        assert page.get("/v1/me").status_code == 401
    with still.browser(second) as page:
        assert page.get("/v1/me").json()["data"]["name"] == "user:amir"
        assert page.request("DELETE", "/v1/session", json={}).status_code == 200
        assert page.get("/v1/me").status_code == 401


def test_t48_only_this_machines_token_lets_somebody_act_as_another(still: Site) -> None:
    with still.browser(still.session("dana")) as page:
        assert page.post("/v1/session/acting", json={"user": "amir"}).json()["code"] == "identity_not_proven"
    with still.client("dana") as program:
        assert program.post("/v1/session/acting", json={"user": "amir"}).json()["code"] == "identity_not_proven"


def test_t48_a_removed_role_bites_at_the_next_request(site: Site, project: Path) -> None:
    cookie = site.session("bo")
    with site.browser(cookie) as page, site.client("bo") as program:
        assert page.get("/v1/runs").status_code == program.get("/v1/runs").status_code == 200
        changed = (
            (project / "clearway.toml")
            .read_text()
            .replace(
                '[users.bo]\ntenant = "acme"\nroles = { prod = ["approver"], dev = ["approver"] }\n'
                'groups = ["finance"]\n',
                "",
            )
        )
        (project / "clearway.toml").write_text(changed)
        _until(lambda: page.get("/v1/runs").status_code == 401)
        _until(lambda: program.get("/v1/runs").status_code == 401)


def test_t48_sessions_end_after_thirty_idle_minutes_and_after_twelve_hours(project: Path) -> None:
    now = [1_700_000_000.0]
    with Clearway.open(project, now=lambda: now[0]) as app:
        from clearway.operate.sessions import Sessions

        sessions, scope = Sessions(app.store, app.directory), Scope("acme", "prod")
        opaque, _ = sessions.open(scope, "user:dana", "oidc:idp")
        now[0] += 29 * 60
        assert sessions.find(opaque).principal.name == "user:dana"
        now[0] += 29 * 60
        assert not sessions.find(opaque).fresh
        now[0] += 31 * 60
        with pytest.raises(Exception, match="not signed in"):
            sessions.find(opaque)
        opaque, opened = sessions.open(scope, "user:dana", "oidc:idp")
        while now[0] < opened.created_at + 12 * 3600 - 1200:
            now[0] += 1200
            sessions.find(opaque)
        now[0] = opened.created_at + 12 * 3600
        with pytest.raises(Exception, match="not signed in"):
            sessions.find(opaque)


def test_t48_approving_takes_a_proof_of_the_last_five_minutes(still: Site) -> None:
    body = {"presented_digest": "sha256:" + "0" * 64}
    for proven_at, code in ((None, "not_found"), (time.time() - 240, "not_found"), (time.time() - 320, "step_up")):
        with still.browser(still.session("bo", proven_at=proven_at)) as page:
            assert page.post("/v1/approvals/x/approve", json=body).json()["code"] == code
            assert page.get("/v1/me").json()["data"]["fresh"] is (code != "step_up")


def test_the_store_has_no_session_id_and_no_key(still: Site) -> None:
    cookie, key = still.session("dana"), still.key("dana")
    stored = json.dumps(_everything(still.app), default=str)
    assert cookie.partition("=")[2] not in stored
    assert key.rpartition("_")[2][:64] not in stored


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[" * 100_000, 400, "json"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "json"),
        (b'{"text": "a", "text": "b"}', 400, "json"),
        (b'{"text": NaN}', 400, "json"),
        (b'{"input": {"n": ' + b"9" * 10_000 + b"}}", 400, "json"),
        (b"[" + b"1," * 20_000 + b"1]", 400, "json"),
        (b"\xff\xfe", 400, "json"),
        (b"{", 400, "json"),
        (b"x" * 1_100_000, 413, "too_large"),
        (b"", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b'{"unknown": 1}', 422, "invalid"),
        (b'{"text": 5}', 422, "invalid"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_t49_bodies_that_are_too_large_too_deep_or_no_json_are_refused(
    still: Site, body: bytes, status: int, code: str
) -> None:
    with still.client("dana") as client:
        answer = client.post("/v1/runs", content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_t49_a_compressed_body_is_refused_unread(still: Site) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    with still.client("dana") as client:
        for form in ("gzip", "deflate", "br", "zstd", "gzip, identity"):
            answer = client.post("/v1/runs", content=bomb, headers={"content-encoding": form})
            assert (answer.status_code, answer.json()["code"]) == (415, "content_encoding")


def test_t49_a_body_without_end_is_cut_off_in_bounded_memory(still: Site) -> None:
    process = psutil.Process()
    before, sent = process.memory_info().rss, 0
    with socket.create_connection(("127.0.0.1", urlsplit(still.url).port or 0)) as connection:
        head = (
            f"POST /v1/runs HTTP/1.1\r\nHost: {urlsplit(still.url).netloc}\r\n"
            f"Authorization: Bearer {still.key('dana')}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall(head.encode())
        try:
            for _ in range(500):
                connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                sent += 65536
            answer = connection.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            answer = b" 413 "
    assert b" 413 " in answer
    assert process.memory_info().rss - before < 30_000_000


def test_t49_a_sender_that_drips_is_cut_off(app: Clearway) -> None:
    from dataclasses import replace

    with running(app, work=False, change=lambda o: replace(o, body_timeout_s=0.2)) as site:
        answer = _raw(
            site,
            f"POST /v1/runs HTTP/1.1\r\nHost: {urlsplit(site.url).netloc}\r\n"
            f"Authorization: Bearer {site.key('dana')}\r\n"
            'Content-Type: application/json\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{"te'.encode(),
        )
        assert b" 400 " in answer
        assert b"slow_body" in answer


def test_t49_an_endless_head_is_refused(still: Site) -> None:
    answer = _raw(still, b"GET /v1/runs HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)))
    assert answer == b"" or b" 400 " in answer or b" 431 " in answer


def test_a_fault_of_ours_says_its_request_id_and_nothing_else(
    still: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret-of-the-store")

    with still.client("dana") as client:
        client.get("/v1/me")
        monkeypatch.setattr(type(still.app.store), "read", broken)
        answer = client.get("/v1/runs", headers={"x-request-id": "mine-7"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["instance"] == "urn:clearway:request:mine-7"
    assert "secret-of-the-store" not in answer.text
    assert "mine-7" in caplog.text


def test_ids_and_the_trace_go_in_and_out(still: Site) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with still.client("dana") as client:
        answer = client.get(
            "/v1/runs", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-request-id": "r-1"}
        )
        assert answer.headers["x-request-id"] == "r-1"
        version, same, span, flags = answer.headers["traceparent"].split("-")
        assert (version, same, flags) == ("00", trace, "01")
        assert span != "00f067aa0ba902b7"
        for bad in ("", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff-" + trace + "-00f067aa0ba902b7-01", "x" * 500):
            fresh = client.get("/v1/runs", headers={"traceparent": bad, "x-request-id": "with blank"})
            assert fresh.headers["traceparent"].split("-")[1] not in (trace, "0" * 32)
            assert fresh.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("host", "settings", "keyed", "fits"),
    [
        ("127.0.0.1", "", False, True),
        ("::1", "", False, True),
        ("localhost", "", False, True),
        ("0.0.0.0", "", False, False),
        ("0.0.0.0", "", True, False),
        ("::", 'hosts = ["c.example"]', True, False),
        ("192.0.2.1", 'hosts = ["c.example"]\nproxies = ["192.0.2.9"]', False, False),
        ("192.0.2.1", 'proxies = ["192.0.2.9"]', True, False),
        ("192.0.2.1", 'hosts = ["c.example"]\nproxies = ["192.0.2.9"]', True, True),
    ],
)
def test_off_this_machine_it_takes_authentication_and_tls_or_a_proxy(
    tmp_path: Path, host: str, settings: str, keyed: bool, fits: bool
) -> None:
    from tests.server.site import FILES

    toml = FILES["clearway.toml"].replace("[server]\n", f"[server]\n{settings}\n")
    with Clearway.open(write_project(tmp_path / "p", **{"clearway.toml": toml})) as app:
        if keyed:
            app.access.create_first_key(app.scope("acme", "prod"), "user:dana", days=1)
        binding = Binding(host)
        if fits:
            check(binding, app)
            local = host in ("127.0.0.1", "::1", "localhost")
            assert options_of(binding, app).local is local
        else:
            with pytest.raises(Exception, match="this machine"):
                check(binding, app)


def test_t15_whoever_asked_approves_nothing_of_it_but_in_dev_where_the_project_says_so(site: Site) -> None:
    large = {**SMALL, "input": {**SMALL["input"], "amount_minor": 6000}}
    with site.client("dana") as client:
        record = site.ended(client.post("/v1/runs", json=large).json()["data"]["run_id"])
    approval = record["approvals"][0]["approval_id"]
    with site.client("bo") as client:
        edited = {"arguments": {"account": "9182", "amount_minor": 7000}, "comment": "less"}
        assert client.post(f"/v1/approvals/{approval}/edit", json=edited).status_code == 200

        def asked_anew() -> bool:
            return len(site.ended(record["run_id"])["approvals"]) == 2

        _until(asked_anew)
        new = client.get("/v1/approvals").json()["data"]["items"][0]["approval_id"]
        digest = client.get(f"/v1/approvals/{new}").json()["data"]["presented_digest"]
        own = client.post(f"/v1/approvals/{new}/approve", json={"presented_digest": digest})
    assert (own.status_code, own.json()["code"]) == (403, "separation_of_duties")


def _raw(site: Site, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", urlsplit(site.url).port or 0), timeout=30) as connection:
        found = b""
        try:
            connection.sendall(request)
            while part := connection.recv(65536):
                found += part
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
        return found


def _everything(app: Clearway) -> dict[str, list[Any]]:
    """Each row of each table of ours, but the count of what callers have asked, and what the worker signs by itself."""
    from clearway.adapters.sql.tables import metadata

    with app.storage.sql.connect() as connection:
        tables = metadata.tables.keys() - {"audit_checkpoints"}
        rows = {name: connection.execute(text(f"SELECT * FROM {name}")).all() for name in tables}
    return {name: sorted(repr(row) for row in found if "'http:" not in repr(row)) for name, found in rows.items()}


def _issue_and_get(site: Site, user: str, environment: str) -> str:
    return site.key(user, environment).split("_")[2]


def _remade(key: str, key_id: str, secret: str) -> str:
    import zlib

    environment = key.split("_")[1]
    return f"cw_{environment}_{key_id}_{secret}{zlib.crc32((key_id + secret).encode()):08x}"


def _with_secret(key: str, secret: str) -> str:
    return _remade(key, key.split("_")[2], secret)


def _with_id(key: str, key_id: str) -> str:
    return _remade(key, key_id, key.split("_")[3][:64])


def _until(holds: Callable[[], bool]) -> None:
    import threading

    for _ in range(1500):
        if holds():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never became so")


def test_t49_more_requests_at_once_than_are_taken_are_told_to_come_again(app: Clearway) -> None:
    from dataclasses import replace

    with (
        running(app, work=False, change=lambda o: replace(o, most_at_once=1)) as site,
        site.client("dana") as client,
        client.stream("GET", "/v1/events") as stream,
    ):
        assert stream.status_code == 200
        assert client.get("/v1/me").status_code == 200
        head = (
            f"POST /v1/runs HTTP/1.1\r\nHost: {urlsplit(site.url).netloc}\r\n"
            f"Authorization: Bearer {site.key('dana')}\r\n"
            "Content-Type: application/json\r\nContent-Length: 20\r\n\r\n"
        )
        with ExitStack() as held:
            slow: list[socket.socket] = []

            def only_place_is_held() -> bool:
                """By a request whose body does not come; one that was turned away itself is sent again."""
                if not slow or select.select(slow[-1:], [], [], 0)[0]:
                    place = ("127.0.0.1", urlsplit(site.url).port or 0)
                    slow.append(held.enter_context(socket.create_connection(place)))
                    slow[-1].sendall(head.encode())
                return client.get("/v1/me").status_code == 503

            _until(only_place_is_held)
            refused = client.get("/v1/me")
            assert (refused.json()["code"], refused.headers["retry-after"]) == ("busy", "1")
        _until(lambda: client.get("/v1/me").status_code == 200)


def test_behind_tls_the_cookies_home_is_https_and_browsers_are_told_to_keep_to_it(tmp_path: Path) -> None:
    from tests.server.site import FILES

    settings = 'hosts = ["c.example"]\nproxies = ["192.0.2.9"]'
    toml = FILES["clearway.toml"].replace("[server]\n", f"[server]\n{settings}\n")
    with Clearway.open(write_project(tmp_path / "p", **{"clearway.toml": toml})) as app:
        for host in ("192.0.2.1", "127.0.0.1"):
            options = options_of(Binding(host), app)
            assert (options.origin, options.local) == ("https://c.example", False)
            assert {"c.example", "c.example:8080"} <= options.hosts
        with running(app, work=False) as site:
            answer = httpx.get(f"{site.url}/healthz", headers={"host": "c.example"}, trust_env=False)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert site.served.site.token is None
