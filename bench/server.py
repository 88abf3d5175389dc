"""What the server costs: requests per second and latency of starting a run and of reading one, and listeners' memory.

Against a bare FastAPI app on the same kind of store, which authenticates nobody, checks nothing and writes one row:
what is left is the road's intake (route, seal, tokens, audit chain, wake-up, one commit) and the door (key, rights,
limits). Both in a process of their own, `CONNECTIONS` clients beside them, interleaved; no run is carried out
meanwhile. Listeners: `LISTENERS` streams of one scope in one process, its resident memory before and after, and the
time until an event has reached the last of them.
"""

import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

CONNECTIONS = 8
REQUESTS = 1_600
ROUNDS = 3
LISTENERS = 1_000
_TOML = """\
[project]
name = "bench"
[environments]
list = ["prod"]
[tenants]
list = ["acme"]
[users.dana]
tenant = "acme"
roles = { prod = ["support"] }
[server]
rate = { count = 100000000, per_s = 1 }
"""
_TOOLS = """\
from clearway import tool

@tool(impact="read", targets="account:{account}")
def look(account: str) -> dict:
    return {"account": account}
"""
_SKILLS = """\
from clearway import skill

@skill(tools=["look"], examples=["Look at account 9182"])
async def desk(run, account: str):
    return await run.call("look", account=account)
"""
_BODY = json.dumps({"text": "Look at it", "skill": "desk", "input": {"account": "9182"}}).encode()


def run() -> dict[str, float]:
    figures: dict[str, float] = {"connections": CONNECTIONS, "requests_a_round": REQUESTS}
    found: dict[str, list[tuple[float, float, float]]] = {}
    for _ in range(ROUNDS):
        for kind in ("bare", "clearway"):
            with _served(kind) as site:
                for what, measured in asyncio.run(_measure(site)).items():
                    found.setdefault(f"{kind}_{what}", []).append(measured)
    for name, rounds in found.items():
        for unit, values in zip(("per_s", "p50_ms", "p99_ms"), zip(*rounds, strict=True), strict=True):
            figures[f"{name}_{unit}"] = statistics.median(values)
    for what in ("start", "read"):
        figures[f"{what}_share_of_bare"] = figures[f"clearway_{what}_per_s"] / figures[f"bare_{what}_per_s"]
    with _served("clearway") as site:
        figures |= asyncio.run(_listen(site))
    return figures


class _Site:
    def __init__(self, port: int, key: str, pid: int) -> None:
        self.port, self.pid = port, pid
        self.headers = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"


class _Connection:
    """HTTP/1.1 with as little as it takes, so that the client is not what is measured."""

    def __init__(self, site: _Site) -> None:
        self._site = site

    async def open(self) -> "_Connection":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._site.port)
        return self

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\n{self._site.headers}Content-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        assert answer[9:11] == b"20", answer
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await self.reader.readexactly(length)

    async def listen(self, path: str) -> None:
        self.writer.write(f"GET {path} HTTP/1.1\r\n{self._site.headers}\r\n".encode())
        answer = await self.reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in answer[:20], answer
        await self.reader.readuntil(b"retry: 1000\n\n")


async def _measure(site: _Site) -> dict[str, tuple[float, float, float]]:
    connections = [await _Connection(site).open() for _ in range(CONNECTIONS)]
    first = json.loads(await connections[0].ask("POST", "/v1/runs", _BODY))["data"]["run_id"]
    found: dict[str, tuple[float, float, float]] = {}
    for what, method, path, body in (
        ("start", "POST", "/v1/runs", _BODY),
        ("read", "GET", f"/v1/runs/{first}", b""),
    ):
        await _many(connections, method, path, body, REQUESTS // 8)
        begun = time.perf_counter()
        taken = sorted(await _many(connections, method, path, body, REQUESTS))
        took = time.perf_counter() - begun
        found[what] = (len(taken) / took, taken[len(taken) // 2] * 1000, taken[int(len(taken) * 0.99)] * 1000)
    for connection in connections:
        connection.writer.close()
    return found


async def _many(connections: list[_Connection], method: str, path: str, body: bytes, count: int) -> list[float]:
    async def ask(connection: _Connection) -> list[float]:
        taken: list[float] = []
        for _ in range(count // len(connections)):
            begun = time.perf_counter()
            await connection.ask(method, path, body)
            taken.append(time.perf_counter() - begun)
        return taken

    return [time_s for each in await asyncio.gather(*map(ask, connections)) for time_s in each]


async def _listen(site: _Site) -> dict[str, float]:
    process, asking = psutil.Process(site.pid), await _Connection(site).open()
    for _ in range(200):
        await asking.ask("POST", "/v1/runs", _BODY)
    before = process.memory_info().rss
    listeners: list[_Connection] = []
    for _ in range(LISTENERS):
        listener = await _Connection(site).open()
        await listener.listen("/v1/events?kinds=run.")
        listeners.append(listener)
    connected = process.memory_info().rss
    begun = time.perf_counter()
    await asking.ask("POST", "/v1/runs", _BODY)
    await asyncio.gather(*(listener.reader.readuntil(b"event: run.requested") for listener in listeners))
    reached = time.perf_counter() - begun
    await asyncio.sleep(1.0)
    cpu = process.cpu_times()
    await asyncio.sleep(4.0)
    later = process.cpu_times()
    after = process.memory_info().rss
    for listener in listeners:
        listener.writer.close()
    return {
        "listeners": LISTENERS,
        "listeners_mib": (after - before) / 2**20,
        "kib_a_listener": (after - before) / 1024 / LISTENERS,
        "kib_a_listener_before_news": (connected - before) / 1024 / LISTENERS,
        "news_reach_all_ms": reached * 1000,
        "idle_listeners_cpu_percent": (later.user + later.system - cpu.user - cpu.system) / 4.0 * 100,
    }


@contextmanager
def _served(kind: str) -> Iterator[_Site]:
    # Each listener is a socket in either process.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192) if most > 0 else 8192, most))
    with tempfile.TemporaryDirectory(prefix="clearway-bench-") as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        child = subprocess.Popen(
            [sys.executable, "-m", "bench.server", kind, name, str(port)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert child.stdout is not None
        try:
            key = child.stdout.readline().strip()
            assert key, "the server did not start"
            _await(port)
            yield _Site(port, key, child.pid)
        finally:
            child.terminate()
            child.wait(20)
            child.stdout.close()


def _await(port: int) -> None:
    for _ in range(1000):
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise AssertionError("the server does not listen")


def _child(kind: str, folder: Path, port: int) -> None:
    from clearway.app import Clearway
    from clearway.server.app import make_app
    from clearway.server.binding import Binding, options_of
    from clearway.server.serving import serve

    for name, text in (("clearway.toml", _TOML), ("tools/t.py", _TOOLS), ("skills/s.py", _SKILLS)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    with Clearway.open(folder) as app:
        key = app.access.create_first_key(app.scope("acme", "prod"), "user:dana", days=1)["key"]
        if kind == "bare":
            import uvicorn

            uvicorn.run(
                _bare(app, lambda: print(key, flush=True)), port=port, log_level="warning", access_log=False, http="h11"
            )
            return
        binding = Binding(port=port)
        options = replace(options_of(binding, app), most_streams_each=2 * LISTENERS, most_streams=2 * LISTENERS)
        serve(make_app(app, options), binding, stopped=lambda: False, ready=lambda _: print(key, flush=True))


def _bare(app: Any, ready: Any) -> Any:
    """What somebody would write in an afternoon: a row in, a row out."""
    from contextlib import asynccontextmanager
    from uuid import uuid4

    from fastapi import Body, FastAPI

    from clearway.model.identity import Scope
    from clearway.model.run import Run, RunStatus

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        ready()
        yield

    api, scope = FastAPI(lifespan=lifespan), Scope("acme", "prod")

    @api.post("/v1/runs", status_code=201)
    def start(body: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008 (as FastAPI wants it)
        run_id, text = f"run_{uuid4().hex}", json.dumps(body["input"])
        row = Run(
            run_id,
            run_id,
            "",
            "",
            "",
            {},
            body["skill"],
            {},
            "",
            RunStatus.QUEUED,
            body["text"],
            text,
            {},
            0,
            0.0,
            0.0,
            0.0,
        )
        app.store.write(scope, lambda tx: tx.runs.insert(row))
        return {"data": {"run_id": run_id}}

    @api.get("/v1/runs/{run_id}")
    def read(run_id: str) -> dict[str, Any]:
        run = app.store.read(scope, lambda tx: tx.runs.get(run_id))
        return {"data": {"run_id": run.run_id, "status": run.status.value, "input": run.input}}

    return api


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
