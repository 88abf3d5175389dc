"""The example's skills against its real services: each fault of the other side, and what becomes of it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from clearway import Invalid
from clearway.app import Clearway
from clearway.cli.main import main as clearway
from examples.support_desk import services
from examples.support_desk.demonstration.place import PARTS
from examples.support_desk.demonstration.world import troubles_of
from examples.support_desk.skills.request_text import account_in, money_in, reference_in

EXAMPLE = Path(services.__file__).resolve().parents[1]
LIMIT_S = 60.0

pytestmark = pytest.mark.slow


@dataclass
class Desk:
    """The example, served in this process. Each request of a test has a ticket of its own."""

    app: Clearway
    billing: services.Service
    mail: services.Service
    tickets: Iterator[int] = field(default_factory=lambda: count(1))

    def ticket(self) -> str:
        return f"T-{next(self.tickets)}"

    def arm(self, fault: str, **fields: Any) -> None:
        httpx.post(f"{self.billing.url}/faults", json={"fault": fault, **fields}).raise_for_status()

    def arm_mail(self, fault: str) -> None:
        (self.mail.data_dir / "mail-faults.json").write_text(json.dumps({"fault": fault}))

    def disarm(self) -> None:
        httpx.delete(f"{self.billing.url}/faults").raise_for_status()
        (self.mail.data_dir / "mail-faults.json").unlink(missing_ok=True)

    def ask(self, text: str, user: str = "dana", **options: Any) -> dict[str, Any]:
        return self.app.acting(user).run_and_wait(text, wait_s=LIMIT_S, **options)

    def ended(self, run_id: str) -> dict[str, Any]:
        dana = self.app.acting("dana")
        until(lambda: bool(dana.run_status(run_id)["final"]))
        return dana.run(run_id)

    def charges(self, record: dict[str, Any]) -> list[services.Charge]:
        keys = {step["key"] for step in record["steps"]}
        return [charge for charge in services.charges(self.billing.data_dir) if charge.idempotency_key in keys]

    def sends(self, record: dict[str, Any]) -> int:
        """How many requests of this run billing received."""
        keys = {step["key"] for step in record["steps"]}
        received = services.requests(self.billing.data_dir)
        return len([request for request in received if request.idempotency_key in keys])

    def messages(self, record: dict[str, Any]) -> int:
        """How many messages of this run the mail server kept."""
        key = step(record, "send_confirmation")["key"].removeprefix("sha256:")
        return len([one for one in services.messages(self.mail.data_dir) if key in one["message_id"]])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    project = copied(folder / "project")
    with (
        services.start("billing", folder / "billing") as billing,
        services.start("mail", folder / "mail") as mail,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("BILLING_URL", billing.url)
        environment.setenv("SMTP_HOST", "127.0.0.1")
        environment.setenv("SMTP_PORT", str(mail.port))
        with Clearway.open(project) as app:
            app.serve()
            yield Desk(app, billing, mail)


@pytest.fixture
def desk(shared: Desk) -> Iterator[Desk]:
    yield shared
    shared.disarm()


def copied(project: Path) -> Path:
    project.mkdir()
    for part in PARTS:
        source = EXAMPLE / part
        if source.is_dir():
            shutil.copytree(source, project / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, project / part)
    return project


def until(is_so: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + LIMIT_S, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {LIMIT_S} s"
        pause.wait(0.01)


def step(record: dict[str, Any], tool: str) -> dict[str, Any]:
    return next(one for one in record["steps"] if one["tool"] == tool)


# --- What the other side does to a refund, which may be sent again with its key ---


@pytest.mark.parametrize(
    ("fault", "attempts", "troubles"),
    [
        ({"fault": "error_before_commit"}, 2, ["http_500"]),
        ({"fault": "error_after_commit"}, 2, ["http_500"]),
        ({"fault": "slow", "delay_s": 0.3}, 1, []),
        ({"fault": "commit_then_hang", "delay_s": 20}, 2, ["timeout"]),
        ({"fault": "throttle"}, 2, ["http_429"]),
        ({"fault": "unavailable"}, 2, ["http_503"]),
        ({"fault": "reset_before_commit"}, 2, ["ReadError"]),
        ({"fault": "reset_after_commit"}, 2, ["ReadError"]),
        ({"fault": "malformed"}, 2, ["JSONDecodeError"]),
        ({"fault": "error_after_commit", "times": 2}, 3, ["http_500", "http_500"]),
    ],
    ids=lambda value: f"{value['fault']} x {value.get('times', 1)}" if isinstance(value, dict) else "",
)
def test_a_refund_becomes_one_charge_whatever_the_other_side_does(
    desk: Desk, fault: dict[str, Any], attempts: int, troubles: list[str]
) -> None:
    desk.arm(**fault, match={"path": "/refunds"})
    record = desk.ask("Refund $30 to account 9182", input={"reference": desk.ticket()})
    assert record["status"] == "done", record["failure"]
    assert step(record, "refund")["attempts"] == attempts
    assert troubles_of(record, "s2") == troubles
    assert [charge.amount_minor for charge in desk.charges(record)] == [3_000]
    assert desk.sends(record) == attempts
    assert desk.messages(record) == 1


def test_a_throttled_refund_waits_as_long_as_it_is_told(desk: Desk) -> None:
    desk.arm("throttle", match={"path": "/refunds"}, retry_after_s=2)
    record = desk.ask("Refund $30 to account 9182")
    assert record["status"] == "done", record["failure"]
    assert record["latency_s"] >= 2


def test_a_refund_that_billing_never_books_fails_without_a_charge(desk: Desk) -> None:
    desk.arm("error_before_commit", match={"path": "/refunds"}, times=None)
    record = desk.ask("Refund $30 to account 9182")
    if record["status"] == "unknown":  # asked for after its last attempt, and found missing once that has settled
        record = desk.ended(record["run_id"])
    assert (record["status"], record["failure"]["tool"]) == ("failed", "refund")
    assert step(record, "refund")["attempts"] == 3
    assert desk.charges(record) == []


# --- The same to an adjustment, which is asked for instead of being sent again ---


@pytest.mark.parametrize("fault", ["error_after_commit", "commit_then_hang", "reset_after_commit", "malformed"])
def test_an_adjustment_in_doubt_is_found_and_not_sent_again(desk: Desk, fault: str) -> None:
    desk.arm(fault, match={"path": "/adjustments"}, delay_s=20)
    record = desk.ask(f"Adjust account 9182 by $5, ticket {desk.ticket()}")
    assert record["status"] == "done", record["failure"]
    assert [charge.amount_minor for charge in desk.charges(record)] == [500]
    assert desk.sends(record) == 1


@pytest.mark.parametrize("fault", ["error_before_commit", "reset_before_commit"])
def test_an_adjustment_that_did_not_happen_is_sent_again_once_that_is_sure(desk: Desk, fault: str) -> None:
    desk.arm(fault, match={"path": "/adjustments"})
    record = desk.ask(f"Adjust account 9182 by $5, ticket {desk.ticket()}")
    record = desk.ended(record["run_id"])
    assert record["status"] == "done", record["failure"]
    assert [charge.amount_minor for charge in desk.charges(record)] == [500]
    assert desk.sends(record) == 2


def test_an_adjustment_that_nobody_can_tell_about_waits_for_a_person(desk: Desk) -> None:
    desk.arm("reset_after_commit", match={"path": "/adjustments"})
    desk.arm("error_before_commit", match={"method": "GET", "path": "/charges"}, times=None)
    record = desk.ask(f"Adjust account 9182 by $5, ticket {desk.ticket()}")
    assert record["status"] == "unknown"
    olga = desk.app.acting("olga")
    olga.resolve(step(record, "write_adjustment")["key"], happened=True, reason="It is in billing's ledger.")
    record = desk.ended(record["run_id"])
    assert record["status"] == "done", record["failure"]
    assert len(desk.charges(record)) == desk.sends(record) == 1


# --- One adjustment a ticket ---


def test_the_same_ticket_is_adjusted_once_in_two_runs(desk: Desk) -> None:
    text = f"Adjust account 9182 by $5, ticket {desk.ticket()}"
    first, second = desk.ask(text), desk.ask(text)
    assert [first["status"], second["status"]] == ["done", "done"]
    assert first["run_id"] != second["run_id"]
    assert second["result"]["charge"] == first["result"]["charge"]
    assert (desk.sends(first), desk.sends(second)) == (1, 0)


def test_a_ticket_is_not_adjusted_by_another_amount(desk: Desk) -> None:
    ticket = desk.ticket()
    desk.ask(f"Adjust account 9182 by $5, ticket {ticket}")
    second = desk.ask(f"Adjust account 9182 by $6, ticket {ticket}")
    assert (second["status"], second["failure"]["code"]) == ("refused", "business_key_mismatch")
    assert desk.sends(second) == 0


def test_an_adjustment_that_was_taken_back_can_be_asked_for_again(desk: Desk) -> None:
    text = f"Adjust account 9182 by $5, ticket {desk.ticket()}"
    desk.arm_mail("permanent")
    first = desk.ask(text)
    assert (first["status"], first["failure"]["compensated"]) == ("failed", ["s2: done"])
    assert [charge.reversed_at is None for charge in desk.charges(first)] == [False]
    again = desk.ask(text)
    assert again["status"] == "done"
    assert [charge.reversed_at is None for charge in desk.charges(again)] == [True]


# --- Mail ---


def test_a_mail_that_is_declined_for_now_is_sent_again(desk: Desk) -> None:
    desk.arm_mail("temporary")
    record = desk.ask(f"Adjust account 9182 by $5, ticket {desk.ticket()}")
    assert record["status"] == "done", record["failure"]
    assert (step(record, "send_confirmation")["attempts"], desk.messages(record)) == (2, 1)


def test_a_refund_stays_though_its_mail_is_refused(desk: Desk) -> None:
    desk.arm_mail("permanent")
    record = desk.ask("Refund $30 to account 9182")
    assert record["status"] == "done", record["failure"]
    assert record["result"]["answer"] == "Refunded; the customer was not told."
    assert [charge.reversed_at for charge in desk.charges(record)] == [None]


def test_a_mail_in_doubt_is_never_sent_twice(desk: Desk) -> None:
    desk.arm_mail("drop_after_data")
    record = desk.ask("Refund $30 to account 9182")
    assert record["status"] == "unknown"
    key = step(record, "send_confirmation")["key"]
    desk.app.acting("olga").resolve(key, happened=True, reason="The mail server kept it.")
    record = desk.ended(record["run_id"])
    assert record["status"] == "done", record["failure"]
    assert desk.messages(record) == 1


def test_the_customers_address_is_recorded_as_a_token(desk: Desk) -> None:
    record = desk.ask("Refund $30 to account 9182")
    assert "ada.moreau" not in json.dumps(record)
    read, sent = (
        step(record, "read_account")["result"]["email"],
        step(record, "send_confirmation")["arguments"]["email"],
    )
    assert read == sent
    assert read.startswith("<EMAIL:")


# --- Policy ---


@pytest.mark.parametrize(
    ("user", "text", "code"),
    [
        ("sam", "Refund $30 to account 9182", "no_permit"),
        ("dana", "Adjust account 9182 by $51", "no_permit"),
        ("dana", "Refund $10,001 to account 9182", "forbidden"),
        ("dana", "Refund €20 to account 6120", "forbidden"),
        ("gil", "Refund $30 to account 9182", "forbidden"),
        ("dana", "Refund -$30 to account 9182", "no_permit"),
    ],
)
def test_what_policy_refuses_sends_nothing(desk: Desk, user: str, text: str, code: str) -> None:
    started = desk.app.acting(user).run_and_wait(text, wait_s=LIMIT_S)
    assert (started["status"], started["failure"]["code"]) == ("refused", code)
    assert desk.sends(started) == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Refund $30 to account 8842", "account_closed"),
        ("Refund €30 to account 9182", "currency_mismatch"),
        ("Refund some money to account 9182", "amount_unclear"),
        ("Refund $30 to account 9182 or account 5005", "account_unclear"),
    ],
)
def test_a_request_that_cannot_be_meant_fails_before_any_write(desk: Desk, text: str, code: str) -> None:
    record = desk.ask(text)
    assert (record["status"], record["failure"]["code"]) == ("failed", code)
    assert desk.sends(record) == 0


def test_a_worker_that_was_not_told_where_billing_is_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BILLING_URL")
    record = desk.ask("Refund $30 to account 9182")
    assert (record["status"], record["failure"]["code"]) == ("refused", "billing_url")
    assert "BILLING_URL=http" in record["failure"]["message"]


def test_the_table_of_the_policies_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert clearway(["policy", "test", "--project", str(EXAMPLE)]) == 0
    assert clearway(["policy", "check", "--project", str(EXAMPLE)]) == 0
    capsys.readouterr()


# --- Texts ---


def test_the_audit_chains_of_both_tenants_verify(desk: Desk) -> None:
    desk.ask("Refund $30 to account 9182", user="gil")
    assert desk.app.acting("olga").audit_verify()["status"] == "intact"
    assert desk.app.acting("gil").audit_verify()["status"] == "intact"


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("Refund $2,400 to account 9182", (240_000, "USD")),
        ("Adjust account 9182 by -$4.50", (-450, "USD")),
        ("Please refund 30 euros to account 7001", (3_000, "EUR")),
        ("Refund 1,250.75 GBP to account 4477", (125_075, "GBP")),
        ("Refund $20, yes, $20 to account 9182", (2_000, "USD")),
    ],
)
def test_an_amount_is_read_out_of_a_text(text: str, money: tuple[int, str]) -> None:
    assert money_in(text) == money


@pytest.mark.parametrize(
    "text",
    [
        "Refund account 9182",
        "Refund $20 or $30",
        "Refund $2.400,00",
        "Refund $12.345",
        "Refund $1,2345",
        "Refund 500 JPY",
    ],
)
def test_an_amount_that_is_not_clear_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        money_in(text)
    assert refused.value.code == "amount_unclear"


def test_the_account_and_the_ticket_are_read_out_of_a_text() -> None:
    text = "Adjust account number 9182 by $25 for the late delivery, ticket cs-1042"
    assert (account_in(text), reference_in(text)) == ("9182", "CS-1042")


@pytest.mark.parametrize(
    ("text", "skill"),
    [
        ("Refund $2,400 to account 9182", "refund_desk"),
        ("What is the status of account 9182?", "account_status"),
        ("Adjust account 9182 by $25 for the late delivery, ticket CS-1042", "account_adjustment"),
        ("Book a flight to Lisbon", None),
    ],
)
def test_a_text_finds_its_skill(desk: Desk, text: str, skill: str | None) -> None:
    version = desk.app.versions.folder
    assert version.router.route(text, version.skills).skill == skill
