"""Stand-ins: of the form that a schema asks for, known again, nobody's, and another tenant's nothing."""

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.model.identity import Scope
from clearway.rules.find import Finder, RunMemory
from clearway.rules.find.checks import iban, luhn
from clearway.rules.redact import Masker
from clearway.rules.shapes import Shapes, fits
from clearway.rules.stand_ins import StandIns, as_written, integer_span

SCOPE = Scope("acme", "dev")


def tokens(key: bytes) -> Any:
    def token(value: str, kind: str) -> str:
        mac = hmac.digest(key, f"{kind}\0{value}".encode(), hashlib.sha256)
        return f"<{kind}:1{base64.b32encode(mac[:10]).decode().lower()}>"

    return token


OURS, THEIRS = StandIns(tokens(b"acme")), StandIns(tokens(b"globex"))
#: type, canonical value, as written, schema
FORMS: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("CARD", "4111111111111111", "4111-1111-1111-1111", {"pattern": r"^\d{4}-\d{4}-\d{4}-\d{4}$"}),
    ("CARD", "4111111111111111", "4111111111111111", {"pattern": r"^\d{16}$", "minLength": 16, "maxLength": 16}),
    ("CARD", "378282246310005", "378282246310005", {"pattern": r"^\d{15}$"}),
    ("CARD", "4111111111111111", 4111111111111111, {"type": "integer", "minimum": 10**15, "maximum": 10**16 - 1}),
    ("IBAN", "DE75512108001245126199", "DE75 5121 0800 1245 1261 99", {"maxLength": 27}),
    ("IBAN", "GB33BUKB20201555555555", "GB33BUKB20201555555555", {"pattern": "^[A-Z]{2}[0-9]{2}[A-Z]{4}[0-9]{14}$"}),
    ("EMAIL", "jane@example.com", "jane@example.com", {"format": "email"}),
    ("PHONE", "+4930231257846", "+49 30 23125 7846", {"pattern": r"^\+[1-9]\d{6,14}$"}),
    ("PHONE", "+12028675309", "(202) 867-5309", {"pattern": r"^\(\d{3}\) \d{3}-\d{4}$"}),
    ("SSN", "536228147", "536-22-8147", {"pattern": r"^\d{3}-\d{2}-\d{4}$"}),
    ("DOB", "1980-02-03", "1980-02-03", {"format": "date"}),
    ("OPENED", "1980-02-03T10:11:12Z", "1980-02-03T10:11:12Z", {"format": "date-time"}),
    ("CUSTOMER", "2f1b1f5e-3c35-4c6e-9a63-2e9d4f1ff001", "2f1b1f5e-3c35-4c6e-9a63-2e9d4f1ff001", {"format": "uuid"}),
    ("IP", "93.184.77.219", "93.184.77.219", {"format": "ipv4"}),
    ("IP", "2a00::1234", "2a00::1234", {"format": "ipv6"}),
    ("ACCOUNT", "12345678901", 12345678901, {"type": "integer", "minimum": 1}),
    ("REFERENCE", "quagmire-falcon-7731", "quagmire-falcon-7731", {"pattern": "^[a-z]+-[a-z]+-[0-9]{4}$"}),
]


@pytest.mark.parametrize(("kind", "value", "written", "schema"), FORMS)
def test_no_part_of_a_stand_in_is_taken_for_a_value_whatever_the_tenants_key(
    kind: str, value: str, written: Any, schema: dict[str, Any]
) -> None:
    name = "card_number" if kind == "CARD" else kind.lower()
    shapes = Shapes(frozenset([name]), {"properties": {name: schema}})
    for number in range(60):
        token = tokens(f"tenant {number}".encode())
        tenant = StandIns(token)
        shown = Masker([name], token, stand_ins=tenant).mask({name: written}, (), shapes)
        assert not str(shown[name]).startswith("<")
        for text in (json.dumps(shown), f"My card is {shown[name]}, thanks", f"refund {shown[name]} now"):
            found = Finder().spans(text, RunMemory())
            assert [one for one in found if not tenant.recognises(one.value, one.type)] == [], text


@pytest.mark.parametrize(("kind", "value", "written", "schema"), FORMS)
def test_a_stand_in_has_the_form_is_the_same_each_time_and_known_to_its_tenant_alone(
    kind: str, value: str, written: Any, schema: dict[str, Any]
) -> None:
    made = OURS.make(kind, value, written, schema)
    assert made is not None
    assert type(made) is type(written)
    assert made != written
    assert made == OURS.make(kind, value, written, schema)
    assert made != THEIRS.make(kind, value, written, schema)
    assert OURS.recognises(str(made), kind)
    if isinstance(made, int):
        assert schema.get("minimum", 0) <= made <= schema.get("maximum", 2**53)
    else:
        assert fits(schema, made)
        assert not luhn(re.sub(r"[^0-9]", "", made) or "1") or kind != "CARD"
        assert not iban(re.sub(r"[^0-9A-Z]", "", made)) or kind != "IBAN"
    assert not OURS.recognises(str(written), kind)
    if OURS.recognises(str(made), proven=True):
        assert not THEIRS.recognises(str(made))
    else:
        assert kind in ("SSN", "DOB", "OPENED") or "555" in str(made) or kind == "IP"


@pytest.mark.parametrize(("kind", "value", "written", "schema"), FORMS)
def test_a_stand_in_in_a_field_that_tells_or_in_a_text_is_not_replaced_again(
    kind: str, value: str, written: Any, schema: dict[str, Any]
) -> None:
    name = kind.lower()
    token = tokens(b"acme")
    masker = Masker([name], token, stand_ins=StandIns(token))
    shapes = Shapes(frozenset([name]), {"properties": {name: schema}})
    shown = masker.mask({name: written}, (), shapes)
    assert shown[name] != written
    assert not str(shown[name]).startswith("<")
    assert masker.mask(shown, (), shapes) == shown
    other = Masker([name], token, stand_ins=StandIns(token))
    assert other.mask(shown, (), shapes) == shown
    assert other.finish(shown) == masker.finish(shown) == shown
    stood_for = masker.value_of(str(shown[name]))
    assert stood_for is not None
    assert as_written(str(shown[name]), stood_for[1])
    text = f"it was {shown[name]}."
    assert masker.opened(text) != text


@pytest.mark.parametrize(
    ("written", "schema"),
    [("blue", {"enum": ["blue", "red"]}), ("PN-482913-77", {"pattern": "^PN-"}), ("1234", {}), (42, {"maximum": 100})],
)
def test_a_form_without_room_for_a_proof_has_none(written: Any, schema: dict[str, Any]) -> None:
    assert OURS.make("FIELD", str(written), written, schema) is None


def test_two_values_of_a_run_never_share_one() -> None:
    token = tokens(b"acme")
    masker = Masker(
        ["ssn"], token, stand_ins=StandIns(lambda value, kind: token("same" if "BODY" in kind else value, kind))
    )
    shapes = Shapes(frozenset(["ssn"]))
    first = masker.mask({"ssn": "536-22-8147"}, (), shapes)["ssn"]
    second = masker.mask({"ssn": "536-22-8148"}, (), shapes)["ssn"]
    assert first != second
    assert masker.value_of(first) == ("SSN", "536228147")


@given(st.text(max_size=40), st.sampled_from(["CARD", "IBAN", "SSN", "PHONE", "EMAIL", "IP", "FIELD", "DOB"]))
def test_whatever_is_written_a_stand_in_is_of_the_same_form_and_known_again(written: str, kind: str) -> None:
    made = OURS.make(kind, written, written, {})
    if made is not None:
        assert OURS.recognises(made, kind)


@given(st.text(alphabet="0123456789abcdefABCDEF-+@.: ", max_size=45))
def test_what_is_found_by_chance_is_practically_never_taken_for_one(text: str) -> None:
    assert not OURS.recognises(text, proven=True)


@given(st.integers(0, 2**54), st.integers(0, 2**54))
def test_whole_numbers_stay_within_the_bounds_of_their_schema(low: int, high: int) -> None:
    schema = {"type": "integer", "minimum": low, "maximum": high}
    made = OURS.make("ACCOUNT", "1", 1, schema)
    assert (made is None) == (integer_span(schema) is None)
    assert made is None or low <= made <= high


def test_every_real_card_and_iban_is_still_found() -> None:
    finder = Finder()
    for text in ("card 4111 1111 1111 1111", "DE75512108001245126199"):
        assert finder.spans(text, RunMemory())
