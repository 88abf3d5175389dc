"""Server time of each console page over a full store: 10,000 pending approvals, 1,000,000 events, 100,000 runs.

The store is filled in bulk: one real held run is copied, row by row, in SQL (its hash chain is not: nothing here
verifies it). Each page is asked for in process, past the network, by somebody signed in, `ASKED` times after a first
one that is not counted; with sign-in, rights, reading and rendering. Goal: 200 ms.
"""

import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

PENDING, RUNS, EVENTS = 10_000, 100_000, 1_000_000
ASKED = 15
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
[users.bo]
tenant = "acme"
roles = { prod = ["approver"] }
groups = ["finance"]
[users.vera]
tenant = "acme"
roles = { prod = ["viewer"] }
[server]
rate = { count = 100000000, per_s = 1 }
"""
_FILES = {
    "clearway.toml": _TOML,
    "policies/main.cedar": """\
@id("agents") permit (principal is Agent, action, resource);
@id("refunds") @obligation("require_approval") @approvers("finance")
permit (principal in Role::"support", action == Action::"refund", resource);
""",
    "tools/bank.py": """\
from clearway import tool

@tool(impact="external", targets="account:{account}", owner="billing", summary="Refund {amount} to {account}")
def refund(account: str, amount: int) -> dict:
    return {"refunded": amount}
""",
    "skills/desk.py": """\
from clearway import skill

@skill(tools=["refund"], examples=["Refund account 9182"], owner="desk")
async def desk(run, account: str, amount: int):
    return await run.call("refund", account=account, amount=amount, reason="asked")
""",
}
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "


def run() -> dict[str, float]:
    from clearway.app import Clearway

    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name, text in _FILES.items():
            (project / name).parent.mkdir(exist_ok=True)
            (project / name).write_text(text)
        with Clearway.open(project) as app, app.working():
            key = app.access.issue(app.scope(None, "prod", "user:dana"), "user:dana", days=1, by="bench")["key"]
            dana = app.acting_with_key(key)
            held = dana.start("Refund it", skill="desk", input={"account": "9182", "amount": 4_000})
            dana.wait(held["run_id"], wait_s=30)
        with Clearway.open(project) as app:
            store = Path(app.project.settings.store_url.removeprefix("sqlite:///"))
            _fill(store if store.is_absolute() else project / store)
            return {"pending": PENDING, "runs": RUNS, "events": EVENTS, **_asked(app, held["run_id"])}


def _fill(store: Path) -> None:
    with sqlite3.connect(store) as db:
        now = time.time()
        copies: tuple[tuple[str, int, dict[str, str]], ...] = (
            (
                "approvals",
                PENDING,
                {
                    "approval_id": "'apr_' || n.i",
                    "run_id": "'run_' || n.i",
                    "impact": "CASE n.i % 3 WHEN 0 THEN 'read' WHEN 1 THEN 'internal_write' ELSE 'external' END",
                    "requested_at": f"{now} - n.i % 1700",
                    "expires_at": f"{now} + 1800 + n.i % 80000",
                },
            ),
            (
                "runs",
                RUNS,
                {
                    "run_id": "'run_' || n.i",
                    "idempotency_key": "'key_' || n.i",
                    "created_at": f"{now} - n.i * 0.8",
                    "finished_at": f"{now} - n.i * 0.8 + n.i % 7",
                    "status": "CASE n.i % 9 WHEN 0 THEN 'failed' ELSE 'done' END",
                },
            ),
            (
                "ledger",
                RUNS,
                {
                    "key": "'sha256:' || n.i",
                    "run_id": "'run_' || n.i",
                    "created_at": f"{now} - n.i * 0.8",
                    "state": "CASE WHEN n.i % 100 = 0 THEN 'unknown' ELSE 'succeeded' END",
                },
            ),
            ("events", EVENTS, {"seq": "n.i + 1000", "run_id": "'run_' || (n.i / 10)"}),
            ("event_payloads", EVENTS, {"seq": "n.i + 1000"}),
        )
        for table, count, changes in copies:
            _copy(db, table, count, changes)
        db.execute("UPDATE audit_heads SET seq = ? WHERE tenant = 'acme'", (EVENTS + 1000,))
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(db: sqlite3.Connection, table: str, count: int, changes: dict[str, str]) -> None:
    """`count` copies of the newest row of `table`, changed so. Names are those of this module."""
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    db.execute("DROP TABLE IF EXISTS temp.pattern")
    order = "seq" if table.startswith("event") else "rowid"
    db.execute(
        f"CREATE TEMP TABLE pattern AS SELECT * FROM {table} WHERE tenant = 'acme' ORDER BY {order} DESC LIMIT 1"  # noqa: S608
    )
    values = ", ".join(changes.get(name, f"p.{name}") for name in columns)
    numbers = _NUMBERS.format(count=count)
    db.execute(f"INSERT INTO {table} {numbers} SELECT {values} FROM n, temp.pattern p")  # noqa: S608


def _asked(app: Any, run_id: str) -> dict[str, float]:
    from starlette.testclient import TestClient

    from clearway.server.app import make_app
    from clearway.server.binding import Binding, options_of

    served = make_app(app, options_of(Binding(port=8080), app))
    pages = {
        "inbox": ("bo", "/inbox"),
        "inbox_of_nobody_s": ("vera", "/inbox"),
        "inbox_all": ("vera", "/inbox?show=all"),
        "batch": ("bo", "/inbox/batch?tool=refund"),
        "approval": ("bo", "/inbox/apr_7000"),
        "runs": ("bo", "/runs"),
        "runs_failed": ("bo", "/runs?status=failed"),
        "runs_of_a_skill": ("bo", "/runs?skill=none"),
        "runs_held": ("bo", "/runs?status=held"),
        "runs_of_a_correlation": ("bo", "/runs?correlation_id=none"),
        "rejected": ("bo", "/inbox?show=rejected"),
        "run": ("bo", f"/runs/{run_id}"),
        "unknowns": ("bo", "/unknowns"),
        "ledger": ("bo", "/ledger/sha256:100"),
        "overview_day": ("bo", "/overview"),
        "overview_week": ("bo", "/overview?window=week"),
        "rules": ("bo", "/rules"),
        "releases": ("bo", "/releases"),
        "switches": ("bo", "/switches"),
        "account": ("bo", "/account"),
    }
    figures: dict[str, float] = {}
    with TestClient(served.asgi, base_url="http://127.0.0.1:8080", follow_redirects=False) as client:
        cookies = {user: _session(served, app, user) for user in ("bo", "vera")}
        for name, (user, path) in pages.items():
            took = [_ask(client, path, cookies[user]) for _ in range(ASKED + 1)][1:]
            figures[f"{name}_p50_ms"] = statistics.median(took)
            figures[f"{name}_max_ms"] = max(took)
    return figures


def _session(served: Any, app: Any, user: str) -> str:
    scope = app.scope(None, "prod", f"user:{user}")
    opaque, _ = served.site.sessions.open(scope, f"user:{user}", "oidc:bench")
    return f"__Host-clearway={opaque}"


def _ask(client: Any, path: str, cookie: str) -> float:
    begun = time.perf_counter()
    answer = client.get(path, headers={"cookie": cookie, "accept": "text/html"})
    took = (time.perf_counter() - begun) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:200]}")
    return took
