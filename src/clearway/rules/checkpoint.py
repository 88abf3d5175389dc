"""Checkpoints of an audit chain: signed notes as of C2SP tlog-checkpoint and signed-note.

::

    clearway.example/acme/production        origin: which log
    1042                                    number of events
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3…   root of the Merkle tree, base64
                                            (empty line)
    — clearway.example     Az3grlgtzPICa5OS8n… signer, base64(4 bytes of key hash ‖ Ed25519 signature)

The signature is over the lines above the empty one, with their line ends. A cut tail of the log shows against a
checkpoint that is kept elsewhere. Signing and checking a signature are the caller's; this module is pure.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clearway.model.errors import Invalid
from clearway.rules import merkle

ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_MAX_SIZE = 2**63 - 1
_SIZE = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's `origin`, its number of events and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature line: who signed, the first 4 bytes of that key's hash, the bare signature."""

    name: str
    key_hash: bytes
    signature: bytes


def key_hash(name: str, public_key: bytes) -> bytes:
    """The 4 bytes that tell an Ed25519 key (32 raw bytes) of signer `name`."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:4]


def sign(checkpoint: Checkpoint, name: str, public_key: bytes, signer: Callable[[bytes], bytes]) -> str:
    """The signed note. `signer` gives the Ed25519 signature over what it is handed. Errors: `Invalid`."""
    if not (
        _is_name(name)
        and _is_line(checkpoint.origin)
        and len(checkpoint.root) == 32
        and 0 <= checkpoint.size <= _MAX_SIZE
    ):
        raise _malformed("Origin, size, root or signer cannot be written in a note.")
    text = checkpoint.text()
    packed = base64.b64encode(key_hash(name, public_key) + signer(text.encode())).decode()
    return f"{text}\n{_DASH}{name} {packed}\n"


def parse(note: str) -> tuple[Checkpoint, list[NoteSignature]]:
    """Reads a note strictly, without checking a signature. Extension lines are refused: we write none.

    Errors: `Invalid` (`checkpoint`)."""
    text, mark, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not mark or len(lines) != 3 or not all(_is_line(line) for line in lines):
        raise _malformed("It needs an origin, a size, a root and an empty line.")
    origin, size, packed_root = lines
    if _SIZE.fullmatch(size) is None or int(size) > _MAX_SIZE:
        raise _malformed("Its size is not a whole number.")
    root = _unpack(packed_root)
    if len(root) != 32:
        raise _malformed("Its root is not 32 bytes.")
    if not signatures.endswith("\n"):
        raise _malformed("It does not end with a signature line.")
    return Checkpoint(origin, int(size), root), [_signature(line) for line in signatures[:-1].split("\n")]


def verify(note: str, name: str, public_key: bytes, is_signed: Callable[[bytes, bytes], bool]) -> Checkpoint:
    """The checkpoint in `note`, signed by `name` with `public_key`. Other signers' lines are passed over.

    `is_signed(signature, message)` checks with that key. Errors: `Invalid` (`checkpoint`, `checkpoint_signature`).
    """
    checkpoint, signatures = parse(note)
    ours = [line for line in signatures if line.name == name and line.key_hash == key_hash(name, public_key)]
    if len(ours) != 1 or not is_signed(ours[0].signature, checkpoint.text().encode()):
        raise Invalid(
            "The checkpoint does not bear a valid signature of this key.",
            code="checkpoint_signature",
            remedy="Check that name and public key are the signer's; if so, the checkpoint was changed.",
        )
    return checkpoint


def holds(checkpoint: Checkpoint, leaves: Sequence[bytes]) -> bool:
    """Whether a log with these leaf hashes is the one that `checkpoint` saw, perhaps grown since; False: a cut tail,
    an older copy or a rewritten one."""
    return len(leaves) >= checkpoint.size and merkle.root(leaves[: checkpoint.size]) == checkpoint.root


def _signature(line: str) -> NoteSignature:
    name, space, packed = line.removeprefix(_DASH).partition(" ")
    raw = _unpack(packed)
    if not line.startswith(_DASH) or not space or not _is_name(name) or len(raw) < 5:
        raise _malformed("A signature line is malformed.")
    return NoteSignature(name, raw[:4], raw[4:])


def _unpack(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("It holds what is not base64.") from None
    if base64.b64encode(raw).decode() != text:  # unused bits that are not zero
        raise _malformed("It holds what is not canonical base64.")
    return raw


def _is_line(text: str) -> bool:
    return bool(text) and text.isprintable() and text.strip() == text


def _is_name(text: str) -> bool:
    return _is_line(text) and "+" not in text and not any(character.isspace() for character in text)


def _malformed(what: str) -> Invalid:
    return Invalid(
        f"This is not a checkpoint: {what}",
        code="checkpoint",
        remedy="Use the note as `clearway audit` wrote it, unchanged.",
    )
