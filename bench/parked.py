"""What a parked approval costs a worker: nothing stays in its memory, so the figure is measured, not assumed.

A worker process carries `RUNS` runs out until each waits for an approval; its resident memory before and after, divided
by their number. A control does the same with runs that end.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 600
WARM_UP = 900


def run() -> dict[str, float]:
    waiting, ended = _kib_per_run("waiting"), _kib_per_run("done")
    return {
        "runs": RUNS,
        "kib_per_parked_approval": waiting,
        "kib_per_ended_run": ended,
        "store_kib_per_parked_approval": _store_kib,
    }


_store_kib = 0.0


def _kib_per_run(kind: str) -> float:
    global _store_kib
    with tempfile.TemporaryDirectory(prefix="clearway-bench-") as folder:
        child = subprocess.run(
            [sys.executable, "-m", "bench.parked", kind, folder],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        grown, stored = map(float, child.stdout.split())
    if kind == "waiting":
        _store_kib = stored
    return grown


def _child(kind: str, folder: Path) -> None:
    import gc
    import threading

    import psutil

    import clearway
    from clearway.adapters.cedar.policies import PolicyFile
    from clearway.adapters.cedar.policy import CedarPolicy
    from clearway.app import Clearway
    from clearway.project.principals import DeclaredPrincipal
    from clearway.project.project import Project
    from clearway.project.settings import Settings

    @clearway.tool(impact="external", targets="account:{account}", summary="Charge {amount_minor} to {account}")
    async def charge(account: str, amount_minor: int) -> dict[str, int]:
        return {"charged_minor": amount_minor}

    @clearway.skill(tools=[charge])
    async def desk(run: clearway.Run) -> None:
        await run.call(charge, account="9182", amount_minor=100)

    hold = '@obligation("require_approval") @approvers("finance")' if kind == "waiting" else ""
    text = f"""
        @id("agents") permit(principal is Agent, action, resource);
        @id("all") {hold} permit(principal is User, action, resource);
    """
    tools, skills = {"charge": charge.spec}, {"desk": desk.spec}
    project = Project(
        folder,
        Settings("bench", f"sqlite:///{folder}/c.db", ("dev",), ("acme",), folder / "keyring.json"),
        tools,
        skills,
        users={"dana": DeclaredPrincipal("user", "dana", "acme")},
    )
    policy = CedarPolicy(tools, skills, ["dev"], [PolicyFile("p", text)])
    rest, me = threading.Event(), psutil.Process()
    with Clearway(project, policy=policy) as app:
        app.serve()
        dana = app.acting("dana")

        def batch(count: int) -> None:
            ids = [str(dana.start("charge", skill="desk")["run_id"]) for _ in range(count)]
            while any(dana.run_status(run_id)["status"] != kind for run_id in ids):
                rest.wait(0.1)

        batch(WARM_UP)  # caches, pools and the allocator's arenas fill first
        gc.collect()
        before, size = me.memory_info().rss, (folder / "c.db").stat().st_size + (folder / "c.db-wal").stat().st_size
        batch(RUNS)
        gc.collect()
        after, end = me.memory_info().rss, (folder / "c.db").stat().st_size + (folder / "c.db-wal").stat().st_size
    print((after - before) / 1024 / RUNS, (end - size) / 1024 / RUNS)


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]))
