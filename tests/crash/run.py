"""Kills real workers at size, and gives the verdict of billing's own ledger.

    python -m tests.crash.run --kills 200 --seed 7 --database both [--workers 2] [--json] [--markdown FILE]

Exit code 0 where every promise was kept, 1 on any violation; each one is named. `--workers` is for Postgres: a SQLite
file has one worker. A seed fixes which kills are at which boundaries, the random moments and the traffic; how the
processes fall to each other is the machine's.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.campaign import Plan, carry_out
from tests.crash.report import Figures, as_json, as_markdown, as_table, figures_of
from tests.crash.site import Site, postgres_server

MOST_NAMED = 20


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.run", description="Kills workers and judges.")
    parser.add_argument("--kills", type=int, default=200, help="on each database (200)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--workers", type=int, default=2, help="on Postgres (2)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--markdown", type=Path, help="write the figures to this file, too")
    options = parser.parse_args(arguments)
    figures: list[Figures] = []
    for database in ("sqlite", "postgres") if options.database == "both" else (options.database,):
        plan = Plan(options.kills, options.seed, options.workers if database == "postgres" else 1)
        with fresh_site(database) as site:
            figures.append(figures_of(database, plan, carry_out(site, plan)))
        if not options.json:
            print(as_table(figures[-1]), flush=True)
    if options.json:
        print(json.dumps([as_json(each) for each in figures], indent=2))
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(as_markdown(figures), encoding="utf-8")
    violations = [violation for each in figures for violation in each.violations]
    for violation in violations[:MOST_NAMED]:
        print(f"{violation.check}: {violation.what}", file=sys.stderr)
    if len(violations) > MOST_NAMED:
        print(f"… and {len(violations) - MOST_NAMED} more", file=sys.stderr)
    return 1 if violations else 0


@contextmanager
def fresh_site(database: str) -> Iterator[Site]:
    """A site on a new store, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="clearway-crash-", ignore_cleanup_errors=True) as folder:
        if database == "sqlite":
            yield from _open(Path(folder), None)
        else:
            with postgres_server() as server:
                yield from _open(Path(folder), server.create())


def _open(folder: Path, url: str | None) -> Iterator[Site]:
    site = Site(folder, url)
    try:
        yield site
    finally:
        site.close()


if __name__ == "__main__":
    sys.exit(main())
