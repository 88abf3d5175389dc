"""The support desk's billing service, over real sockets and its real ledger."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from examples.support_desk import services

REFUND = {"account": "7001", "amount_minor": 1_250, "currency": "EUR", "memo": "late delivery"}
CHECKOUT = Path(services.__file__).resolve().parents[3]


@pytest.fixture
def billing(tmp_path: Path) -> Iterator[services.Service]:
    with services.start("billing", tmp_path) as service:
        yield service


@pytest.fixture
def client(billing: services.Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=billing.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one service for all the tests that leave nothing behind that another could see."""
    with (
        services.start("billing", tmp_path_factory.mktemp("shared")) as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        yield client


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a billing service that ignores idempotency keys."""
    with (
        services.start("billing", tmp_path, "--ignore-keys") as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        yield client


def until(true: Callable[[], bool], limit_s: float = 30) -> None:
    deadline, pause = time.monotonic() + limit_s, threading.Event()
    while not true():
        assert time.monotonic() < deadline, f"not so within {limit_s} s"
        pause.wait(0.01)


def refund(client: httpx.Client, key: str | None = None, **changes: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/refunds", json=REFUND | changes, headers=headers)


def arm(client: httpx.Client, fault: str, **fields: Any) -> None:
    client.post("/faults", json={"fault": fault, **fields}).raise_for_status()


def code(response: httpx.Response) -> str:
    return response.json()["error"]["code"]


# --- Accounts and charges ---


def test_a_seeded_account_is_shown(shared: httpx.Client) -> None:
    account = shared.get("/accounts/9182").json()
    assert account.keys() == {
        "id", "tenant", "holder", "email", "status", "balance_minor", "currency", "plan"
    }  # fmt: skip
    assert (account["id"], account["currency"]) == ("9182", "USD")


def test_an_unknown_account_is_404(shared: httpx.Client) -> None:
    answer = shared.get("/accounts/0000")
    assert (answer.status_code, code(answer)) == (404, "unknown_account")


def test_a_refund_is_committed_before_it_is_answered(client: httpx.Client, tmp_path: Path) -> None:
    before = client.get("/accounts/7001").json()["balance_minor"]
    answer = refund(client, "k1")
    [charge] = services.charges(tmp_path)
    assert answer.status_code == 201
    assert answer.json()["id"] == charge.id
    assert (charge.kind, charge.amount_minor, charge.currency) == ("refund", 1_250, "EUR")
    assert client.get("/accounts/7001").json()["balance_minor"] == before + 1_250


def test_charges_are_found_by_key_and_by_account(client: httpx.Client) -> None:
    refund(client, "k1")
    refund(client, "k2")
    client.post("/adjustments", json=REFUND | {"account": "9182", "amount_minor": -300, "currency": "USD"})
    assert [c["idempotency_key"] for c in client.get("/charges?key=k2").json()["charges"]] == ["k2"]
    assert [c["amount_minor"] for c in client.get("/charges?account=9182").json()["charges"]] == [-300]
    assert client.get("/charges?account=9182&key=k2").json() == {"charges": []}
    assert client.get("/charges/count").json() == {"count": 3}


def test_an_empty_filter_does_not_list_everything(shared: httpx.Client) -> None:
    assert shared.get("/charges?key=").status_code == 400


@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        ({"account": "0000"}, 404, "unknown_account"),
        ({"account": "8842", "currency": "USD"}, 409, "account_closed"),
        ({"currency": "USD"}, 422, "currency_mismatch"),
        ({"currency": "eur"}, 400, "invalid_request"),
        ({"amount_minor": 0}, 400, "invalid_request"),
        ({"amount_minor": -5}, 400, "invalid_request"),
        ({"amount_minor": 12.5}, 400, "invalid_request"),
        ({"amount_minor": True}, 400, "invalid_request"),
        ({"amount": 12}, 400, "invalid_request"),
    ],
)
def test_an_invalid_refund_is_refused_and_changes_nothing(
    shared: httpx.Client, changes: dict[str, Any], status: int, expected: str
) -> None:
    key = f"invalid-{uuid4()}"
    answer = refund(shared, key, **changes)
    assert (answer.status_code, code(answer)) == (status, expected)
    assert shared.get("/charges", params={"key": key}).json() == {"charges": []}
    accepted = refund(shared, key)
    assert accepted.status_code == 201, "a refused request does not use its key up"
    assert "Idempotent-Replay" not in accepted.headers


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"account": NaN}', b'{"memo": "", "memo": ""}', b"\xff"])
def test_a_body_that_is_not_a_strict_json_object_is_400(shared: httpx.Client, body: bytes) -> None:
    answer = shared.post("/refunds", content=body)
    assert (answer.status_code, code(answer)) == (400, "invalid_json")


def test_a_body_over_64_kib_is_413(shared: httpx.Client) -> None:
    answer = refund(shared, memo="x" * 65_536)
    assert (answer.status_code, code(answer)) == (413, "body_too_large")


# --- Idempotency ---


def test_the_same_key_and_body_get_the_first_answer_again(client: httpx.Client, tmp_path: Path) -> None:
    first, second = refund(client, "k1"), refund(client, "k1")
    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert "Idempotent-Replay" not in first.headers
    assert second.headers["Idempotent-Replay"] == "true"
    assert len(services.charges(tmp_path)) == 1
    assert [(r.path, r.idempotency_key, r.duplicate) for r in services.requests(tmp_path)] == [
        ("/refunds", "k1", False),
        ("/refunds", "k1", True),
    ]


def test_the_same_key_with_another_body_or_path_is_422(client: httpx.Client, tmp_path: Path) -> None:
    refund(client, "k1")
    other_body = refund(client, "k1", amount_minor=9_999)
    other_path = client.post("/adjustments", json=REFUND, headers={"Idempotency-Key": "k1"})
    for answer in (other_body, other_path):
        assert (answer.status_code, code(answer)) == (422, "idempotency_mismatch")
    assert len(services.charges(tmp_path)) == 1


def test_without_a_key_each_request_is_a_charge_of_its_own(client: httpx.Client, tmp_path: Path) -> None:
    assert refund(client).json()["id"] != refund(client).json()["id"]
    assert len(services.charges(tmp_path)) == 2


def test_sixteen_threads_with_one_key_make_one_charge(client: httpx.Client, tmp_path: Path) -> None:
    gate = threading.Barrier(16)

    def send() -> httpx.Response:
        gate.wait(30)
        return refund(client, "k1")

    with ThreadPoolExecutor(16) as pool:
        answers = [sent.result() for sent in [pool.submit(send) for _ in range(16)]]
    assert {answer.json()["id"] for answer in answers} == {services.charges(tmp_path)[0].id}
    assert sum("Idempotent-Replay" in answer.headers for answer in answers) == 15
    assert len(services.charges(tmp_path)) == 1


def test_a_service_that_ignores_keys_charges_twice(forgetful: httpx.Client, tmp_path: Path) -> None:
    answers = [refund(forgetful, "k1"), refund(forgetful, "k1")]
    assert all("Idempotent-Replay" not in answer.headers for answer in answers)
    assert [charge.idempotency_key for charge in services.charges(tmp_path)] == ["k1", "k1"]
    assert len(forgetful.get("/charges?key=k1").json()["charges"]) == 2


def test_a_charge_is_reversed_once_whatever_the_key(client: httpx.Client, tmp_path: Path) -> None:
    before = client.get("/accounts/7001").json()["balance_minor"]
    path = f"/refunds/{refund(client, 'k1').json()['id']}/reverse"
    first = client.post(path, headers={"Idempotency-Key": "r1"})
    again = [client.post(path, headers={"Idempotency-Key": "r1"}), client.post(path)]
    assert (first.status_code, first.json()["amount_minor"]) == (201, -1_250)
    assert all(a.json() == first.json() and a.headers["Idempotent-Replay"] == "true" for a in again)
    assert client.get("/accounts/7001").json()["balance_minor"] == before
    assert services.charges(tmp_path)[0].reversed_at == first.json()["created_at"]


def test_a_reversal_needs_a_charge_of_its_kind(client: httpx.Client) -> None:
    charge = refund(client).json()["id"]
    assert code(client.post(f"/adjustments/{charge}/reverse")) == "unknown_charge"
    assert code(client.post("/refunds/ref_999999/reverse")) == "unknown_charge"


# --- Faults ---


@pytest.mark.parametrize(
    ("fault", "status", "committed"),
    [
        ("error_before_commit", 500, 0),
        ("throttle", 429, 0),
        ("unavailable", 503, 0),
        ("error_after_commit", 500, 1),
    ],
)
def test_an_error_fault_answers_its_status_and_a_retry_makes_one_charge(
    client: httpx.Client, tmp_path: Path, fault: str, status: int, committed: int
) -> None:
    arm(client, fault, retry_after_s=7)
    answer = refund(client, "k1")
    assert (answer.status_code, len(services.charges(tmp_path))) == (status, committed)
    assert answer.headers.get("Retry-After") == ("7" if status in (429, 503) else None)
    assert refund(client, "k1").headers.get("Idempotent-Replay") == ("true" if committed else None)
    assert len(services.charges(tmp_path)) == 1


@pytest.mark.parametrize(("fault", "committed"), [("reset_before_commit", 0), ("reset_after_commit", 1)])
def test_a_reset_fault_resets_the_connection(
    billing: services.Service, client: httpx.Client, tmp_path: Path, fault: str, committed: int
) -> None:
    arm(client, fault)
    body = json.dumps(REFUND).encode()
    head = f"POST /refunds HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k1\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", billing.port), timeout=30) as raw:
        raw.sendall(head.encode() + body)
        with pytest.raises(ConnectionResetError):
            raw.recv(1)
    assert len(services.charges(tmp_path)) == committed
    refund(client, "k1")
    assert len(services.charges(tmp_path)) == 1


def test_a_reset_is_a_read_error_to_an_http_client(client: httpx.Client) -> None:
    arm(client, "reset_after_commit")
    with pytest.raises(httpx.ReadError):
        refund(client, "k1")


def test_a_malformed_answer_is_a_200_over_a_committed_charge(client: httpx.Client, tmp_path: Path) -> None:
    arm(client, "malformed")
    answer = refund(client, "k1")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert len(services.charges(tmp_path)) == 1


def test_a_slow_answer_is_late_and_correct(client: httpx.Client) -> None:
    arm(client, "slow", delay_s=0.3)
    began = time.monotonic()
    assert refund(client, "k1").status_code == 201
    assert time.monotonic() - began >= 0.3


def test_a_hang_commits_and_holds_up_neither_others_nor_the_end(
    billing: services.Service, client: httpx.Client, tmp_path: Path
) -> None:
    arm(client, "commit_then_hang", delay_s=600)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(refund, client, "k1")
        until(lambda: len(services.charges(tmp_path)) == 1)
        assert refund(client, "k1").headers["Idempotent-Replay"] == "true"
        assert not hanging.done()
        began = time.monotonic()
        assert billing.stop() == 0
        assert time.monotonic() - began < 3
        with pytest.raises(httpx.TransportError):
            hanging.result(5)


def test_a_hang_ends_without_an_answer(client: httpx.Client) -> None:
    arm(client, "commit_then_hang", delay_s=0.1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        refund(client, "k1")


def test_a_fault_strikes_only_what_it_matches_and_as_often_as_told(client: httpx.Client) -> None:
    arm(client, "unavailable", match={"path": "/refunds", "account": "7001"}, times=2)
    assert refund(client, account="9182", currency="USD").status_code == 201
    assert client.post("/adjustments", json=REFUND).status_code == 201
    assert client.get("/accounts/7001").status_code == 200
    assert [refund(client).status_code for _ in range(3)] == [503, 503, 201]


def test_a_fault_can_strike_a_lookup(client: httpx.Client) -> None:
    arm(client, "unavailable", match={"method": "GET", "path": "/charges"})
    assert [client.get("/charges?key=k1").status_code for _ in range(2)] == [503, 200]


def test_a_fault_can_strike_a_reversal_of_one_account(client: httpx.Client) -> None:
    arm(client, "error_after_commit", match={"path": "/refunds/*/reverse", "account": "7001"})
    spared, struck = refund(client, account="9182", currency="USD").json()["id"], refund(client).json()["id"]
    assert client.post(f"/refunds/{spared}/reverse").status_code == 201
    assert client.post(f"/refunds/{struck}/reverse").status_code == 500


def test_cleared_faults_strike_no_more(client: httpx.Client) -> None:
    arm(client, "unavailable", times=None)
    assert [refund(client).status_code for _ in range(3)] == [503] * 3
    assert client.delete("/faults").json() == {"armed": []}
    assert refund(client).status_code == 201


@pytest.mark.parametrize(
    "body", [{}, {"fault": "fire"}, {"fault": "slow", "times": 0}, {"fault": "slow", "match": {"id": "1"}}]
)
def test_a_fault_that_makes_no_sense_is_400(shared: httpx.Client, body: dict[str, Any]) -> None:
    answer = shared.post("/faults", json=body)
    assert (answer.status_code, code(answer)) == (400, "invalid_fault")


# --- The process ---


def test_a_kill_loses_no_acknowledged_charge(tmp_path: Path) -> None:
    acknowledged: list[str] = []

    def send(worker: int) -> None:
        with httpx.Client(base_url=service.url, timeout=30) as client:
            for number in range(10_000):
                try:
                    acknowledged.append(refund(client, f"{worker}-{number}").json()["id"])
                except httpx.TransportError:
                    return

    with services.start("billing", tmp_path) as service, ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(send, worker) for worker in range(4)]
        until(lambda: len(acknowledged) >= 40)
        assert service.kill() == -9
        for worker in workers:
            worker.result(5)
    kept = {charge.id for charge in services.charges(tmp_path)}
    assert set(acknowledged) <= kept
    assert len(kept) - len(acknowledged) <= 4, "at most the request in flight of each worker"

    with services.start("billing", tmp_path) as service, httpx.Client(base_url=service.url) as client:
        assert refund(client, "0-0").headers["Idempotent-Replay"] == "true"
        assert client.get("/charges/count").json() == {"count": len(kept)}


def test_the_service_starts_from_any_folder_and_listens_on_loopback_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with services.start("billing", Path("data")) as service:
        assert service.url == f"http://127.0.0.1:{service.port}"
        assert httpx.get(f"{service.url}/charges/count").json() == {"count": 0}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", service.port), timeout=30)
    with pytest.raises(ProcessLookupError):
        os.kill(service.pid, 0)
    assert "Traceback" not in service.log.read_text()


def test_a_service_that_can_not_start_says_why(billing: services.Service, tmp_path: Path) -> None:
    with pytest.raises(services.ServiceError, match="Address already in use"):
        services.start("billing", tmp_path / "second", "--port", str(billing.port))


def test_the_service_runs_as_a_module_from_the_root_of_the_checkout(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    module = "examples.support_desk.services.billing"
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        module,
        "--data",
        str(tmp_path),
        "--port-file",
        str(port_file),
    ]
    with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL) as process:
        until(port_file.exists)
        assert httpx.get(f"http://127.0.0.1:{int(port_file.read_text())}/accounts/5005").status_code == 200
        process.terminate()
        assert process.wait(30) == 0
