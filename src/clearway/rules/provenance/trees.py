"""The leaves of JSON trees."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

#: A tree with more is read so far only; the rest shows as one leaf that nothing matches.
MOST_LEAVES = 20_000
DEEPEST = 50
#: A name that a schema might declare; any other is as much a value as what stands behind it.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_UNKNOWN = "\N{REPLACEMENT CHARACTER} more than is followed"


class Leaf(NamedTuple):
    """`path`: names, and `[]` for places in lists. `value`: str, int, float or bool. `item`: the place in the outermost
    list, None where there is none."""

    path: tuple[str, ...]
    value: str | int | float | bool
    item: int | None = None

    def shown(self, name: str) -> str:
        """The path below an argument: `items[].id`. Names that no schema declares show as `*`."""
        return name + "".join(
            part if part == "[]" else f".{part}" if _NAME.fullmatch(part) else ".*" for part in self.path
        )


def leaves(value: Any) -> Iterator[Leaf]:
    """Each text, number and boolean, and each name that no schema would declare. Nothing for None and empty texts."""
    found = 0
    waiting: list[tuple[tuple[str, ...], Any, int | None]] = [((), value, None)]
    while waiting:
        path, part, item = waiting.pop()
        if found >= MOST_LEAVES or len(path) > DEEPEST:
            yield Leaf(path[:DEEPEST], _UNKNOWN, item)
            return
        if isinstance(part, dict):
            for name, inner in cast("dict[Any, Any]", part).items():
                text = str(name)
                if not _NAME.fullmatch(text):
                    found += 1
                    yield Leaf((*path, text), text, item)
                waiting.append(((*path, text), inner, item))
        elif isinstance(part, list | tuple):
            parts = cast("list[Any]", part)
            waiting.extend(((*path, "[]"), inner, place if item is None else item) for place, inner in enumerate(parts))
        elif part is not None and part != "":
            found += 1
            yield Leaf(path, part if isinstance(part, str | int | float) else str(part), item)
