"""A provider on this machine that speaks OpenAI's chat completions, and answers as a script says.

::

    with FakeProvider(ScriptedModel(call("refund", account="9182"), say("Done."))) as provider:
        ...                                  # [models.providers.local] base_url = provider.url
        assert provider.asked == 2

`python -m clearway.testing.provider SCRIPT.json --port 8123` serves a script's file until it is stopped.
"""

import asyncio
import json
import math
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast

from clearway.model.chat import Message, ModelAnswer, ModelRequest, ToolDeclaration, ToolUse
from clearway.model.errors import ClearwayError, ModelBusy
from clearway.ports import ModelClient

Json = dict[str, Any]

#: What goes wrong with one request: a status; a body instead of an answer; the connection closed; no answer at all; a
#: stream that breaks off; a redirect to another place.
STATUS, BODY, DROP, HANG, CUT, REDIRECT = "status", "body", "drop", "hang", "cut", "redirect"


class FakeProvider:
    """`bodies`: the requests as they came, JSON; `headers` with them. `seen`: the bodies as text, to look for what must
    not be in them.

    `fail(STATUS, 503)` and the like say what the next requests meet, before the script answers again."""

    def __init__(self, model: ModelClient, *, port: int = 0) -> None:
        self.model = model
        self.bodies: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.before: Callable[[Json], None] = lambda body: None
        self._faults: list[tuple[str, Any]] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.02), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def asked(self) -> int:
        return len(self.bodies)

    @property
    def seen(self) -> str:
        return json.dumps(self.bodies, ensure_ascii=False)

    def fail(self, fault: str, value: Any = None, *, times: int = 1) -> None:
        """`value`: the status, or the body to send with 200."""
        with self._lock:
            self._faults += [(fault, value)] * times

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, body: Json, headers: dict[str, str]) -> tuple[str, Any]:
        """Notes a request; what goes wrong with it."""
        with self._lock:
            self.bodies.append(body)
            self.headers.append(headers)
            fault = self._faults.pop(0) if self._faults else ("", None)
        self.before(body)
        return fault

    def wait(self) -> None:
        self._closing.wait(60)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(_Handler):
            fake = provider

        return Handler


class _Handler(BaseHTTPRequestHandler):
    fake: FakeProvider
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _request_of(body)
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._send(400, {"error": {"message": "no chat completion is asked for", "type": "fake"}})
        fault, value = self.fake.take(body, dict(self.headers.items()))
        try:
            if fault == HANG:
                self.fake.wait()
            elif fault == STATUS:
                self._send(int(value), {"error": {"message": "as told", "type": "fake"}})
            elif fault == REDIRECT:
                self._send(307, {}, {"Location": str(value)})
            elif fault == BODY:
                self._send(200, value)
            elif fault != DROP:
                self._answer(body, cut=fault == CUT)
            if fault in (HANG, DROP, CUT):
                self.close_connection = True
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, body: Json, *, cut: bool) -> None:
        wrong = _unanswered(body["messages"])
        if wrong:
            return self._send(400, {"error": {"message": wrong, "type": "invalid_request_error"}})
        try:
            answer = asyncio.run(self.fake.model.ask(_request_of(body)))
        except ModelBusy as error:
            headers = {} if error.retry_after_s is None else {"Retry-After": str(math.ceil(error.retry_after_s))}
            return self._send(429, {"error": {"message": error.message, "type": "busy"}}, headers)
        except ClearwayError as error:
            return self._send(400, {"error": {"message": error.message, "type": error.code}})
        if body.get("stream"):
            return self._stream(answer, cut=cut)
        self._send(200, completion(answer, str(body["model"])))

    def _stream(self, answer: ModelAnswer, *, cut: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        chunks = list(_chunks(answer))
        for chunk in chunks[: len(chunks) // 2] if cut else chunks:
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
        if not cut:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _unanswered(messages: list[Json]) -> str:
    """What providers refuse: each call of an answer wants one result, right behind it, and nothing else is a result."""
    due: list[str] = []
    for one in messages:
        if one["role"] != "tool":
            if due:
                break
            due = [made["id"] for made in one.get("tool_calls") or ()]
        elif one["tool_call_id"] not in due:
            return f"{one['tool_call_id']} answers no call of the message before."
        else:
            due.remove(one["tool_call_id"])
    return f"There is no result for {', '.join(due)}." if due else ""


def completion(answer: ModelAnswer, model: str) -> Json:
    """`answer` as OpenAI's chat completions say it. A use with a `problem` sends that as its arguments, as it is."""
    message: Json = {"role": "assistant", "content": answer.text or None}
    if answer.uses:
        message["tool_calls"] = [_tool_call(use) for use in answer.uses]
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(answer)}],
        "usage": _usage(answer),
    }


def _chunks(answer: ModelAnswer) -> list[Json]:
    pieces: list[Json] = [{"role": "assistant", "content": ""}]
    pieces += [{"content": answer.text[start : start + 7]} for start in range(0, len(answer.text), 7)]
    for index, use in enumerate(answer.uses):
        made = _tool_call(use)
        arguments = made["function"]["arguments"]
        half = len(arguments) // 2
        first = {**made, "index": index, "function": {"name": use.name, "arguments": arguments[:half]}}
        pieces += [{"tool_calls": [first]}]
        pieces += [{"tool_calls": [{"index": index, "function": {"arguments": arguments[half:]}}]}]
    frame: Json = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1_800_000_000, "model": "fake"}
    found = [{**frame, "choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
    found.append({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(answer)}]})
    return [*found, {**frame, "choices": [], "usage": _usage(answer)}]


def _tool_call(use: ToolUse) -> Json:
    arguments = use.problem or json.dumps(use.arguments)
    return {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": arguments}}


def _finish(answer: ModelAnswer) -> str:
    return "tool_calls" if answer.uses else answer.finish_reason


def _usage(answer: ModelAnswer) -> Json:
    usage = answer.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
    }


def _text_of(content: Any) -> str:
    """Of a text, or of a list of parts that are texts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in cast(list[Json], content))
    return content or ""


def _request_of(body: Json) -> ModelRequest:
    system, messages = "", list[Message]()
    for one in body["messages"]:
        text = _text_of(one.get("content"))
        if one["role"] in ("system", "developer"):
            system = text
        elif one["role"] == "tool":
            messages.append(Message("tool", text, answers=one["tool_call_id"]))
        else:
            uses = tuple(
                ToolUse(made["id"], made["function"]["name"], json.loads(made["function"]["arguments"]))
                for made in one.get("tool_calls") or ()
            )
            messages.append(Message(one["role"], text, uses))
    tools = tuple(
        ToolDeclaration(one["function"]["name"], one["function"].get("description", ""), one["function"]["parameters"])
        for one in body.get("tools") or ()
    )
    return ModelRequest(str(body["model"]), system, tuple(messages), tools)
