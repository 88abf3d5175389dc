"""Everything that can happen, with canaries in every field, and what comes out of it on the way."""

import asyncio
import contextlib
import gzip
import inspect
import itertools
import json
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import typer

from clearway.adapters.logging import install
from clearway.app import Clearway
from clearway.cli.main import main, make_app
from clearway.model.errors import ClearwayError
from clearway.model.identity import DEV
from clearway.operate.resting import has_settled
from clearway.rules.redact import tokens_in
from clearway.server.feed import Feed
from tests.privacy import beyond, paths
from tests.privacy.canaries import CANARIES, DECLARED, DIAGNOSIS, NOTE, RECORD, SALARY, WORDS
from tests.privacy.project import write_project
from tests.privacy.signed_in import identity_provider, sign_in
from tests.privacy.sinks import HttpSink, http_sink
from tests.server.provider import Provider

INPUT = {"note": NOTE, "record": RECORD, "secret_word": DECLARED, "diagnosis": DIAGNOSIS, "salary": SALARY}
MODES = ("ok", "value", "key", "rejected", "doubt", "group", "os", "silent", "skill", "malformed", "sleep")
_words = itertools.cycle(WORDS)


@dataclass
class Played:
    """`folder` holds all files; `outputs` what was shown, by path. `exercised`: kind of path → those that were.
    `sent`: what models were asked, and mails."""

    folder: Path
    sink: HttpSink
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    exercised: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    received: list[str] = field(default_factory=list[str])
    sent: dict[str, str] = field(default_factory=dict[str, str])

    def show(self, kind: str, name: str, text: str) -> None:
        self.exercised.setdefault(kind, set()).add(name)
        key = f"{kind} {name}"
        self.outputs[key] = self.outputs.get(key, "") + text + "\n"


def play(
    folder: Path, sink: HttpSink, capsys: Callable[[], str], monkeypatch: pytest.MonkeyPatch, store: str = ""
) -> Played:
    """`folder`: empty. `capsys()`: what was printed since the last asking. `store`: its URL, if not a SQLite file."""
    played = Played(folder, sink)
    with (
        beyond.other_side(sink, monkeypatch) as (settings, provider, mail),
        identity_provider(monkeypatch) as (sign_in_settings, people),
    ):
        settings += sign_in_settings + (f'[store]\nurl = "{store}"\n' if store else "")
        project = write_project(folder / "project", beyond.FILES, settings)
        with Clearway.open(project) as app, app.working():
            _runs(app, played)
            for name, shown in beyond.beyond(app, provider, _settled).items():
                played.show("beyond", name, shown)
            _operations(app, played)
            _received(played)
            beyond.delivered(sink, mail)
        _routes(project, played, people)
        _commands(project, played, capsys, monkeypatch)
        _killed(project, played)
        _exports(project, played)
        for name, shown in beyond.releases(project).items():
            played.show("releases", name, shown)
        with Clearway.open(project) as app:
            beyond.dataset(app, folder / "cases.jsonl")
            played.show("beyond", "rotation", beyond.rotated(app))
    played.sent = {"models": provider.seen, "mail": mail.bytes.decode("latin-1")}
    return played


@contextlib.contextmanager
def surroundings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpSink]:
    """A collector, a log of every record in a form of others, a place for temporary files: all inside of `folder`."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("CANARY_MARKER", str(folder / "hanging"))
    monkeypatch.setenv("CLEARWAY_LOG_LEVEL", "debug")
    for name in ("PROJECT", "STORE_URL", "ENV", "KEY", "LOG", "DEBUG"):
        monkeypatch.delenv(f"CLEARWAY_{name}", raising=False)
    root = logging.getLogger()
    handler = logging.FileHandler(folder / "others.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s %(exc_text)s"))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    uninstall = install()
    with http_sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        try:
            yield sink
        finally:
            uninstall()
            root.removeHandler(handler)
            root.setLevel(level)
            handler.close()


# --- Runs ---


def _runs(app: Clearway, played: Played) -> None:
    dana, amir = app.acting("dana"), app.acting("amir")
    ids = [
        dana.start(
            NOTE,
            skill="desk",
            input={**INPUT, "mode": mode},
            key=f"{word}-{mode}",
            request_id=word,
            correlation_id=word,
            subject=word,
        )["run_id"]
        for mode, word in zip(MODES, itertools.cycle(WORDS), strict=False)
    ]
    held = [
        dana.start(NOTE, skill="desk", input={**INPUT, "mode": "charge", "note": f"{NOTE} {n}"})["run_id"]
        for n in range(4)
    ]
    for run_id in [*ids, *held]:
        _settled(app, run_id)
    for number, run_id in enumerate(held):
        pending = {line["run_id"]: line["approval_id"] for line in amir.approvals()["items"]}
        assert run_id in pending, amir.run(run_id)
        approval = pending[run_id]
        digest = amir.approval(approval)["presented_digest"]
        if number == 0:
            amir.approve(approval, presented_digest=digest, comment=NOTE)
        elif number == 1:
            amir.reject(approval, presented_digest=digest, comment=NOTE)
        elif number == 2:
            amir.edit(
                approval,
                {"customer": "c-1", "note": f"{NOTE} instead", "record": RECORD, "secret_word": DECLARED},
                comment=NOTE,
            )
        else:
            amir.cancel(run_id, NOTE)
    for run_id in held:
        _settled(app, run_id)
    for entry in amir.ledger(state="unknown")["items"]:
        amir.resolve(entry["key"], happened=True, reason=NOTE, remote_ref=next(_words), result={"said": NOTE, **RECORD})
    for run_id in ids:
        _settled(app, run_id)
    for run_id in [*ids, *held]:
        played.show("operations", "run", repr(amir.run(run_id)))
    _grant(app)
    statuses = {amir.run(run_id)["status"] for run_id in [*ids, *held]}
    assert {"done", "failed", "refused", "cancelled", "sleeping"} <= statuses, statuses


def _grant(app: Clearway) -> None:
    """A standing permission whose bounds quote somebody, given and used."""
    note = CANARIES["EMAIL"]  # not among other words: find_customer says that all of it is an address
    bounds = {
        "customer": {"any": True},
        "note": {"equals": note},
        "record": {"any": True},
        **{name: {"any": True} for name in ("secret_word", "diagnosis", "salary")},
    }
    asked = app.acting("olga").ask_grant(
        "charge", targets=["customer:c-1"], bounds=bounds, max_uses=2, ttl_s=600, reason=NOTE
    )
    amir = app.acting("amir")
    shown = amir.approval(asked["approval_id"])
    amir.approve(asked["approval_id"], presented_digest=shown["presented_digest"], comment=NOTE)
    given = {**INPUT, "note": note, "mode": "charge"}
    run_id = app.acting("dana").start(note, skill="desk", input=given)["run_id"]
    _settled(app, run_id)
    assert any(step["grant"] for step in amir.run(run_id)["steps"])
    assert app.reading().grants()["items"]


def _settled(app: Clearway, run_id: str) -> None:
    """Follows the run's own events until nothing more happens to it by itself."""
    asyncio.run(asyncio.wait_for(_rested(app, run_id), 60))


async def _rested(app: Clearway, run_id: str) -> None:
    async for _ in Feed(app.store).follow(app.scope(None, DEV), after=0, run_id=run_id, beat_s=1.0):
        now = await asyncio.to_thread(app.reading().run_status, run_id)
        if has_settled(now) or now["status"] == "sleeping":
            return


def _received(played: Played) -> None:
    """What the tools themselves were given: the real thing, or nothing of this shows anything."""
    played.received = list(vars(sys)["received_by_canary_tools"])


# --- Operations ---


def _operations(app: Clearway, played: Played) -> None:
    """Each method, with canaries in every argument that takes text, as somebody who may."""
    run_id = app.reading().runs(limit=1)["items"][0]["run_id"]
    for name in paths.operations():
        for user in ("dana", "olga", "amir"):
            method = getattr(app.acting(user), name)
            if not callable(method):
                continue
            for known in (False, True):
                given = {
                    parameter.name: _argument(parameter, run_id if known else None)
                    for parameter in inspect.signature(method).parameters.values()
                }
                try:
                    answer = method(**given)
                except ClearwayError as error:
                    answer = f"{error} {error.remedy}"
                # The result is for whom the run acts for, in the real form: that is what it is there for.
                played.show("operations", name, "" if name == "result" else repr(answer))


_PLAIN: dict[str, Any] = {
    "limit": 5,
    "after": 0,
    "seq": 1,
    "days": 1,
    "max_uses": 1,
    "ttl_s": 60.0,
    "happened": True,
    "break_glass": False,
    "kind": "tool",
    "id": "unbook",
    "text": NOTE,
    "reason": NOTE,
    "comment": NOTE,
    "result": {"said": NOTE},
    "input": {**INPUT, "mode": "ok"},
    "arguments": {"note": NOTE, **RECORD},
    "bounds": {"note": {"equals": NOTE}},
}
_NUMBERS = ("<class 'int'>", "<class 'float'>", "int | None", "float | None")
_KNOWN = {"skill": "desk", "tool": "charge"}


def _argument(parameter: inspect.Parameter, run_id: str | None) -> Any:
    """`run_id`: one that there is, so that the call gets as far as it can; None: a canary where it can stand."""
    name, optional = parameter.name, parameter.default is not parameter.empty
    if name in _PLAIN:
        return _PLAIN[name]
    if str(parameter.annotation) in _NUMBERS:
        return 0.5
    if run_id and (name in _KNOWN or name == "run_id"):
        return _KNOWN.get(name, run_id)
    if run_id and optional and name not in ("key", "request_id", "correlation_id", "subject", "remote_ref"):
        return parameter.default
    if name == "targets":
        return [f"customer:{next(_words)}"]
    return next(_words).encode() if name == "public_key" else next(_words)


# --- Routes ---


def _routes(project: Path, played: Played, people: Provider) -> None:
    """Each route, with canaries in path, query, headers and body: known and unknown, well-formed and not."""
    from tests.server.ask import BODIES, routes
    from tests.server.site import running

    with Clearway.open(project) as app, running(app, work=False) as site:
        some_run = app.reading().runs(limit=1)["items"][0]["run_id"]
        with site.client("olga", "dev") as olga, site.client(None) as nobody:
            for route in routes(site.served.api, _AnyNeed()):
                body = _dressed(BODIES.get((route.method, route.path), {"text": NOTE}))
                for client, named, content in (
                    (olga, quote(next(_words), safe=""), json.dumps(body)),
                    (olga, some_run, NOTE),
                    (nobody, some_run, json.dumps(body)),
                ):
                    status, text = _ask(client, route, named, content)
                    # A result is for whom the run acts for, in the real form: that is what it is there for.
                    played.show("routes", str(route), "" if route.path.endswith("/result") else f"{status} {text}")
        _opened(site, some_run, played)
        for name, shown in sign_in(site, people).items():
            played.show("sign-in", name, shown)


def _opened(site: Any, run_id: str, played: Played) -> None:
    """Tokens are opened on a page, with canaries for reasons. The values are shown, which is what it is there for; all
    else that comes of it is not."""
    with site.client("amir", "dev") as amir:
        record = amir.get(f"/v1/runs/{run_id}").json()["data"]
        tokens = sorted(tokens_in(record))
        assert tokens
        for token in tokens[:3]:
            answer = amir.post(f"/runs/{run_id}/open", json={"token": token, "reason": NOTE})
            assert answer.status_code == 200, answer.text
            assert "data-open-token" in amir.get(f"/runs/{run_id}", headers={"accept": "text/html"}).text
            played.show("opened", "a run", f"{dict(answer.headers)} {answer.url}")


def _ask(client: Any, route: Any, named: str, content: str) -> tuple[int, str]:
    word = next(_words)
    names = ("status", "state", "skill", "cursor", "code", "next", "kinds", "tool", "user", "correlation_id", "kind")
    query = "&".join(f"{name}={quote(next(_words))}" for name in names)
    with client.stream(
        route.method,
        f"{route.url(**dict.fromkeys(route.parameters, named))}?q={quote(NOTE)}&{query}",
        content=None if route.method == "GET" else content,
        headers={"Idempotency-Key": word, "X-Request-Id": word, "X-Correlation-Id": word, "User-Agent": word},
    ) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
            return answer.status_code, f"{dict(answer.headers)} {answer.text}"
        return answer.status_code, str(dict(answer.headers))


class _AnyNeed(dict[Any, Any]):
    """What a route needs is another suite's."""

    def __missing__(self, key: Any) -> Any:
        from clearway.server.rights import Need

        return Need.READ


def _dressed(body: Any) -> Any:
    """A body with canaries in its texts; what is named as ids and words stays what it is where it has to."""
    if isinstance(body, Mapping):
        return {
            name: value
            if name in ("skill", "kind", "tool")
            else {**INPUT, "mode": "ok"}
            if name == "input"
            else _dressed(value)
            for name, value in body.items()
        }
    if isinstance(body, list):
        return [_dressed(each) for each in body]
    return NOTE if isinstance(body, str) else body


# --- Commands ---

#: Would serve, play or wait for ever: only what is wrong with their options is exercised.
_LONG = frozenset({"worker", "serve"})


def _commands(project: Path, played: Played, printed: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    tree: Any = typer.main.get_command(make_app())  # once: to build it takes longer than most commands
    monkeypatch.setattr("clearway.cli.main.make_app", lambda: tree)
    here = ["--project", str(project)]
    for name, command in paths.typed_commands().items():
        if name == "demo":  # a program of its own beside the product, with a suite of its own (tests/demo)
            printed()
            main(["demo", "--help"])
            played.show("commands", name, printed())
            continue
        for wrong in (True, False) if name not in _LONG else (True,):
            printed()
            with contextlib.suppress(SystemExit):  # the demonstration's own parser
                main([*name.split(), *_typed(command, played.folder / "tmp", wrong=wrong), *here, "--as", "olga"])
            played.show("commands", name, printed())
    main(["runs", "list", *here, "--json"])
    run_id = json.loads(printed())["data"]["items"][0]["run_id"]
    for form in ([], ["--json"]):
        for words in (
            ["runs", "show", run_id],
            ["approvals", "list", "--state", "all"],
            ["ledger", "list"],
            ["runs", "list"],
        ):
            main([*words, *here, *form])
            played.show("commands", " ".join(words[:2]), printed())


#: The common options. Which project, who and where is not free to be anybody's data.
_COMMON = frozenset(
    {"project", "store", "server", "lifecycle", "user", "role", "tenant", "environment", "as_json", "help", "version"}
)


def _typed(command: Any, folder: Path, *, wrong: bool) -> list[str]:
    """Arguments and options. `wrong`: canaries also where a number belongs. Names of files are an operator's own."""
    given: list[str] = []
    for parameter in command.params:
        kind = parameter.type_descriptor.annotation if hasattr(parameter, "type_descriptor") else bool
        if parameter.name in _COMMON or kind is bool:
            continue
        if "Path" in str(kind):
            value = str(folder / "named-on-the-command-line")
        elif "str" in str(kind) or wrong:
            value = NOTE if parameter.name in ("text", "reason", "comment", "note") else next(_words)
            if parameter.name in ("input", "arguments", "result", "bounds"):
                value = json.dumps({**INPUT, "note": NOTE})
        else:
            value = "1"
        given += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    return given


# --- A worker is killed in the middle of a call ---


def _killed(project: Path, played: Played) -> None:
    with Clearway.open(project) as app:
        run_id = app.acting("dana").start(NOTE, skill="desk", input={**INPUT, "mode": "hang"})["run_id"]
    read, write = os.pipe()
    with (played.folder / "worker.out").open("wb") as out, os.fdopen(read, "rb") as hanging:
        worker = subprocess.Popen(
            [sys.executable, "-m", "clearway", "worker", "--project", str(project)],
            stdout=out, stderr=out, pass_fds=[write], env={**os.environ, "CANARY_PIPE": str(write)},
        )  # fmt: skip
        os.close(write)
        # The tool says that it hangs; if the worker ends before, so does what it could say.
        assert select.select([hanging], [], [], 40)[0], "the worker never came to the call"
        assert hanging.read(1), (played.folder / "worker.out").read_text()
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    played.show("crash", "worker", (played.folder / "worker.out").read_text())
    with Clearway.open(project) as app:
        app.serve()  # on Postgres the dead one passes for a living one for 10 s, which `working` would rely on
        record = app.acting("dana").wait(run_id, wait_s=60)
        assert record["status"] in ("unknown", "failed", "done"), record["status"]
        played.show("crash", "record", repr(record))


def _exports(project: Path, played: Played) -> None:
    with Clearway.open(project) as app:
        lines = "\n".join(app.reading().audit_export()["lines"])
    (played.folder / "audit.jsonl").write_text(lines)
    with gzip.open(played.folder / "audit.jsonl.gz", "wt") as file:
        file.write(lines)
