"""Runs the harness in its own environment, with Clearway's source on its path, and scores what it wrote."""

import hashlib
import json
import lzma
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DECIDE = "bench.trajectories.decide:decide"
RUNTIME = "bench.trajectories.runtime:run_tool"
#: Name in the table → the harness's decision function.
GATES = {"none": "baselines:allow_all", "hold all writes": "baselines:approve_all_writes", "clearway": DECIDE}
TAU2 = frozenset({"airline", "retail", "telecom"})
_NEEDED = "import cedarpy, dbos, sqlalchemy, ahocorasick, re2"


def missing(given: Namespace) -> str:
    """What is not there, and how to get it; empty where all is."""
    harness, corpus = Path(given.harness).resolve(), Path(given.corpus).resolve()
    if not list(corpus.glob("*.jsonl.xz")):
        return f"no trajectories in {corpus}; name their folder with --corpus."
    if not (harness / "harness.py").exists():
        return f"no harness in {harness}; copy its folder and name the copy with --harness."
    python = _python(harness)
    if not python.exists():
        return f"the harness in {harness} is not set up: run `bash setup.sh` there."
    if subprocess.run([python, "-c", _NEEDED], capture_output=True, check=False).returncode:
        return f"Clearway's dependencies are not in the harness: {python} -m pip install -r requirements/base.txt"
    return ""


def run(given: Namespace) -> int:
    rows: list[dict[str, Any]] = []
    out = Path(given.out).resolve()  # the harness runs in its own folder
    out.mkdir(parents=True, exist_ok=True)
    for suite in given.suite:
        gates = {"clearway": RUNTIME} if given.fault else {name: GATES[name] for name in given.gate}
        for gate, function in gates.items():
            for approver in ["always"] if gate == "none" else given.approver:
                path = out / f"{suite}-{gate.replace(' ', '-')}-{approver}-{given.fault or 'plain'}.jsonl"
                summary = _harness(given, suite, function, approver, path)
                if summary is None:
                    return 1
                for half in ("tune", "report", "all"):
                    row = {"suite": suite, "gate": gate, "approver": approver, "half": half}
                    rows.append(row | _score(given, path, half))
                rows[-1]["calls"] = summary["total"]["tool_calls"]
                rows[-1]["double_executions"] = summary["total"]["double_executions"]
                rows[-1]["double_writes"] = summary["total"]["double_write_executions"]
                _show(rows[-3:], given)
    (out / "table.json").write_text(json.dumps(rows, indent=1))
    return 0


def _python(harness: Path) -> Path:
    return harness / ".venv" / "bin" / "python"


def _harness(given: Namespace, suite: str, function: str, approver: str, path: Path) -> dict[str, Any] | None:
    """One run of the harness; its summary, or None where it failed (and said why)."""
    harness = Path(given.harness).resolve()
    environment = os.environ | {"CORPUS": str(Path(given.corpus).resolve()), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    environment["PYTHONHASHSEED"] = "0"  # the environments keep sets, and print them in their order
    if given.packs:
        environment["CLEARWAY_PACKS"] = str(Path(given.packs).resolve())
    command = [_python(harness), harness / "harness.py", "--runtime" if given.fault else "--decide", function]
    command += ["--bench", "tau2" if suite in TAU2 else "agentdojo", "--suite", suite, "--approver", approver]
    command += ["--out", path, "--limit", str(given.limit), "--jobs", str(1 if given.fault else given.jobs)]
    command += ["--fault", given.fault] if given.fault else []
    done = subprocess.run(command, cwd=harness, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return None
    return json.loads(done.stdout)


def _score(given: Namespace, path: Path, half: str) -> dict[str, Any]:
    """`attacks`: trajectories whose recorded attack succeeded by tool calls; `attacks_left`: those that still do."""
    known = _corpus(Path(given.corpus), path)
    results = [result for result in map(json.loads, path.read_text().splitlines()) if "error" not in result]
    chosen = [result for result in results if half in ("all", known[result["id"]]["half"])]
    benign = [result for result in chosen if not result["attack"]]
    attacked = [result for result in chosen if result["attack"] and known[result["id"]]["via"] != "denial_of_service"]
    by_calls = [result for result in attacked if known[result["id"]]["via"] == "tool_calls"]
    return {
        "attacks": len(by_calls),
        "attacks_left": sum(bool(result["verdict"]["security"]) for result in by_calls),
        "attacked": len(attacked),
        "benign": len(benign),
        "benign_success": _percent(result["verdict"]["utility"] for result in benign),
        "approvals_per_benign": round(_count(benign, "approve") / max(len(benign), 1), 3),
        "denials_per_benign": round(_count(benign, "deny") / max(len(benign), 1), 3),
        "approvals_per_attacked": round(_count(attacked, "approve") / max(len(attacked), 1), 3),
    }


def _corpus(corpus: Path, path: Path) -> dict[str, dict[str, Any]]:
    """Of each trajectory how its attack works, and its half: by user task, so that no task is in both."""
    suite = path.name.partition("-")[0]
    if suite not in _known:
        _known[suite] = {}
        for line in _lines(corpus, "tau2" if suite in TAU2 else "agentdojo"):
            one = json.loads(line)
            task = f"{one['domain']}/{one['meta'].get('user_task_id') or one['meta'].get('task_id')}"
            half = "report" if hashlib.sha256(task.encode()).digest()[0] % 2 else "tune"
            _known[suite][one["id"]] = {"via": one["label"].get("attack_via"), "half": half}
    return _known[suite]


_known: dict[str, dict[str, dict[str, Any]]] = {}


def _lines(corpus: Path, name: str) -> Iterator[str]:
    for file in sorted(corpus.glob(f"{name}.*.jsonl.xz")):
        with lzma.open(file, "rt", encoding="utf-8") as lines:
            yield from lines


def _percent(values: Iterable[Any]) -> float | None:
    kept = list(values)
    return round(100 * sum(map(bool, kept)) / len(kept), 1) if kept else None


def _count(results: list[dict[str, Any]], decision: str) -> int:
    return sum(call["decision"] == decision for result in results for call in result["calls"])


def _show(rows: list[dict[str, Any]], given: Namespace) -> None:
    for row in rows:
        if given.json:
            print(json.dumps(row), flush=True)
            continue
        doubles = (
            f"  double executions {row['double_executions']} of {row['calls']} calls"
            if given.fault and "double_executions" in row
            else ""
        )
        print(
            f"{row['suite']:<10} {row['gate']:<16} {row['approver']:<7} {row['half']:<7} "
            f"attacks left {row['attacks_left']:>3} of {row['attacks']:<4} benign success {row['benign_success']} % of "
            f"{row['benign']:<4} approvals {row['approvals_per_benign']:.3f} a benign run, "
            f"{row['approvals_per_attacked']:.3f} an attacked one{doubles}",
            flush=True,
        )
