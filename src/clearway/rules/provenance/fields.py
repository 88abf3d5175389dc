"""How far each field of a tool's result may be trusted, as the tool declares it."""

from collections.abc import Mapping, Sequence

from clearway.model.label import Trust

#: One trust for all of a result, or by field: `{"": untrusted, "[].recipient": trusted, "contacts.*.iban": trusted}`.
#: `""` is the default (untrusted where it is missing), `[]` any place of a list, `*` any name.
FieldTrust = Trust | Mapping[str, Trust]

#: `[]` for a place in a list, otherwise a name.
Path = Sequence[str]


def split_path(path: str) -> tuple[str, ...]:
    """`items[].id` → `("items", "[]", "id")`."""
    return tuple(part for part in path.replace("[]", ".[].").split(".") if part)


def trust_at(declared: FieldTrust, path: Path) -> Trust:
    """The trust of the value at `path`: that of the longest declared path that leads to it or above it; among equally
    long ones, that with fewer `*`; then the less trusted."""
    if isinstance(declared, Trust):
        return declared
    best, found = (-1, 0, 0), Trust.UNTRUSTED
    for pattern, trust in declared.items():
        parts = split_path(pattern)
        if len(parts) <= len(path) and all(
            a in ("*", b) and (a == b or b != "[]") for a, b in zip(parts, path, strict=False)
        ):
            rank = (len(parts), -parts.count("*"), -_RANK[trust])
            if rank > best:
                best, found = rank, trust
    return found


_RANK = {Trust.UNTRUSTED: 0, Trust.ENDORSED: 1, Trust.TRUSTED: 2}
