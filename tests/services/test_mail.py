"""The support desk's mail server, over real SMTP."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from examples.support_desk import services


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[services.Service]:
    with services.start("mail", tmp_path) as service:
        yield service


@pytest.fixture
def smtp(mail: services.Service) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", mail.port, local_hostname="client.test", timeout=30) as connection:
        yield connection


def letter(number: int = 1) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Support <support@desk.test>"
    message["To"] = "ada@customers.test"
    message["Subject"] = f"Your refund – no. {number}"
    message["Message-ID"] = f"<refund-{number}@desk.test>"
    message.set_content("We have sent 12.50 EUR back to you.\n.\nA line with a lone dot came before.\n")
    return message


def arm(folder: Path, faults: dict[str, Any] | list[dict[str, Any]]) -> None:
    (folder / "mail-faults.json").write_text(json.dumps(faults))


def kept_ids(folder: Path) -> list[str]:
    return [entry["message_id"] for entry in services.messages(folder)]


def test_a_message_is_kept_whole_before_it_is_accepted(smtp: smtplib.SMTP, tmp_path: Path) -> None:
    smtp.send_message(letter(), to_addrs=["ada@customers.test", "copy@desk.test"])
    [entry] = services.messages(tmp_path)
    received_at = entry.pop("received_at")
    assert received_at.endswith("+00:00")
    assert entry == {
        "file": "messages/000001.eml",
        "from": "support@desk.test",
        "to": ["ada@customers.test", "copy@desk.test"],
        "subject": "Your refund – no. 1",
        "message_id": "<refund-1@desk.test>",
    }
    kept = message_from_bytes((tmp_path / entry["file"]).read_bytes(), policy=policy.default)
    assert kept.get_content().splitlines() == letter().get_content().splitlines()


def test_the_same_message_twice_is_kept_twice(smtp: smtplib.SMTP, tmp_path: Path) -> None:
    smtp.send_message(letter())
    smtp.send_message(letter())
    assert kept_ids(tmp_path) == ["<refund-1@desk.test>"] * 2


@pytest.mark.parametrize(("fault", "status"), [("temporary", 451), ("permanent", 550)])
def test_a_refusal_keeps_nothing_and_strikes_once(smtp: smtplib.SMTP, tmp_path: Path, fault: str, status: int) -> None:
    arm(tmp_path, {"fault": fault})
    with pytest.raises(smtplib.SMTPDataError) as refused:
        smtp.send_message(letter())
    assert (refused.value.smtp_code, kept_ids(tmp_path)) == (status, [])
    smtp.send_message(letter())
    assert kept_ids(tmp_path) == ["<refund-1@desk.test>"]


def test_a_drop_keeps_the_message_and_gives_no_answer(
    mail: services.Service, smtp: smtplib.SMTP, tmp_path: Path
) -> None:
    arm(tmp_path, {"fault": "drop_after_data", "times": 1})
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.send_message(letter(1))
    assert kept_ids(tmp_path) == ["<refund-1@desk.test>"]
    with smtplib.SMTP("127.0.0.1", mail.port, local_hostname="client.test", timeout=30) as again:
        again.send_message(letter(2))
    assert kept_ids(tmp_path) == ["<refund-1@desk.test>", "<refund-2@desk.test>"]


def test_faults_strike_in_order_and_as_often_as_told(smtp: smtplib.SMTP, tmp_path: Path) -> None:
    arm(tmp_path, [{"fault": "temporary", "times": 2}, {"fault": "permanent"}])
    answers = []
    for number in range(4):
        try:
            smtp.send_message(letter(number))
            answers.append(250)
        except smtplib.SMTPDataError as refused:
            answers.append(refused.smtp_code)
    assert answers == [451, 451, 550, 250]
    assert json.loads((tmp_path / "mail-faults.json").read_text()) == []


def test_a_faults_file_that_makes_no_sense_is_a_temporary_error(smtp: smtplib.SMTP, tmp_path: Path) -> None:
    for content in ("{", '{"fault": "fire"}', '"temporary"', '{"fault": "temporary", "times": "2"}'):
        (tmp_path / "mail-faults.json").write_text(content)
        with pytest.raises(smtplib.SMTPDataError, match=r"mail-faults\.json"):
            smtp.send_message(letter())
    assert kept_ids(tmp_path) == []


def test_a_kill_loses_no_accepted_message_and_numbering_goes_on(tmp_path: Path) -> None:
    for number in (1, 2):
        with services.start("mail", tmp_path) as service:
            smtp = smtplib.SMTP("127.0.0.1", service.port, local_hostname="client.test", timeout=30)
            smtp.send_message(letter(number))
            assert service.kill() == -9
            smtp.close()
    assert [entry["file"] for entry in services.messages(tmp_path)] == [
        "messages/000001.eml",
        "messages/000002.eml",
    ]


def test_the_server_ends_cleanly_with_a_connection_open(mail: services.Service, smtp: smtplib.SMTP) -> None:
    smtp.noop()
    assert mail.stop() == 0
    assert "Traceback" not in mail.log.read_text()
    smtp.close()
