"""How far each field of a tool's result may be trusted, as the tool declares it."""

from collections.abc import Mapping, Sequence

from clearway.model.label import Trust

#: One trust for all of a result, or by field: `{"": untrusted, "[].recipient": trusted, "contacts.*.iban": trusted}`.
#: `""` is the default (untrusted where it is missing), `[]` any place of a list, `*` any name, `*_id` any that ends so,
#: `**.id` the field `id` wherever it stands.
FieldTrust = Trust | Mapping[str, Trust]

#: `[]` for a place in a list, otherwise a name.
Path = Sequence[str]

_ANYWHERE = "**"


def split_path(path: str) -> tuple[str, ...]:
    """`items[].id` → `("items", "[]", "id")`."""
    return tuple(part for part in path.replace("[]", ".[].").split(".") if part)


def trust_at(declared: FieldTrust, path: Path) -> Trust:
    """The trust of the value at `path`: that of the longest declared path that leads to it or above it; among equally
    long ones, that which says where it starts; then that with fewer `*`; then the less trusted."""
    if isinstance(declared, Trust):
        return declared
    best, found = (-1, False, 0, 0), Trust.UNTRUSTED
    for pattern, trust in declared.items():
        parts = split_path(pattern)
        anywhere = parts[:1] == (_ANYWHERE,)
        parts = parts[anywhere:]
        starts = range(len(path) - len(parts) + 1) if anywhere else (0,)
        if any(_leads(parts, path[start:]) for start in starts):
            rank = (len(parts), not anywhere, -sum("*" in part for part in parts), -_RANK[trust])
            if rank > best:
                best, found = rank, trust
    return found


def _leads(parts: Sequence[str], path: Path) -> bool:
    """Whether the declared path leads to this one or above it."""
    return len(parts) <= len(path) and all(_is(a, b) for a, b in zip(parts, path, strict=False))


def _is(part: str, name: str) -> bool:
    head, star, tail = part.partition("*")
    if not star or name == "[]":
        return part == name
    return len(name) >= len(head) + len(tail) and name.startswith(head) and name.endswith(tail)


_RANK = {Trust.UNTRUSTED: 0, Trust.ENDORSED: 1, Trust.TRUSTED: 2}
