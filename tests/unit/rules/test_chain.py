"""The hash chain: its forms are fixed, and nothing in it can change unnoticed."""

import hashlib
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.model.errors import Invalid
from clearway.model.event import RecordedEvent
from clearway.model.identity import Scope
from clearway.rules import chain
from clearway.rules.canonical import canonical

ACME = Scope("acme", "prod")
HEADER = {
    "tenant": "acme",
    "environment": "prod",
    "seq": 1,
    "at": "2026-01-02T03:04:05.000006Z",
    "kind": "run.started",
    "run_id": None,
    "step_id": None,
    "commitment": "00" * 32,
}

unicode_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
headers = st.fixed_dictionaries(
    {
        "tenant": unicode_text,
        "environment": unicode_text,
        "seq": st.integers(1, 2**53 - 1),
        "at": unicode_text,
        "kind": unicode_text,
        "run_id": st.none() | unicode_text,
        "step_id": st.none() | unicode_text,
        "commitment": unicode_text,
    }
)
payloads = st.dictionaries(
    unicode_text,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | unicode_text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(unicode_text, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


def chained(given_payloads: list[dict[str, Any]], scope: Scope = ACME) -> list[RecordedEvent]:
    events: list[RecordedEvent] = []
    previous = chain.GENESIS
    for seq, payload in enumerate(given_payloads, 1):
        salt = hashlib.sha256(str(seq).encode()).digest()[:16]
        commitment = chain.commitment(salt, payload).hex()
        event = RecordedEvent(seq, chain.rfc3339(seq), "k", f"run{seq}", None, commitment, "", payload, salt.hex())
        leaf = chain.leaf(chain.header(scope, event))
        previous = chain.link(bytes.fromhex(previous), leaf).hex()
        events.append(replace(event, hash=previous))
    return events


FIVE = chained([{"n": number, "who": "<MAIL:1>"} for number in range(5)])


def test_the_hashes_are_what_the_design_says() -> None:
    leaf = hashlib.sha256(b"\0" + canonical(HEADER)).digest()
    assert chain.leaf(HEADER) == leaf
    assert chain.link(b"p" * 32, leaf) == hashlib.sha256(b"\1" + b"p" * 32 + leaf).digest()
    assert (
        chain.commitment(b"s" * 16, {"b": 1, "a": "é"})
        == hashlib.sha256(b"s" * 16 + '{"a":"é","b":1}'.encode()).digest()
    )


def test_the_hashes_never_change_between_versions() -> None:
    assert chain.GENESIS == "b59e1daa9916be20886f4fa0e605b3a563820a34c2e0fa4b3b033ec3a611f46f"
    assert FIVE[-1].hash == "ef35d6a6d0b2a554a1140e464b97db58fc98a632fed3eca217c755d052751b42"


@given(headers)
def test_a_header_is_hashed_in_its_rfc_8785_form(header: dict[str, Any]) -> None:
    assert chain.leaf(header) == hashlib.sha256(b"\0" + canonical(header)).digest()


def test_a_header_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(Invalid):
        chain.leaf({**HEADER, "run_id": "\ud800"})


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (1_700_000_000.123456, "2023-11-14T22:13:20.123456Z"),
        (253402300799.0, "9999-12-31T23:59:59.000000Z"),
    ],
)
def test_times_are_utc_with_microseconds(at: float, expected: str) -> None:
    assert chain.rfc3339(at) == expected


def test_an_untouched_chain_verifies_whole_and_in_pages() -> None:
    head = FIVE[-1].seq, FIVE[-1].hash
    assert chain.verify(FIVE, ACME, head=head) is None
    assert chain.verify(FIVE[:2], ACME) is None
    assert chain.verify(FIVE[2:], ACME, start_seq=2, start_hash=FIVE[1].hash, head=head) is None
    assert chain.verify([], ACME, head=(0, chain.GENESIS)) is None


def test_a_page_that_does_not_follow_is_found() -> None:
    assert chain.verify(FIVE[2:], ACME, start_seq=2, start_hash=FIVE[0].hash) == 3
    assert chain.verify(FIVE[3:], ACME, start_seq=2, start_hash=FIVE[1].hash) == 3
    assert chain.verify(FIVE[2:], ACME, start_seq=2, start_hash="no hash") == 3


@pytest.mark.parametrize(
    ("events", "head", "bad"),
    [
        (FIVE[:3], (5, FIVE[4].hash), 4),  # the tail is missing
        (FIVE, (3, FIVE[2].hash), 4),  # the head is behind
        (FIVE, (5, FIVE[3].hash), 5),  # the head is another one
        ([], (5, FIVE[4].hash), 1),
        (FIVE, (0, chain.GENESIS), 1),
        ([], (0, "other"), 1),
    ],
)
def test_a_chain_that_does_not_end_at_its_head_is_found(
    events: list[RecordedEvent], head: tuple[int, str], bad: int
) -> None:
    assert chain.verify(events, ACME, head=head) == bad


@given(st.lists(payloads, min_size=1, max_size=5), st.data())
def test_t36_any_field_that_changes_is_found_at_its_number(
    given_payloads: list[dict[str, Any]], data: st.DataObject
) -> None:
    events = chained(given_payloads)
    assert chain.verify(events, ACME) is None
    index = data.draw(st.integers(0, len(events) - 1))
    name = data.draw(st.sampled_from([field.name for field in fields(RecordedEvent)]))
    old = getattr(events[index], name)
    new = data.draw({"seq": st.integers(), "payload": payloads}.get(name, unicode_text).filter(lambda new: new != old))
    events[index] = replace(events[index], **{name: new})
    assert chain.verify(events, ACME) == index + 1


@given(st.integers(0, 4), st.sampled_from(["salt", "hash", "commitment", "at", "kind", "run_id"]), st.data())
def test_t36_any_flipped_bit_is_found(index: int, name: str, data: st.DataObject) -> None:
    text = getattr(FIVE[index], name)
    at, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 6))
    flipped = text[:at] + chr(ord(text[at]) ^ (1 << bit)) + text[at + 1 :]
    events = [*FIVE[:index], replace(FIVE[index], **{name: flipped}), *FIVE[index + 1 :]]
    assert chain.verify(events, ACME) == index + 1


@given(st.permutations(FIVE))
def test_t36_reordered_events_are_found_at_the_first_that_moved(events: list[RecordedEvent]) -> None:
    moved = [index for index, event in enumerate(events, 1) if event.seq != index]
    assert chain.verify(events, ACME) == (moved[0] if moved else None)


@given(st.integers(0, 4))
def test_t36_a_deleted_or_doubled_event_is_found(index: int) -> None:
    deleted = [*FIVE[:index], *FIVE[index + 1 :]]
    assert chain.verify(deleted, ACME, head=(5, FIVE[4].hash)) == index + 1
    assert chain.verify([*FIVE[:index], FIVE[index], *FIVE[index:]], ACME) == index + 2


def test_an_erased_payload_verifies_and_half_an_erasure_does_not() -> None:
    def changed(**values: Any) -> int | None:
        return chain.verify([*FIVE[:2], replace(FIVE[2], **values), *FIVE[3:]], ACME)

    assert changed(payload=None, salt=None) is None
    assert changed(payload=None) == 3
    assert changed(salt=None) == 3
    assert changed(payload=None, salt="") == 3


def test_a_chain_of_another_tenant_or_environment_does_not_verify() -> None:
    assert chain.verify(FIVE, Scope("umbrella", "prod")) == 1
    assert chain.verify(FIVE, Scope("acme", "staging")) == 1


def test_a_payload_cannot_be_guessed_without_its_salt() -> None:
    one, other = chain.commitment(b"1" * 16, {"iban": "x"}), chain.commitment(b"2" * 16, {"iban": "x"})
    assert one != other
