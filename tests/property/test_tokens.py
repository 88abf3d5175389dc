"""Properties of tokens and what is behind them (threats 20, 27): identity with the right, refusal without."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealer import KeyringSealer
from clearway.model.errors import Internal
from clearway.model.identity import Principal, Scope
from clearway.rules.find.canonical import canonical
from clearway.rules.find.found import is_token
from clearway.rules.redact import Masker, Redaction, tokens_in
from clearway.runtime.vault import binding
from tests.property.test_finding import TREES

ACME, RIVAL = Scope("acme", "dev"), Scope("rival", "dev")
#: The same card in full-width digits.
WIDE = "4111111111111111".translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
VALUES = st.sampled_from(
    [
        "4111 1111 1111 1111",
        WIDE,
        "jane.q@example.com",
        "Jane Quill",
        "+1 212 555 0100",
        "x-42",
    ]
) | st.text(min_size=1, max_size=40).filter(lambda text: text.strip() != "" and not tokens_in(text))


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> KeyringSealer:
    folder: Path = tmp_path_factory.mktemp("keys")
    return KeyringSealer(Keyring.open_or_create(folder / "keys" / "keyring.json"))


def masker(sealer: KeyringSealer, scope: Scope = ACME) -> Masker:
    return Redaction(sealer).masker(scope, {"secret"})


@settings(max_examples=150, deadline=None)
@given(value=VALUES)
def test_a_token_gives_back_the_value_that_it_was_made_of_and_nothing_else_does(
    sealer: KeyringSealer, value: str
) -> None:
    made = masker(sealer)
    token = made.mask({"secret": value})["secret"]
    assert is_token(token)
    known = made.value_of(token)
    assert known is not None
    type_name, behind = known
    assert behind == canonical(type_name, value)
    # The value behind it is a fixed point: it has the same token, and so back and forth changes nothing more.
    assert sealer.token(behind, type_name, ACME) == token
    assert canonical(type_name, behind) == behind
    assert made.value_of(token[:-2] + ("a" if token[-2] != "a" else "b") + ">") is None
    assert masker(sealer).value_of(token) is None


@settings(max_examples=100, deadline=None)
@given(tree=TREES)
def test_what_is_filed_are_exactly_the_tokens_that_are_shown_in_order_and_once(
    sealer: KeyringSealer, tree: Any
) -> None:
    made = masker(sealer)
    shown = made.mask(tree)
    filed = [one.token for one in made.minted]
    assert len(filed) == len(set(filed))
    assert tokens_in(shown) - tokens_in(tree) <= set(filed)
    count = len(filed)
    assert made.mask(shown) == shown
    assert made.finish(shown) == made.mask(shown)
    assert all(is_token(one.token) for one in made.minted[count:])


@settings(max_examples=100, deadline=None)
@given(tree=TREES)
def test_t20_two_tenants_share_no_token_and_one_tenant_s_are_stable(sealer: KeyringSealer, tree: Any) -> None:
    first, again, rival = (masker(sealer, scope).mask(tree) for scope in (ACME, ACME, RIVAL))
    assert json.dumps(first) == json.dumps(again)
    given_before = tokens_in(tree)
    assert not (tokens_in(first) & tokens_in(rival)) - given_before


@settings(max_examples=60, deadline=None)
@given(value=VALUES, other=st.text(max_size=8))
def test_a_filed_value_opens_under_its_own_token_key_and_scope_only(
    sealer: KeyringSealer, value: str, other: str
) -> None:
    key, stored = sealer.new_key("dk_1", "subject", "<SUBJECT:1aaaaaaaaaaaaaaaa>", ACME)
    bound = binding("<CARD:1aaaaaaaaaaaaaaaa>", "CARD", "")
    sealed = key.seal(value, bound)
    assert sealer.open_key(stored, ACME).unseal(sealed, bound) == value
    for opener, context in (
        (key, bound + other + "x"),
        (sealer.new_key("dk_1", "subject", "", ACME)[0], bound),
        (sealer.new_key("dk_1", "subject", "", RIVAL)[0], bound),
    ):
        with pytest.raises(Internal):
            opener.unseal(sealed, context)


@settings(max_examples=60, deadline=None)
@given(
    roles=st.frozensets(st.sampled_from(["finance", "support", "privacy_officer", "CARD", "*"])),
    kind=st.sampled_from(["CARD", "EMAIL", "PERSON", "*", ""]),
    tenant=st.sampled_from(["acme", "rival", "other"]),
)
def test_nobody_opens_a_type_without_a_declared_right(
    sealer: KeyringSealer, roles: frozenset[str], kind: str, tenant: str
) -> None:
    rights = {"acme": {"finance": ("CARD",), "privacy_officer": ("*",)}, "rival": {"support": ("EMAIL",)}}
    redaction = Redaction(sealer, reveal=rights)
    who = Principal("user", "u", Scope(tenant, "dev"), roles)
    expected = (tenant == "acme" and ("privacy_officer" in roles or ("finance" in roles and kind == "CARD"))) or (
        tenant == "rival" and "support" in roles and kind == "EMAIL"
    )
    assert redaction.may_open(who, kind) == expected


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60), cut=st.integers(0, 60), value=st.sampled_from(["Jane Quillfeather", "53-PX-9931"]))
def test_a_known_value_is_covered_in_every_later_text_however_it_is_cut_up(
    sealer: KeyringSealer, text: str, cut: int, value: str
) -> None:
    made = masker(sealer)
    made.mask({"secret": value})
    whole = f"{text[:cut]} {value} {text[cut:]}"
    assert value not in made.scrub(whole)
    assert value not in json.dumps(made.mask({"note": [whole, {"more": whole}]}), ensure_ascii=False)
