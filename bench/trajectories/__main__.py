"""`python -m bench.trajectories run|draft|made`: policy packs against recorded agents: docs/how-to/policy-packs.md."""

import argparse
import sys

from bench.trajectories import drafting, ground_truth, running

SUITES = ("banking", "slack", "workspace", "airline", "retail")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.trajectories", description=__doc__)
    parser.add_argument("--harness", default="../harness", help="a copy of the harness folder, set up by its setup.sh")
    parser.add_argument("--corpus", default="../shared/data/trajectories", help="the folder of the trajectories")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="replay, and print a table")
    run.add_argument("--suite", nargs="*", default=list(SUITES))
    run.add_argument("--packs", help="a folder of packs, one a suite (default: those beside this file)")
    run.add_argument("--gate", nargs="*", default=list(running.GATES), choices=list(running.GATES))
    run.add_argument("--approver", nargs="*", default=["oracle", "never"], choices=["oracle", "never", "always"])
    run.add_argument(
        "--fault", choices=["redeliver", "lost_ack"], help="through Clearway's own runtime, with this fault"
    )
    run.add_argument("--limit", type=int, default=0, help="at most so many trajectories a suite")
    run.add_argument("--jobs", type=int, default=2)
    run.add_argument("--out", default=".clearway/trajectories", help="folder for a line of JSON a trajectory")
    run.add_argument("--json", action="store_true")
    draft = commands.add_parser("draft", help="print a pack.toml and a policy made of the tools' names and schemas")
    draft.add_argument("--suite", required=True)
    draft.add_argument("--into", help="a folder to write them to, instead of printing")
    made = commands.add_parser("made", help="make trajectories of a suite's ground truth, where no recordings are")
    made.add_argument("--suite", required=True)
    made.add_argument("--into", required=True, help="a folder to write them to, for --corpus")
    given = parser.parse_args(arguments)
    missing = running.missing(given)
    if missing:
        print(f"Skipped: {missing}", file=sys.stderr)
        return 0
    return {"run": running.run, "draft": drafting.draft, "made": ground_truth.make}[given.command](given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
