"""Finds personal data and secrets in texts and JSON trees (design: privacy).

The road: `finder` and `trees` (whole trees; what comes `again` is known again) → `normal` (what a text says under its
disguise) → `patterns` (one pass, then only those that hit, each with its check) and `lexicon` (values that this run has
seen in fields) → `found.settle` (one answer a place) → `rebuilt`.
Pure: nothing here reads, writes or waits, and every search takes linear time (threat 41).
"""

from clearway.rules.find.finder import Finder
from clearway.rules.find.found import Found
from clearway.rules.find.known import RunMemory

__all__ = ["Finder", "Found", "RunMemory"]
