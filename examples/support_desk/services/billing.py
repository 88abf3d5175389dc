"""The billing service of the support desk: a real process with its own ledger and faults on demand.

    python -m examples.support_desk.services.billing --port 0 --data DIR [--port-file F] [--ignore-keys]

Listens on 127.0.0.1 only; port 0 lets the system choose. The port file appears once the service answers.
SIGTERM and SIGINT end it with exit code 0. The routes are in `billing_api.py`, the faults in `faults.py`.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import socketserver
import struct
import sys
import threading
import traceback
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

if not __package__:  # run by path: the root of the checkout is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from examples.support_desk.services.atomic_file import replace_text
from examples.support_desk.services.billing_api import Answer, BillingApi, Request, parse_body, refusal_answer
from examples.support_desk.services.billing_ledger import BillingLedger, Refusal
from examples.support_desk.services.faults import Fault, FaultPlan

BODY_CAP_BYTES = 64 * 1024
DISCARD_CAP_BYTES = 1024 * 1024
LINGER_NONE = struct.pack("ii", 1, 0)
INTERNAL = Refusal(500, "internal", "internal error")


class BillingServer(ThreadingHTTPServer):
    """One thread a connection; `stopping` also ends every wait that a fault began."""

    request_queue_size = 128

    def __init__(self, port: int, ledger: BillingLedger) -> None:
        self.ledger = ledger
        self.plan = FaultPlan()
        self.api = BillingApi(ledger, self.plan)
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", port), BillingHandler)

    def server_bind(self) -> None:
        # HTTPServer.server_bind asks the resolver for the host's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()

    def shutdown_request(self, request: Any) -> None:
        # A connection marked for reset is closed without the orderly FIN, so that the client gets the RST.
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(LINGER_NONE)) == LINGER_NONE:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, ConnectionError):
            print(f"client went away: {error}", file=sys.stderr)
        else:
            super().handle_error(request, client_address)


class BillingHandler(BaseHTTPRequestHandler):
    """Reads a request, lets an armed fault strike it, and writes the answer in one piece."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    @property
    def billing(self) -> BillingServer:
        return cast(BillingServer, self.server)

    def _serve(self) -> None:
        fault = None
        try:
            request, number = self._read_request()
            if request.path == ("faults",):
                return self._send(self.billing.api.answer_about_faults(request))
            path = "/" + "/".join(request.path)
            fault = self.billing.plan.take(request.method, path, self.billing.api.account_of(request))
            if fault is not None and fault.before_commit:
                return self._fail_before_commit(fault)
            answer = self.billing.api.answer(request, number)
        except Refusal as refusal:
            answer = refusal_answer(refusal)
        except ConnectionError:
            raise
        except Exception:
            traceback.print_exc()
            answer = refusal_answer(INTERNAL)
        if fault is None:
            self._send(answer)
        else:
            self._spoil_answer(fault, answer)

    def _read_request(self) -> tuple[Request, int]:
        target = urlsplit(self.path)
        path = tuple(unquote(part) for part in target.path.removeprefix("/").split("/"))
        key = self.headers.get("Idempotency-Key")
        number = 0
        if self.command == "POST" and path != ("faults",):
            number = self.billing.ledger.record_request(target.path, key)
        body = parse_body(self._read_body())
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        return Request(self.command, path, query, body, key), number

    def _read_body(self) -> bytes:
        length_text = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length_text.isascii() and length_text.isdigit()):
            self.close_connection = True
            raise Refusal(411, "length_required", "send the body with a Content-Length")
        length = int(length_text)
        if length > BODY_CAP_BYTES:
            # What was sent is read, within reason: closing over unread data would reset the answer away.
            self.close_connection = True
            self.rfile.read(min(length, DISCARD_CAP_BYTES))
            raise Refusal(413, "body_too_large", f"the body may have {BODY_CAP_BYTES} bytes at most")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the body ended early")
        return body

    def _fail_before_commit(self, fault: Fault) -> None:
        retry_after = {"Retry-After": str(fault.retry_after_s)}
        match fault.fault:
            case "reset_before_commit":
                self._reset()
            case "throttle":
                self._send(refusal_answer(Refusal(429, "throttled", "too many requests"), retry_after))
            case "unavailable":
                self._send(refusal_answer(Refusal(503, "unavailable", "nothing was done; try later"), retry_after))
            case _:
                self._send(refusal_answer(INTERNAL))

    def _spoil_answer(self, fault: Fault, answer: Answer) -> None:
        match fault.fault:
            case "slow":
                self._wait(fault.delay_s)
                self._send(answer)
            case "commit_then_hang":
                self._wait(fault.delay_s)
                self.close_connection = True
            case "reset_after_commit":
                self._reset()
            case "malformed":
                text = json.dumps(answer.body).encode()
                self._write(200, text[: len(text) // 2], {})
            case _:
                self._send(refusal_answer(INTERNAL))

    def _wait(self, delay_s: float) -> None:
        if self.billing.stopping.wait(delay_s):
            raise ConnectionAbortedError("the service is stopping")

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        self.close_connection = True

    def _send(self, answer: Answer) -> None:
        self._write(answer.status, json.dumps(answer.body).encode(), answer.headers)

    def _write(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        fixed = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in {**fixed, **headers}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="billing", description="The billing service of the support desk.")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    parser.add_argument("--data", type=Path, required=True, help="folder of the ledger; made if missing")
    parser.add_argument("--port-file", type=Path, help="where to write the port once the service answers")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--honour-keys", dest="honour_keys", action="store_true", default=True)
    keys.add_argument("--ignore-keys", dest="honour_keys", action="store_false", help="never de-duplicate")
    options = parser.parse_args(arguments)

    options.data.mkdir(parents=True, exist_ok=True)
    ledger = BillingLedger(options.data, honour_keys=options.honour_keys)
    server = BillingServer(options.port, ledger)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: server.stopping.set())
    acceptor = threading.Thread(target=server.serve_forever, args=(0.05,))
    acceptor.start()
    if options.port_file:
        replace_text(options.port_file, f"{server.server_port}\n")
    server.stopping.wait()
    server.shutdown()
    acceptor.join()
    server.server_close()
    ledger.close()


if __name__ == "__main__":
    main()
