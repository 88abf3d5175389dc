"""What differs between two bundles, side by side, and sorted by what it touches."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clearway.model.release import Bundle
from clearway.rules.releases.bundles import router_line

#: A text is shown with so many lines around each change.
_CONTEXT = 3
_MOST_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `kind`: policy, prompt, route, ownership, setting, tool, skill, code, router. `name`: a path, a
    dotted setting, a tool or a skill. `before`, `after`: None where it is not there. `diff`: unified, for texts."""

    kind: str
    name: str
    before: Any
    after: Any
    diff: str = ""

    @property
    def verb(self) -> str:
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    def as_json(self) -> dict[str, Any]:
        whole: dict[str, Any] = {"kind": self.kind, "name": self.name, "change": self.verb}
        return whole | ({"diff": self.diff} if self.diff else {"before": self.before, "after": self.after})


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences, by kind and name."""

    items: tuple[Change, ...] = field(default=())

    def of(self, *kinds: str) -> tuple[Change, ...]:
        return tuple(change for change in self.items if change.kind in kinds)


def changes(old: Bundle | None, new: Bundle) -> Changes:
    """What `new` changes against `old`; all of it where there is none before."""
    empty: dict[str, Any] = {}
    before = old or Bundle(new.project, empty, empty, empty, empty, empty, empty)
    found = [
        *_texts(before.files, new.files),
        *(Change("setting", *pair) for pair in _pairs(dict(_flat(before.settings)), dict(_flat(new.settings)))),
        *(Change("tool", *pair) for pair in _pairs(before.tools, new.tools)),
        *(Change("skill", *pair) for pair in _pairs(before.skills, new.skills)),
        *(Change("code", *pair) for pair in _pairs(before.code, new.code)),
        *(Change("router", *pair) for pair in _pairs(router_line(before.router), router_line(new.router))),
    ]
    return Changes(tuple(sorted(found, key=lambda change: (_ORDER.index(change.kind), change.name))))


_ORDER = ("ownership", "policy", "setting", "route", "router", "prompt", "tool", "skill", "code")


def _texts(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for path, before, after in _pairs(old, new):
        yield Change(_kind_of(path), path, before, after, _unified(path, before or "", after or ""))


def _kind_of(path: str) -> str:
    top = path.partition("/")[0]
    return {"policies": "policy", "prompts": "prompt", "routes": "route"}.get(top, "ownership")


def _unified(path: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", n=_CONTEXT, lineterm=""
    )
    shown = [line for _, line in zip(range(_MOST_LINES + 1), lines, strict=False)]
    return "\n".join(shown[:_MOST_LINES] + (["… (longer)"] if len(shown) > _MOST_LINES else []))


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before != after or json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True):
            yield name, before, after


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a table by dotted path; lists are leaves."""
    if not isinstance(value, Mapping):
        yield path, value
        return
    items: Mapping[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
    for name, child in items.items():
        yield from _flat(child, f"{path}.{name}" if path else name)
