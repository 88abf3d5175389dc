"""Checkpoints: the form of C2SP signed notes, read strictly."""

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from clearway.model.errors import Invalid
from clearway.rules import checkpoint, merkle
from clearway.rules.checkpoint import Checkpoint

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC_KEY = KEY.public_key().public_bytes_raw()
NAME = "log.example"
ROOT = bytes(range(32))
LOG = Checkpoint("log.example/acme/prod", 1042, ROOT)
NOTE = checkpoint.sign(LOG, NAME, PUBLIC_KEY, KEY.sign)


def check_with(public_key: bytes):
    def is_signed(signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return is_signed


def verify(note: str) -> Checkpoint:
    return checkpoint.verify(note, NAME, PUBLIC_KEY, check_with(PUBLIC_KEY))


def test_a_note_has_the_form_of_the_specification() -> None:
    origin, size, root, empty, signature, end = NOTE.split("\n")
    assert (origin, size, root, empty, end) == (
        "log.example/acme/prod",
        "1042",
        base64.b64encode(ROOT).decode(),
        "",
        "",
    )
    dash, name, packed = signature.split(" ")
    assert (dash, name) == ("\u2014", NAME)
    raw = base64.b64decode(packed)
    assert raw[:4] == checkpoint.key_hash(NAME, PUBLIC_KEY)
    KEY.public_key().verify(raw[4:], NOTE.split("\n\n")[0].encode() + b"\n")


def test_the_key_hash_is_that_of_a_known_note() -> None:
    # Go's sumdb/note: the verifier key in its documentation and the hash within it.
    verifier_key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    name, key_hash, encoded = verifier_key.split("+")
    raw = base64.b64decode(encoded)
    assert raw[:1] == checkpoint.ED25519
    assert checkpoint.key_hash(name, raw[1:]).hex() == key_hash


def test_a_signed_note_is_read_back() -> None:
    assert verify(NOTE) == LOG
    parsed, signatures = checkpoint.parse(NOTE)
    assert parsed == LOG
    assert [line.name for line in signatures] == [NAME]


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_every_size_and_root_goes_there_and_back(size: int, root: bytes) -> None:
    log = Checkpoint("o", size, root)
    assert verify(checkpoint.sign(log, NAME, PUBLIC_KEY, KEY.sign)) == log


@given(st.integers(0, len(NOTE) - 1), st.integers(0, 6))
def test_any_flipped_bit_is_refused(at: int, bit: int) -> None:
    changed = NOTE[:at] + chr(ord(NOTE[at]) ^ (1 << bit)) + NOTE[at + 1 :]
    with pytest.raises(Invalid):
        verify(changed)


def test_a_cosigned_note_is_accepted_for_our_signature_only() -> None:
    witness = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
    line = checkpoint.sign(LOG, "witness.example", witness.public_key().public_bytes_raw(), witness.sign).split("\n")[4]
    assert verify(f"{NOTE}{line}\n") == LOG
    with pytest.raises(Invalid) as caught:
        verify(NOTE.replace(NOTE.split("\n")[4], line))
    assert caught.value.code == "checkpoint_signature"


def test_the_signature_of_another_key_under_our_name_is_refused() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    for public_key in (PUBLIC_KEY, other.public_key().public_bytes_raw()):
        with pytest.raises(Invalid):
            verify(checkpoint.sign(LOG, NAME, public_key, other.sign))


LINE = NOTE.split("\n")[4]
B64 = base64.b64encode(ROOT).decode()


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("\n", "\r\n"),
        " " + NOTE,
        NOTE.replace("1042", "01042"),
        NOTE.replace("1042", "+1042"),
        NOTE.replace("1042", "-1"),
        NOTE.replace("1042", "1_042"),
        NOTE.replace("1042", "\u0661"),
        NOTE.replace("1042", str(2**63)),
        NOTE.replace("1042", ""),
        NOTE.replace("1042", "9" * 5000),
        NOTE.replace(B64, B64[:-1]),
        NOTE.replace(B64, B64.replace("=", "") + "A="),
        NOTE.replace(B64, base64.b64encode(ROOT[1:]).decode()),
        NOTE.replace(B64, B64 + "\nextension"),
        NOTE.replace(B64, B64[:5] + " " + B64[5:]),
        NOTE.replace(B64[:-2] + "8=", B64[:-2] + "9="),
        NOTE.replace("log.example/acme", "log\t.example/acme"),
        NOTE.replace("\u2014 ", "- "),
        NOTE.replace("\u2014 ", "\u2014"),
        NOTE.replace(LINE, ""),
        NOTE.replace(LINE, LINE + "\n"),
        NOTE.replace(LINE, LINE + " x"),
        NOTE.replace("\u2014 log.example", "\u2014 log+example"),
        NOTE.replace(LINE, "\u2014 log.example AAAA"),
        NOTE.replace(LINE, f"{LINE}\n{LINE}"),
    ],
)
def test_what_is_not_exactly_a_note_of_ours_is_refused(note: str) -> None:
    with pytest.raises(Invalid):
        verify(note)


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (Checkpoint("", 1, ROOT), NAME),
        (Checkpoint("a\nb", 1, ROOT), NAME),
        (Checkpoint("o", -1, ROOT), NAME),
        (Checkpoint("o", 2**63, ROOT), NAME),
        (Checkpoint("o", 1, ROOT[1:]), NAME),
        (LOG, ""),
        (LOG, "a b"),
        (LOG, "a+b"),
        (LOG, "a\u00a0b"),
        (LOG, "a\nb"),
    ],
)
def test_what_could_not_be_read_back_is_not_signed(log: Checkpoint, name: str) -> None:
    with pytest.raises(Invalid):
        checkpoint.sign(log, name, PUBLIC_KEY, KEY.sign)


def test_a_log_holds_a_checkpoint_that_it_grew_from_and_no_other() -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(9)]
    saved = Checkpoint("o", 5, merkle.root(leaves[:5]))
    assert checkpoint.holds(saved, leaves)
    assert checkpoint.holds(saved, leaves[:5])
    assert not checkpoint.holds(saved, leaves[:4])
    assert not checkpoint.holds(saved, [leaves[1], *leaves[1:]])
    assert checkpoint.holds(Checkpoint("o", 0, merkle.EMPTY), [])
