"""What a webhook's address may lead to (threat 26)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from clearway.adapters.notify.public_http import client, is_public
from clearway.model.errors import Invalid, Unavailable

PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:7f00:1::",
    "2001::1",
    "::127.0.0.1",
)


@contextmanager
def listening(status: int = 200, location: str = "") -> Iterator[tuple[int, list[str]]]:
    """A real server on loopback; gives its port and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("address", PRIVATE)
def test_t26_an_address_of_a_private_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0"],
)
def test_t26_no_way_of_writing_this_machine_reaches_it(host: str) -> None:
    with listening() as (port, asked), client() as http:
        with pytest.raises((Invalid, Unavailable, httpx.InvalidURL, httpx.ConnectError)):
            http.get(f"http://{host}:{port}/")
        assert asked == []


def test_t26_a_name_that_leads_inside_is_blocked_though_one_of_its_addresses_is_public(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [("93.184.216.34", 80), ("127.0.0.1", 80)]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", answer) for answer in answers]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)
    with client() as http, pytest.raises(Invalid) as invalid:
        http.get("http://rebound.example/")
    assert invalid.value.code == "private_address"


def test_t26_a_redirect_to_the_inside_is_not_followed() -> None:
    with (
        listening() as (inside, asked),
        listening(302, f"http://127.0.0.1:{inside}/") as (port, _),
        client(private_hosts=["127.0.0.1"]) as http,
    ):
        assert http.get(f"http://127.0.0.1:{port}/").status_code == 302
        assert asked == []


def test_a_private_host_that_the_project_names_is_reached() -> None:
    with listening() as (port, asked), client(private_hosts=["127.0.0.1"]) as http:
        assert http.get(f"http://127.0.0.1:{port}/hook").status_code == 200
        assert asked == ["/hook"]


def test_t26_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as (proxy, asked):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy}")
        with client() as http, pytest.raises((Invalid, Unavailable)):
            http.get("http://127.0.0.1:1/")
        assert asked == []
