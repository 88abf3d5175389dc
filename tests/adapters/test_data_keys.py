"""Data keys: sealed under, wrapped, rotated, and of no use elsewhere."""

from dataclasses import replace
from pathlib import Path

import pytest

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealer import KeyringSealer
from clearway.model.errors import Erased, Internal, Unavailable
from clearway.model.identity import Scope

ACME, RIVAL, STAGING = Scope("acme", "dev"), Scope("rival", "dev"), Scope("acme", "staging")


@pytest.fixture
def sealer(tmp_path: Path) -> KeyringSealer:
    return KeyringSealer(Keyring.open_or_create(tmp_path / "keys" / "keyring.json"))


@pytest.mark.parametrize("value", [None, "", "é\ud800", {"a": [1, 2.5, True, None]}, "x" * 100_000])
def test_what_is_sealed_opens_again_under_the_key_as_it_is_stored(sealer: KeyringSealer, value: object) -> None:
    key, stored = sealer.new_key("run_1", "run", "", ACME)
    sealed = key.seal(value, "ctx")
    assert sealer.open_key(stored, ACME).unseal(sealed, "ctx") == value
    assert key.seal(value, "ctx") != sealed
    assert "run_1" in repr(key)
    assert stored.wrapped is not None
    assert stored.wrapped not in repr(key)


def test_another_context_key_tenant_or_environment_opens_nothing(sealer: KeyringSealer) -> None:
    key, stored = sealer.new_key("run_1", "run", "", ACME)
    other, _ = sealer.new_key("run_1", "run", "", ACME)
    sealed = key.seal("secret", "a")
    for opener, context in ((key, "b"), (key, ""), (other, "a")):
        with pytest.raises(Internal, match="changed, or belongs elsewhere"):
            opener.unseal(sealed, context)
    renamed = sealer.open_key(replace(stored, key_id="run_2"), ACME)
    with pytest.raises(Internal):
        renamed.unseal(sealed, "a")
    for scope in (RIVAL, STAGING):
        with pytest.raises(Internal):
            sealer.open_key(stored, scope)


@pytest.mark.parametrize("text", ["", "v2.", "v2.AAAA", "v3.AAAA", "v2.!!!!", "plain"])
def test_what_was_never_sealed_is_an_error_and_nothing_else(sealer: KeyringSealer, text: str) -> None:
    key, _ = sealer.new_key("run_1", "run", "", ACME)
    with pytest.raises(Internal):
        key.unseal(text, "ctx")


def test_a_key_without_its_wrapped_form_is_erased(sealer: KeyringSealer) -> None:
    _, stored = sealer.new_key("run_1", "run", "", ACME)
    with pytest.raises(Erased):
        sealer.open_key(replace(stored, wrapped=None), ACME)


@pytest.mark.parametrize("wrapped", ["", "AAAA", "not base64!", "A" * 56])
def test_a_wrapped_key_that_was_changed_is_refused(sealer: KeyringSealer, wrapped: str) -> None:
    _, stored = sealer.new_key("run_1", "run", "", ACME)
    with pytest.raises(Internal):
        sealer.open_key(replace(stored, wrapped=wrapped), ACME)


def test_rotation_rewraps_and_old_wrappings_stay_readable(sealer: KeyringSealer) -> None:
    key, stored = sealer.new_key("run_1", "run", "", ACME)
    sealed = key.seal("secret")
    assert sealer.rewrap(stored, ACME) is stored
    new_id = sealer.rotate("seal")
    fresh = sealer.rewrap(stored, ACME)
    assert fresh.kek_id == new_id != stored.kek_id
    for each in (stored, fresh):
        assert sealer.open_key(each, ACME).unseal(sealed) == "secret"
    with pytest.raises(Unavailable):
        sealer.open_key(replace(stored, kek_id="seal-00000000"), ACME)


def test_another_process_reads_what_was_wrapped_after_a_rotation(sealer: KeyringSealer, tmp_path: Path) -> None:
    other = KeyringSealer(Keyring.open(tmp_path / "keys" / "keyring.json"))
    sealer.rotate("seal")
    key, stored = sealer.new_key("run_1", "run", "", ACME)
    assert other.open_key(stored, ACME).unseal(key.seal("secret")) == "secret"


def test_a_rotation_of_the_token_key_changes_tokens_but_no_fingerprint(sealer: KeyringSealer) -> None:
    stable = ("REQUEST", "ARGUMENTS", "QUESTION", "BUSINESS_KEY", "KEY", "SUBJECT", "TARGET", "ENDORSED")
    before = {kind: sealer.token("x", kind, ACME) for kind in (*stable, "CARD")}
    sealer.rotate("token")
    after = {kind: sealer.token("x", kind, ACME) for kind in (*stable, "CARD")}
    assert {kind for kind in before if before[kind] != after[kind]} == {"CARD"}
    assert sealer.token("x", "CARD", RIVAL) != after["CARD"]


def test_what_was_sealed_before_there_were_data_keys_still_opens(sealer: KeyringSealer) -> None:
    old = sealer.seal({"card": 1}, ACME)
    key, _ = sealer.new_key("run_1", "run", "", ACME)
    assert key.unseal(old) == {"card": 1}
    without = sealer.open_key(None, ACME)
    assert without.unseal(old) == {"card": 1}
    assert without.unseal(without.seal("new")) == "new"
    with pytest.raises(Internal):
        sealer.open_key(None, RIVAL).unseal(old)
