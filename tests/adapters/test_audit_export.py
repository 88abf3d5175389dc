"""Exports of the audit log: what shows without the store."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clearway.app import Clearway
from clearway.model.event import Event
from clearway.model.identity import Scope
from clearway.operate.audit import AuditLog, verify_export
from clearway.project.load import load_project

SCOPE = Scope("acme", "dev")


@pytest.fixture
def audit(tmp_path: Path, sqlite_url: str) -> Iterator[AuditLog]:
    """A log of three events."""
    (tmp_path / "clearway.toml").write_text(
        '[project]\nname = "x"\n[environments]\nlist = ["dev"]\n[tenants]\nlist = ["acme"]\n'
    )
    with Clearway(load_project(tmp_path, store_url=sqlite_url)) as app:
        app.store.write(SCOPE, lambda tx: tx.audit.append([Event("run.finished", {"n": n}) for n in range(3)]))
        yield app.audit


def test_an_emptied_export_is_tampered_with_where_a_checkpoint_covers_events(audit: AuditLog) -> None:
    lines, checkpoint, _, public = audit.export(SCOPE)
    assert verify_export(list(lines), checkpoint=checkpoint, public_key=public).status == "intact"
    for emptied in ([], [""], ["", " "]):
        verdict = verify_export(emptied, checkpoint=checkpoint, public_key=public)
        assert (verdict.status, verdict.events, verdict.first_bad_seq) == ("tampered", 0, 1)
        assert "3 events: the tail is cut" in verdict.why


def test_an_emptied_export_with_a_checkpoint_that_is_not_signed_is_tampered_with(audit: AuditLog) -> None:
    _, checkpoint, _, public = audit.export(SCOPE)
    other = bytes(32)
    forged = checkpoint.replace("\n3\n", "\n0\n")
    for note, key in ((checkpoint, other), (forged, public), ("", public)):
        verdict = verify_export([], checkpoint=note, public_key=key)
        assert (verdict.status, verdict.first_bad_seq) == ("tampered", None)


def test_an_empty_export_by_itself_is_incomplete(audit: AuditLog) -> None:
    _, checkpoint, _, public = audit.export(SCOPE)
    for note, key in ((None, public), (checkpoint, None), (None, None)):
        assert verify_export([], checkpoint=note, public_key=key).status == "incomplete"


def test_a_proof_says_how_its_checkpoint_is_verified(audit: AuditLog) -> None:
    proof = audit.prove(SCOPE, 2)
    assert "4 bytes of key hash and the 64 bytes of the Ed25519 signature" in proof["how"]
    assert "first three lines, each with its newline" in proof["how"]
    origin, size, root, _, last, _ = proof["checkpoint"].split("\n")
    raw, public = base64.b64decode(last.split(" ")[-1]), base64.b64decode(proof["public_key"])
    assert len(raw) == 68
    assert raw[:4] == hashlib.sha256(b"clearway\n\x01" + public).digest()[:4]
    assert root == proof["root"]
    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], f"{origin}\n{size}\n{root}\n".encode())
