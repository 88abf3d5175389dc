"""Real agents' recorded runs, through the gate, against live environments: see docs/how-to/policy-packs.md."""
