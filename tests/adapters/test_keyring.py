"""The keyring: what it seals, signs and derives, and what it refuses to be read from."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealed_json import PassFailed, seal_value, unseal_value
from clearway.app import Clearway
from clearway.model.errors import ConfigError, Internal, Invalid, Unavailable
from clearway.project.load import load_project
from clearway.project.project import Project

CANARY = "canary-4111111111111111"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_sealed_opens_in_its_context_only(keyring: Keyring) -> None:
    sealed = keyring.seal(CANARY.encode(), b"acme/prod")
    assert sealed.startswith("v1.seal-")
    assert sealed.count(".") == 2
    assert CANARY not in sealed
    assert keyring.unseal(sealed, b"acme/prod") == CANARY.encode()
    with pytest.raises(Internal) as raised:
        keyring.unseal(sealed, b"other/prod")
    assert raised.value.code == "seal"


def test_the_same_value_is_never_sealed_to_the_same_text(keyring: Keyring) -> None:
    assert len({keyring.seal(b"x", b"") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text", ["", "v1", "v1.seal-1", "v1.seal-1.", "v1.seal-1.A", "v1.seal-1.é", "v2.x.AAAA", "v1..AA"]
)
def test_what_is_not_sealed_is_refused(keyring: Keyring, text: str) -> None:
    with pytest.raises(Internal) as raised:
        keyring.unseal(text, b"")
    assert raised.value.code == "seal"


def test_a_sealed_text_with_any_character_changed_is_refused(keyring: Keyring) -> None:
    sealed = keyring.seal(b"some value", b"acme")
    start = sealed.rindex(".") + 1
    for at in range(start, len(sealed) - 1):  # the last one may hold unused bits only
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(Internal):
            keyring.unseal(changed, b"acme")


def test_after_a_rotation_old_texts_open_and_new_ones_have_the_new_key(keyring: Keyring) -> None:
    old = keyring.seal(b"x", b"")
    new_id = keyring.rotate("seal")
    new = keyring.seal(b"y", b"")
    again = Keyring.open(keyring.path)
    assert new.split(".")[1] == new_id != old.split(".")[1]
    assert (again.unseal(old, b""), again.unseal(new, b"")) == (b"x", b"y")


def test_a_key_that_another_process_made_is_found(keyring: Keyring) -> None:
    other = Keyring.open(keyring.path)
    other.rotate("seal")
    assert keyring.unseal(other.seal(b"x", b""), b"") == b"x"


def test_a_key_that_is_not_here_may_yet_come(keyring: Keyring, tmp_path: Path) -> None:
    other = Keyring.open_or_create(tmp_path / "other" / "keyring.json")
    with pytest.raises(Unavailable) as raised:
        keyring.unseal(other.seal(b"x", b""), b"")
    assert (raised.value.code, raised.value.retryable) == ("seal", True)


def test_a_token_key_is_a_tenants_own_and_stays(keyring: Keyring) -> None:
    again = Keyring.open(keyring.path)
    assert keyring.token_key("acme") == again.token_key("acme") != keyring.token_key("other")
    assert len(keyring.token_key("acme")) == 32
    before = keyring.token_key("acme")
    keyring.rotate("token")
    assert keyring.token_key("acme") != before


def test_a_signature_verifies_with_its_key_also_after_a_rotation(keyring: Keyring) -> None:
    key_id, signature = keyring.sign(b"checkpoint")
    assert keyring.rotate("sign") != key_id
    assert keyring.verify(key_id, b"checkpoint", signature)
    assert not keyring.verify(key_id, b"another", signature)
    assert not keyring.verify(keyring.sign(b"")[0], b"checkpoint", signature)
    assert len(signature) == 64
    assert len(keyring.public_key(key_id)) == 32


def test_a_key_of_one_purpose_serves_no_other(keyring: Keyring) -> None:
    seal_id = keyring.seal(b"", b"").split(".")[1]
    with pytest.raises(Unavailable):
        keyring.public_key(seal_id)


def test_t42_the_keyring_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        made = Keyring.open_or_create(tmp_path / "new" / "keys" / "keyring.json")
        made.rotate("seal")
    finally:
        os.umask(before)
    assert mode(made.path) == 0o600
    assert mode(tmp_path / "new") == mode(tmp_path / "new" / "keys") == 0o700
    assert [path.name for path in made.path.parent.iterdir()] == ["keyring.json"]


@pytest.mark.parametrize("wrong", [0o640, 0o604, 0o660, 0o644])
def test_a_keyring_that_others_may_read_is_refused(keyring: Keyring, wrong: int) -> None:
    keyring.path.chmod(wrong)
    with pytest.raises(ConfigError, match=rf"keyring\.json: .*mode 0{wrong:o}.*chmod 600"):
        Keyring.open_or_create(keyring.path)


def test_a_keyring_that_others_may_replace_is_refused(keyring: Keyring) -> None:
    keyring.path.parent.chmod(0o770)
    with pytest.raises(ConfigError, match="chmod 700"):
        Keyring.open(keyring.path)


def test_secrets_are_in_no_repr(keyring: Keyring) -> None:
    secrets = [row["secret"] for row in json.loads(keyring.path.read_text())["keys"]]
    assert len(secrets) == 3
    for shown in (repr(keyring), repr(vars(keyring))):
        assert not [secret for secret in secrets if secret in shown]
        assert "secret=" not in shown


def test_a_missing_keyring_is_made_only_where_that_was_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"keyring\.json: The keyring file is missing.*Restore it") as raised:
        Keyring.open(tmp_path / "keyring.json")
    assert (raised.value.code, list(tmp_path.iterdir())) == ("keyring", [])


def test_a_keyring_that_goes_missing_under_way_may_yet_come_back(keyring: Keyring, tmp_path: Path) -> None:
    other = Keyring.open_or_create(tmp_path / "other" / "keyring.json")
    sealed = other.seal(b"x", b"")
    text = keyring.path.read_text()
    keyring.path.unlink()
    for lookup in (lambda: keyring.unseal(sealed, b""), keyring.public_keys):
        with pytest.raises(Unavailable) as raised:
            lookup()
        assert (raised.value.code, raised.value.retryable) == ("keyring", True)
    keyring.path.touch(0o600)
    keyring.path.write_text(text)
    assert len(keyring.public_keys()) == 1


def new_project(folder: Path, url: str) -> Project:
    """A project of nothing but a store and a keyring."""
    (folder / "clearway.toml").write_text(
        '[project]\nname = "x"\n[environments]\nlist = ["dev"]\n[tenants]\nlist = ["acme"]\n'
    )
    return load_project(folder, store_url=url)


def test_a_store_that_has_been_used_never_gets_a_new_keyring(tmp_path: Path, url: str) -> None:
    project = new_project(tmp_path, url)
    Clearway(project).close()
    keys = project.settings.keyring
    kept = keys.read_bytes()
    keys.unlink()
    for _ in range(2):
        with pytest.raises(ConfigError, match="The keyring file is missing") as raised:
            Clearway(project)
        assert raised.value.code == "keyring"
        assert "\n" not in str(raised.value)
        assert not keys.exists()
    keys.write_bytes(kept)
    keys.chmod(0o600)
    Clearway(project).close()
    assert keys.read_bytes() == kept


@pytest.mark.slow
def test_processes_that_open_a_new_project_at_once_all_get_in(tmp_path: Path, url: str) -> None:
    new_project(tmp_path, url)
    program = (
        "import sys; from clearway.app import Clearway\n"
        "sys.stdin.readline()\n"
        "with Clearway.open(sys.argv[1], store_url=sys.argv[2]) as app: print(app.sealer.token('a', 'EMAIL', "
        "app.scope(None, 'dev')))"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write(b"go\n")
        starter.stdin.flush()
    found = {starter.communicate()[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0] * 4
    assert len(found) == 1


def break_row(**values: Any) -> Any:
    return lambda whole: whole["keys"][0].update(values)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda whole: whole.update(format="other"), "its format is not"),
        (lambda whole: whole.update(more=1), "it is no object of format and keys"),
        (lambda whole: whole.update(keys={}), "it is no object of format and keys"),
        (lambda whole: whole["keys"].append(CANARY), "key 4 is not one"),
        (lambda whole: whole["keys"].append(whole["keys"][0]), "two keys have one id"),
        (lambda whole: whole["keys"].pop(), "not exactly one key is active for sign"),
        (break_row(active=False), "not exactly one key is active for seal"),
        (break_row(active="yes"), "key 1 is not one"),
        (break_row(purpose="other"), "key 1 is not one"),
        (break_row(secret="AAAA"), "key 1 is not one"),
        (break_row(secret=CANARY + "!"), "key 1 is not one"),
        (break_row(id="a.b"), "key 1 is not one"),
        (break_row(id=3), "key 1 is not one"),
    ],
)
def test_a_malformed_keyring_is_one_clear_line(keyring: Keyring, damage: Any, what: str) -> None:
    whole = json.loads(keyring.path.read_text())
    damage(whole)
    keyring.path.write_text(json.dumps(whole))
    refuses(keyring, what)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not valid JSON at line 1"),
        (f'{{"a": "{CANARY}', "not valid JSON"),
        ("[]", "no object"),
        (f'{{"{CANARY}": 1, "{CANARY}": 2}}', "an object names a key twice"),
        ("\xff", "not UTF-8"),
    ],
)
def test_a_keyring_that_is_no_json_is_one_clear_line(keyring: Keyring, text: str, what: str) -> None:
    keyring.path.write_bytes(text.encode("latin-1"))
    refuses(keyring, what)


def refuses(keyring: Keyring, what: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Keyring.open_or_create(keyring.path)
    shown = str(raised.value)
    assert shown.startswith(f"{keyring.path}: The keyring is malformed: ")
    assert what in shown
    assert raised.value.remedy.startswith("Restore it from a backup")
    assert "\n" not in shown
    assert CANARY not in shown


@pytest.mark.slow
def test_processes_that_make_it_at_once_get_the_same_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "keyring.json"
    program = (
        "import sys; from clearway.adapters.keyring import Keyring\n"
        "sys.stdin.readline(); print(Keyring.open_or_create(sys.argv[1]).token_key('acme').hex())"
    )
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(6)
    ]
    found = {maker.communicate(b"go\n")[0] for maker in makers}
    assert [maker.returncode for maker in makers] == [0] * 6
    assert len(found) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["keyring.json"]


@pytest.mark.slow
def test_processes_that_rotate_at_once_lose_no_key(keyring: Keyring) -> None:
    program = (
        "import sys; from clearway.adapters.keyring import Keyring\n"
        "keyring = Keyring.open(sys.argv[1]); sys.stdin.readline(); keyring.rotate('seal')"
    )
    rotators = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(keyring.path)],
            stdin=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(4)
    ]
    for rotator in rotators:
        rotator.communicate(b"go\n")
    assert [rotator.returncode for rotator in rotators] == [0] * 4
    assert len(json.loads(keyring.path.read_text())["keys"]) == 7


def test_a_rotation_that_cannot_be_written_leaves_the_keyring_as_it_was(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keyring.path.read_text()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        keyring.rotate("seal")
    monkeypatch.undo()
    assert keyring.path.read_text() == before
    assert [path.name for path in keyring.path.parent.iterdir()] == ["keyring.json"]


texts = st.text(st.characters(codec="utf-8"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def one_keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring.open_or_create(tmp_path_factory.mktemp("keys") / "keyring.json")


@given(value=json_values)
def test_json_comes_back_as_it_was_sealed(one_keyring: Keyring, value: Any) -> None:
    assert unseal_value(one_keyring, seal_value(one_keyring, value)) == value
    inputs = {"args": (value,), "kwargs": {"named": value}}
    assert unseal_value(one_keyring, seal_value(one_keyring, inputs)) == inputs


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, {"args": (object(),), "kwargs": {}}, b"x", {1, 2}, float("nan"), 2**60]
)
def test_what_is_no_json_is_not_sealed(keyring: Keyring, value: Any) -> None:
    with pytest.raises(Invalid):
        seal_value(keyring, value)


def test_of_an_error_only_its_code_is_sealed(keyring: Keyring) -> None:
    for error, code in (
        (ValueError(CANARY), "internal"),
        (Unavailable(CANARY, code="store_full"), "store_full"),
        (Internal(CANARY, code=f"{CANARY} {CANARY}"), "internal"),
    ):
        restored = unseal_value(keyring, seal_value(keyring, error))
        assert isinstance(restored, PassFailed)
        assert restored.code == code
        assert CANARY not in str(restored)


def test_a_keyring_is_known_again_by_what_tells_nothing_about_its_keys(keyring: Keyring, tmp_path: Path) -> None:
    checks = keyring.checks()
    assert checks == Keyring.open(keyring.path).checks()
    assert [key.key_id for key in checks] == [key.id for key in keyring._keys]
    assert all(re.fullmatch("[0-9a-f]{32}", key.check_value) for key in checks)
    known = repr(checks) + repr(keyring)
    assert not any(key.secret.hex()[:12] in known for key in keyring._keys)
    other = Keyring.open_or_create(tmp_path / "other" / "keyring.json")
    assert not {key.check_value for key in checks} & {key.check_value for key in other.checks()}


def test_a_file_that_came_in_the_place_of_the_keyrings_own_is_not_taken_up(keyring: Keyring, tmp_path: Path) -> None:
    old = keyring.path.read_text()
    keyring.rotate("seal")
    new, before = keyring.path.read_text(), keyring.checks()
    other = Keyring.open_or_create(tmp_path / "other" / "keyring.json")
    for text, why in ((other.path.read_text(), "another store's"), (old, "older copy")):
        keyring.path.write_text(text)
        with pytest.raises(Unavailable, match=why) as raised:
            keyring.public_keys()
        assert raised.value.code == "keyring"
        assert keyring.checks() == before
    keyring.path.write_text(new)
    assert len(keyring.public_keys()) == 1


def test_a_rotation_that_is_not_agreed_to_writes_nothing(keyring: Keyring) -> None:
    def refuse(keys: Any) -> None:
        assert keys == keyring.checks()
        raise ConfigError("not these")

    before = keyring.path.read_text()
    with pytest.raises(ConfigError, match="not these"):
        keyring.rotate("seal", refuse)
    assert keyring.path.read_text() == before
