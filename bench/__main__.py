"""`python -m bench [NAME …] [--json]`: a table for people, or one JSON object a bench.

A bench is a module here with `run() -> dict[str, float]`: flat names, units in the names, ratios against a floor or a
peer that was measured in the same run.
"""

import importlib
import json
import sys

NAMES = (
    "road",
    "decisions",
    "parked",
    "privacy",
    "privacy_road",
    "policy_diff",
    "canary",
    "server",
    "router",
    "console",
    "console_releases",
)


def main(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    names = [name for name in arguments if not name.startswith("-")] or list(NAMES)
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"There is no bench of that name. Use: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    for name in names:
        figures = importlib.import_module(f"bench.{name}").run()
        if as_json:
            print(json.dumps({"bench": name, "figures": figures}))
            continue
        print(f"\n{name}")
        width = max(map(len, figures), default=0)
        for figure, value in figures.items():
            print(f"  {figure:<{width}}  {value:>12,.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
