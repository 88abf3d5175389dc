"""A real server on loopback, in a thread, over a small project on a real store; and a client without manners."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from clearway.app import Clearway
from clearway.model.identity import Scope
from clearway.model.release import Pointer, Release
from clearway.ports import Tx
from clearway.project.bundle import bundle_of
from clearway.rules.releases import bundles
from clearway.server.app import Served, make_app
from clearway.server.binding import Binding, options_of
from clearway.server.serving import serve, working

FILES = {
    "clearway.toml": """\
[project]
name = "served-desk"
[environments]
list = ["dev", "prod"]
[tenants]
list = ["acme", "globex"]
[users.dana]
tenant = "acme"
roles = { dev = ["support"], prod = ["support"] }
[users.vera]
tenant = "acme"
roles = { dev = ["viewer"], prod = ["viewer"] }
[users.nobody]
tenant = "acme"
[users.amir]
tenant = "acme"
roles = { dev = ["operator"], prod = ["operator"] }
groups = ["finance"]
[users.bo]
tenant = "acme"
roles = { prod = ["approver"], dev = ["approver"] }
groups = ["finance"]
[users.olga]
tenant = "acme"
roles = { dev = ["operator", "admin"], prod = ["operator", "admin"] }
groups = ["finance"]
[users.gil]
tenant = "globex"
roles = { dev = ["support", "operator", "admin"], prod = ["support", "operator", "admin"] }
[users.gus]
tenant = "globex"
roles = { dev = ["approver"], prod = ["approver"] }
groups = ["finance"]
[approvals]
grant_factors = "finance:1"
[server]
rate = { count = 100000, per_s = 1 }
""",
    "policies/main.cedar": """\
@id("support-reads") permit (principal in Role::"support", action == Action::"read_account", resource);
@id("agents") permit (principal is Agent, action, resource);
@id("small-refunds") permit (principal in Role::"support", action == Action::"refund", resource)
  when { context.arguments.amount_minor <= 5000 };
@id("large-refunds") @obligation("require_approval") @approvers("finance")
permit (principal in Role::"support", action == Action::"refund", resource)
  when { context.arguments.amount_minor > 5000 && context.arguments.amount_minor <= 1000000 };
@id("support-posts") permit (principal in Role::"support", action == Action::"post", resource);
""",
    "tools/bank.py": """\
import threading
from pathlib import Path
from clearway import InDoubt, Rejected, tool

HERE = Path(__file__).parent.parent

@tool(impact="read", targets="account:{account}", owner="desk")
def read_account(account: str) -> dict:
    return {"account": account}

@tool(impact="external", targets="account:{account}", owner="billing",
      summary="Refund {amount_minor} to account {account}")
def refund(account: str, amount_minor: int, memo: str = "") -> dict:
    return {"refunded": amount_minor}

@tool(impact="external", targets="board:{board}", owner="desk", timeout_s=30)
def post(board: str) -> dict:
    if board == "slow":
        (HERE / "started").touch()
        while not (HERE / "go-on").exists():
            threading.Event().wait(0.01)
        return {"posted": board}
    if board == "silent":
        raise InDoubt("no_answer")
    raise Rejected("no_such_board")
""",
    "skills/desk.py": """\
from clearway import skill

@skill(tools=["read_account", "refund"], examples=["Refund 20 dollars to account 9182"], owner="desk")
async def desk(run, account: str, amount_minor: int, memo: str = ""):
    await run.call("read_account", account=account, reason="check")
    return await run.call("refund", account=account, amount_minor=amount_minor, memo=memo, reason=f"asked: {memo}")

@skill(tools=["post"], examples=["Post a notice on the board"], owner="desk")
async def notice(run, board: str):
    return await run.call("post", board=board, reason="asked")
""",
}
SMALL = {"text": "Refund it", "skill": "desk", "input": {"account": "9182", "amount_minor": 2000}}
LARGE = {"text": "Refund it", "skill": "desk", "input": {"account": "9182", "amount_minor": 240000}}


def write_project(folder: Path, **changes: str) -> Path:
    for name, text in {**FILES, **changes}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@dataclass
class Site:
    """A running server. `keys`: of each user and environment, made when first asked for."""

    app: Clearway
    served: Served
    url: str
    keys: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def key(self, user: str, environment: str = "prod") -> str:
        if (user, environment) not in self.keys:
            scope = self.app.scope(None, environment, f"user:{user}")
            made = self.app.access.issue(scope, f"user:{user}", days=1, by="test")
            self.keys[user, environment] = made["key"]
        return self.keys[user, environment]

    def client(self, user: str | None = None, environment: str = "prod", **headers: str) -> httpx.Client:
        """Speaks as this user's key, and sends JSON unless told otherwise."""
        given = {} if user is None else {"authorization": f"Bearer {self.key(user, environment)}"}
        given = {"content-type": "application/json", **given, **{k.replace("_", "-"): v for k, v in headers.items()}}
        return httpx.Client(base_url=self.url, headers=given, timeout=60, trust_env=False)

    def session(self, user: str, environment: str = "prod", by: str = "oidc:idp.example", **options: Any) -> str:
        """The Cookie header of a new session."""
        scope = self.app.scope(None, environment, f"user:{user}")
        opaque, _ = self.served.site.sessions.open(scope, f"user:{user}", by, **options)
        return f"__Host-clearway={opaque}"

    def browser(self, cookie: str | None, **headers: str) -> httpx.Client:
        """Speaks as a page of the server's own would."""
        given = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
        given |= {} if cookie is None else {"cookie": cookie}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Client(base_url=self.url, headers=given, timeout=60, trust_env=False)

    def release(self) -> dict[str, str]:
        """A release of the project, in force in acme/prod, put there past its owners; its ids for routes."""
        whole = bundles.write(bundle_of(self.app.project, {}))
        made = Release(bundles.digest_of(whole), self.app.project.name, whole.decode(), 1.0, "user:dana", "a release")
        now = Pointer(made.digest, None, 1, 1.0, "user:olga", "to begin")

        def work(tx: Tx) -> None:
            tx.releases.insert(made)
            assert tx.releases.move(now, kind="promote", from_generation=0)

        self.app.store.write(Scope("acme", "prod"), work)
        return {"ref": made.digest.removeprefix("sha256:"), "act": "promote", "generation": "1"}

    def ended(
        self, run_id: str, environment: str = "prod", scope: Scope | None = None, *, final: bool = False
    ) -> dict[str, Any]:
        """The run once nothing more happens to it by itself; `final`: once it is over."""
        scope = scope or Scope("acme", environment)
        user = {"acme": "dana", "globex": "gil"}[scope.tenant]
        with self.client(user, scope.environment) as client:
            for _ in range(6000):
                status = client.get(f"/v1/runs/{run_id}/status").json()["data"]
                if status["final"] or (not final and status["status"] in ("waiting", "unknown")):
                    return client.get(f"/v1/runs/{run_id}").json()["data"]
                threading.Event().wait(0.01)
        raise AssertionError(f"{run_id} is still {status['status']}")


@contextmanager
def running(
    app: Clearway,
    *,
    work: bool = True,
    change: Callable[[Any], Any] = lambda options: options,
    drain_s: float = 5.0,
    **settings: Any,
) -> Iterator[Site]:
    """Serves `app` on a port of the system's choice; `change`: of its options."""
    binding = Binding(port=_free_port())
    served = make_app(app, change(options_of(binding, app)), **settings)
    stop, ready = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            serve(served, binding, stopped=stop.is_set, ready=lambda _: ready.set(), drain_s=drain_s)
        except BaseException as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run, name="test-server")
    with working(served, wanted=work, drain_s=drain_s):
        thread.start()
        assert ready.wait(60)
        assert not failed, failed
        try:
            yield Site(app, served, f"http://127.0.0.1:{binding.port}")
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive()


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
