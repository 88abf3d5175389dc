"""The mail server of the support desk: real SMTP on 127.0.0.1, every message kept, nothing de-duplicated.

    python -m examples.support_desk.services.mail --port 0 --data DIR [--port-file F]

A message is kept as `DIR/messages/NNNNNN.eml`, byte for byte, and as a line of `DIR/messages.jsonl`
{file, from, to: [...], subject, message_id, received_at}: the envelope's addresses, the headers' subject and
id, an RFC 3339 UTC time. Both are on disk before the client gets its 250.

Faults are read from `DIR/mail-faults.json` at each message: {"fault": NAME, "times": n}, or a list of such.
The first strikes, and the file is rewritten with one strike less. `times` is 1 unless given; null is endless.
- `temporary`: 451, not kept. `permanent`: 550, not kept.
- `drop_after_data`: kept, then the connection is closed without an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default as modern_headers
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

if not __package__:  # run by path: the root of the checkout is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from examples.support_desk.services.atomic_file import replace_text

FAULTS_FILE = "mail-faults.json"
FAULTS = ("temporary", "permanent", "drop_after_data")
LARGEST_MESSAGE_BYTES = 1024 * 1024


class Mailbox:
    """The messages kept in a folder, numbered from 1 in the order of arrival."""

    def __init__(self, data_dir: Path) -> None:
        self._index = data_dir / "messages.jsonl"
        self._folder = data_dir / "messages"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._last = max((int(file.stem) for file in self._folder.glob("*.eml")), default=0)

    def keep(self, sender: str, recipients: list[str], content: bytes) -> None:
        """Write the message and its line of the index, both synced to disk."""
        self._last += 1
        name = f"{self._last:06d}.eml"
        headers = message_from_bytes(content, policy=modern_headers)
        entry = {
            "file": f"messages/{name}",
            "from": sender,
            "to": recipients,
            "subject": str(headers.get("Subject", "")),
            "message_id": str(headers.get("Message-ID", "")),
            "received_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        _append_synced(self._folder / name, content)
        _append_synced(self._index, json.dumps(entry).encode() + b"\n")


class MailFaults:
    """The faults file of a folder."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FAULTS_FILE

    def take(self) -> str | None:
        """Use up one strike of the first fault, None if there is none. A broken file raises ValueError."""
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        faults: list[dict[str, Any]] = content if isinstance(content, list) else [content]
        if not faults:
            return None
        name, times = faults[0].get("fault"), faults[0].get("times", 1)
        if name not in FAULTS:
            raise ValueError(f"fault must be one of {', '.join(FAULTS)}")
        if times is not None:
            left = [{**faults[0], "times": times - 1}] if times > 1 else []
            replace_text(self._file, json.dumps(left + faults[1:]))
        return name


class Deliveries:
    """The SMTP hooks. All work is done before the first await, so messages can't interleave."""

    def __init__(self, mailbox: Mailbox, faults: MailFaults) -> None:
        self._mailbox = mailbox
        self._faults = faults

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        try:
            fault = self._faults.take()
        except (ValueError, TypeError, AttributeError) as error:
            print(f"{FAULTS_FILE}: {error}", file=sys.stderr, flush=True)
            return f"451 4.3.5 {FAULTS_FILE} can't be used; see the log"
        if fault == "temporary":
            return "451 4.3.0 try again later"
        if fault == "permanent":
            return "550 5.7.1 not accepted here"
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self._mailbox.keep(envelope.mail_from or "", list(envelope.rcpt_tos), content)
        if fault == "drop_after_data" and server.transport is not None:
            server.transport.close()
            await asyncio.get_running_loop().create_future()  # cancelled once the connection is gone
        return "250 2.0.0 kept"


async def serve(port: int, data_dir: Path, port_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT; writes the port once the server answers."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    deliveries = Deliveries(Mailbox(data_dir), MailFaults(data_dir))

    def accept() -> SMTP:
        return SMTP(
            deliveries, hostname="localhost", ident="support desk mail", enable_SMTPUTF8=True,
            data_size_limit=LARGEST_MESSAGE_BYTES, loop=loop,
        )  # fmt: skip

    server = await loop.create_server(accept, "127.0.0.1", port)
    if port_file:
        replace_text(port_file, f"{server.sockets[0].getsockname()[1]}\n")
    await stopping.wait()
    server.close()


def _append_synced(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="mail", description="The mail server of the support desk.")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    parser.add_argument("--data", type=Path, required=True, help="folder of the messages; made if missing")
    parser.add_argument("--port-file", type=Path, help="where to write the port once the server answers")
    options = parser.parse_args(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    asyncio.run(serve(options.port, options.data, options.port_file))


if __name__ == "__main__":
    main()
