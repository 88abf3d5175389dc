"""People are told of what waits for them: over real HTTP and SMTP, on both databases, and once."""

from pathlib import Path
from typing import Any

import pytest

from clearway.model.identity import Scope
from clearway.model.notice import Delivery, Sending
from clearway.operate.notices import MOST_ATTEMPTS
from clearway.project.notification_settings import Channel, NotificationSettings
from clearway.rules.webhooks import verify
from examples.support_desk import services
from tests.flow.desk import refund_skill, refund_tool
from tests.notify.conftest import Receiver
from tests.road import Road, Roads, hold

SCOPE = Scope("acme", "dev")
SECRET = "whsec_c2VjcmV0IG9mIHRoZSBwYWdlcg=="
LINK = "https://clearway.test"


def told(*channels: Channel) -> NotificationSettings:
    return NotificationSettings(LINK, ("127.0.0.1",), {channel.name: channel for channel in channels})


def pager(receiver: Receiver, **changes: Any) -> Channel:
    whole: dict[str, Any] = {"webhook": receiver.url, "secret_variable": "TEST_PAGER_SECRET", **changes}
    return Channel("pager", **whole)


def a_road(roads: Roads, *channels: Channel) -> Road:
    return roads.build(
        tools=[refund_tool(roads.remote)],
        skills=[refund_skill()],
        policy={"refund": hold()},
        notifications=told(*channels),
    )


def held(road: Road) -> str:
    run_id = road.start("dana", "desk", account="9182", amount_minor=240_000)
    road.work()
    return run_id


def sendings(road: Road) -> list[Sending]:
    """Of the request for approval."""
    found = road.app.store.read(SCOPE, lambda tx: tx.notices.newest())
    return [sending for sending in found if sending.kind == "approval.requested"]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PAGER_SECRET", SECRET)


def test_whoever_waits_for_an_approval_is_told_by_a_signed_webhook_with_a_link(
    roads: Roads, receiver: Receiver
) -> None:
    road = a_road(roads, pager(receiver))
    held(road)
    ((headers, body),) = receiver.got
    notice: Any = verify(SECRET, headers, body)
    approval_id = road.as_user("amir").approvals()["items"][0]["approval_id"]
    assert notice["kind"] == "approval.requested"
    assert notice["link"] == f"{LINK}/inbox/{approval_id}"
    assert b"9182" not in body, "no argument leaves by a notice"
    assert b"240000" not in body
    assert [s.state for s in sendings(road)] == [Delivery.SENT]


def test_a_webhook_that_is_away_is_tried_again_under_the_same_id(roads: Roads, receiver: Receiver) -> None:
    road = a_road(roads, pager(receiver))
    receiver.will = [503, 429]
    held(road)
    assert [s.code for s in sendings(road)] == ["status_503"]
    road.later(60.0)
    assert [s.state for s in sendings(road)] == [Delivery.SENT]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_a_refusal_is_final_and_a_dead_end_is_given_up(roads: Roads, receiver: Receiver) -> None:
    road = a_road(roads, pager(receiver))
    receiver.will = [401]
    held(road)
    road.later(600.0)
    assert [(s.state, s.code) for s in sendings(road)] == [(Delivery.GIVEN_UP, "status_401")]
    assert len(receiver.got) == 1


def test_what_fails_again_and_again_ends(roads: Roads, receiver: Receiver) -> None:
    road = a_road(roads, pager(receiver))
    receiver.will = [500] * 100
    held(road)
    road.later(86_400.0)
    assert [(s.state, s.attempts) for s in sendings(road)] == [(Delivery.GIVEN_UP, MOST_ATTEMPTS)]


def test_a_worker_that_died_before_the_sending_was_noted_sends_it_again_under_the_same_id(
    roads: Roads, receiver: Receiver
) -> None:
    road = a_road(roads, pager(receiver))
    road.start("dana", "desk", account="9182", amount_minor=500)
    run = road.queue.take(road.worker.number)
    assert run is not None
    road.carry_out(*run, worker=road.worker)
    road.die_on_write(1, committed=False)
    assert not road.work()
    road.restart()
    road.work()
    assert len(receiver.got) == 2
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert [s.state for s in sendings(road)] == [Delivery.SENT]


def test_a_group_is_told_of_its_own_approvals_only(roads: Roads, receiver: Receiver) -> None:
    road = a_road(roads, pager(receiver, groups=("security",)))
    held(road)
    assert receiver.got == []


def test_a_missing_secret_is_said_and_nothing_is_sent(
    roads: Roads, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_PAGER_SECRET")
    road = a_road(roads, pager(receiver))
    held(road)
    assert [(s.state, s.code) for s in sendings(road)] == [(Delivery.GIVEN_UP, "not_set")]
    assert receiver.got == []


def test_t26_a_webhook_into_a_private_network_is_refused_unless_the_project_names_it(
    roads: Roads, receiver: Receiver
) -> None:
    road = roads.build(
        tools=[refund_tool(roads.remote)],
        skills=[refund_skill()],
        policy={"refund": hold()},
        notifications=NotificationSettings(LINK, (), {"pager": pager(receiver)}),
    )
    held(road)
    assert [(s.state, s.code) for s in sendings(road)] == [(Delivery.GIVEN_UP, "private_address")]
    assert receiver.got == []


def test_e_mail_is_sent_over_smtp_as_plain_text(roads: Roads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with services.start("mail", tmp_path / "mail") as mail:
        where = f"mailto://127.0.0.1:{mail.port}?from=clearway@desk.test&to=finance@desk.test&mode=insecure"
        monkeypatch.setenv("TEST_FINANCE_URL", where)
        road = a_road(roads, Channel("finance", variable="TEST_FINANCE_URL"))
        held(road)
        assert [(s.state, s.code) for s in sendings(road)] == [(Delivery.SENT, "")]
        (message,) = services.messages(tmp_path / "mail")
        text = (tmp_path / "mail" / message["file"]).read_text()
    assert "/inbox/apr_" in text
    assert "9182" not in text
