"""A trained router as a file: JSON and plain arrays, parsed and never executed, the same bytes for the same lessons.

::

    "clearway-router/1\\n" · 8 bytes: length of the header · header (canonical JSON) · arrays, end to end · SHA-256

The header holds `meta` and `arrays`: (name, dtype, shape), in order. The name of a file is the address of what it was
trained from; its version is the address of its content.
"""

import contextlib
import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clearway.adapters.private_files import make_private_file, make_private_folder
from clearway.model.errors import Invalid
from clearway.rules.canonical import canonical, parse_json

_MAGIC = b"clearway-router/1\n"
_DIGEST_BYTES = 32
_DTYPES = ("<f2", "<f4", "<i4")
_MOST_BYTES = 1 << 30
_MOST_HEADER_BYTES = 1 << 26


class Damaged(ValueError):
    """Not an artefact, or not what was written."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """`arrays`: name → numpy array, of float16, float32 or int32. `version`: 12 hex digits of the content's SHA-256."""

    meta: Mapping[str, Any]
    arrays: Mapping[str, Any]
    version: str


def pack(meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> bytes:
    """The file's bytes."""
    names = sorted(arrays)
    plain = [np.ascontiguousarray(arrays[name]) for name in names]
    described = [
        [name, array.dtype.newbyteorder("<").str, list(array.shape)] for name, array in zip(names, plain, strict=True)
    ]
    header = canonical({"meta": dict(meta), "arrays": described})
    body = b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in plain)
    content = _MAGIC + len(header).to_bytes(8, "big") + header + body
    return content + hashlib.sha256(content).digest()


def unpack(data: bytes) -> Artefact:
    """Errors: `Damaged`."""
    content, written = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if not content.startswith(_MAGIC) or hashlib.sha256(content).digest() != written:
        raise Damaged("its checksum does not fit")
    start = len(_MAGIC) + 8
    length = int.from_bytes(content[len(_MAGIC) : start], "big")
    try:
        header: Any = parse_json(content[start : start + length], most_bytes=_MOST_HEADER_BYTES)
        arrays: dict[str, Any] = {}
        place = start + length
        for name, dtype, shape in header["arrays"]:
            if dtype not in _DTYPES:
                raise Damaged("it holds an array of another type")
            size = math.prod(shape) * np.dtype(dtype).itemsize
            arrays[name] = np.frombuffer(content[place : place + size], dtype).reshape(shape)
            place += size
        return Artefact(header["meta"], arrays, written.hex()[:12])
    except (Invalid, KeyError, TypeError, ValueError) as error:
        raise Damaged("its header does not fit") from error


def load(path: Path) -> Artefact | None:
    """None where there is no such file, or where it is damaged: it is made anew then."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return unpack(path.read_bytes())
    except (OSError, Damaged):
        return None


def keep(path: Path, data: bytes) -> None:
    """Writes the file, readable to its owner only (examples may be confidential); whoever reads sees all or nothing.

    A folder that cannot be written is no error: the router is trained anew the next time."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        make_private_folder(path.parent)
        draft.unlink(missing_ok=True)
        with os.fdopen(make_private_file(draft), "wb") as file:
            file.write(data)
        draft.replace(path)
