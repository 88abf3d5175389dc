"""`clearway audit verify | export | prove`."""

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At
from clearway.cli.output import inline
from clearway.model.errors import Invalid
from clearway.operate.operations import Json

VERDICT_EXITS = {"intact": 0, "tampered": 1, "incomplete": 7}

_HOW = """Verify it anywhere Clearway is installed, without the store. Keep checkpoint and key where nobody can change
them together with the events:

    clearway audit verify --export events.jsonl --checkpoint checkpoint.txt --public-key public-key.txt
"""


def declare(root: typer.Typer) -> None:
    group = group_of(root, "audit", "The audit log: verify it, export it, prove an event.")
    command(group, "verify")(verify)
    command(group, "export")(export)
    command(group, "prove")(prove)


def verify(
    at: At,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="A checkpoint that was kept elsewhere.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="FILE", help="The key it has to be signed with.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Verify this export instead of the store.")
    ] = None,
) -> int:
    """Check that no event was changed, added, moved or cut off. Exits with 0 intact, 1 tampered, 7 incomplete."""
    note = None if checkpoint is None else _read(checkpoint, "checkpoint")
    key = None if public_key is None else _parse_key(_read(public_key, "public key"))
    others: list[str] = []
    if export is not None:
        from clearway.operate.audit import verify_export

        lines = _read(export, "export").split("\n")
        verdict = verify_export(lines, checkpoint=note, public_key=key).as_json()
        tenant, environment = _chain_of(lines)
    else:
        with at.desk() as app:
            ops = at.caller(app)
            verdict = ops.audit_verify(checkpoint=note, public_key=key)
            scope = at.scope(app, ops)
            every = at.chains(app)
        tenant, environment = scope.tenant, scope.environment
        others = [f"{t}/{e}" for t, e in every if (t, e) != (tenant, environment)]
    verdict = {"tenant": tenant, "environment": environment, **verdict}
    at.out.emit("audit_verdict", verdict, lambda: _show(at, verdict))
    if others:
        at.out.hint(f"not checked: {', '.join(others)}; each is a chain of its own (--tenant, --env)")
    return VERDICT_EXITS[str(verdict["status"])]


def export(
    at: At, out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new or an empty folder.")]
) -> None:
    """Write the events, a signed checkpoint and the public key, so that others can verify them offline."""
    with at.operations() as ops:
        found = ops.audit_export()
    files = {
        "events.jsonl": "".join(f"{line}\n" for line in found["lines"]),
        "checkpoint.txt": found["checkpoint"],
        "public-key.txt": f"{found['key_id']} {found['public_key']}\n",
        "README.txt": _HOW,
    }
    _write(out, files)
    data = {"folder": str(out), "files": list(files), "events": len(found["lines"]), "key_id": found["key_id"]}
    at.out.emit("audit_export", data, lambda: at.out.say(f"{data['events']} events are in {out}"))
    here = " ".join(
        f"--{name} {out / file}"
        for name, file in (
            ("export", "events.jsonl"),
            ("checkpoint", "checkpoint.txt"),
            ("public-key", "public-key.txt"),
        )
    )
    at.out.hint(f"verify it: clearway audit verify {here}")


def prove(at: At, seq: Annotated[int, typer.Argument(metavar="SEQ", help="The event's sequence number.")]) -> None:
    """Prove that an event is part of the log that a signed checkpoint covers (RFC 6962)."""
    with at.operations() as ops:
        proof = ops.audit_prove(seq)

    def show() -> None:
        at.out.say(f"event {seq} of {proof['tree_size']}", style="bold")
        at.out.fields([(name, inline(value)) for name, value in proof.items() if name != "checkpoint"])
        at.out.say("checkpoint:")
        for text in str(proof["checkpoint"]).splitlines():
            at.out.say(f"  {text}")

    at.out.emit("audit_proof", proof, show)


def _show(at: At, verdict: Json) -> None:
    chain = f"{verdict['tenant']}/{verdict['environment']}: " if verdict["tenant"] else ""
    at.out.say(f"{chain}{verdict['status']}: {verdict['why']}", style="bold")
    bad = verdict["first_bad_seq"]
    at.out.fields(
        [
            ("events", str(verdict["events"])),
            ("first bad event", None if bad is None else str(bad)),
            ("head", verdict["head"]),
            ("covered by checkpoints", _covered(verdict)),
        ]
    )


def _chain_of(lines: list[str]) -> tuple[str | None, str | None]:
    """(tenant, environment) of an export that was found to be well-formed; without events nobody knows."""
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return None, None
    found: Json = json.loads(first)
    return found.get("tenant"), found.get("environment")


def _covered(verdict: Json) -> str | None:
    size = verdict["checkpoint_size"]
    return None if size is None else f"the first {size}"


def _parse_key(text: str) -> bytes:
    """`KEY-ID BASE64`, as `audit export` writes it, or the base64 alone."""
    words = text.split()
    try:
        key = base64.b64decode(words[-1] if words else "", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise Invalid(
            "The file holds no Ed25519 public key in base64.",
            code="public_key",
            remedy="Use the public-key.txt that `clearway audit export` wrote.",
        )
    return key


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Invalid(
            f"The {what} is not a text file.", code="file", remedy="Name the file that was exported."
        ) from None
    except OSError as error:
        raise Invalid(
            f"The {what} cannot be read ({error.strerror}).", code="file", remedy="Name a file that this user may read."
        ) from None


def _write(folder: Path, files: dict[str, str]) -> None:
    """INVARIANT: overwrites nothing, and only this user can read what it writes."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in files.items():
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise Invalid(
            f"The export cannot be written ({error.strerror}).",
            code="folder",
            remedy="Name a new folder with --out, where this user may write.",
        ) from None
