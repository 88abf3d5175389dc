"""Writes the project that `clearway init` starts with: it loads, its policy tests pass, and its skill runs.

In the template, Python files end in `.py-tpl`, so that no tool takes them for Clearway's own code.
"""

import os
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from clearway.model.errors import Conflict, Invalid

_SUFFIX = "-tpl"
_RENAMED = {"gitignore": ".gitignore"}


def write_template(folder: str | Path) -> list[str]:
    """Writes the template into `folder`, which is made if it does not exist. Returns the files, relative to it.

    Other files in the folder are left alone. Errors: `Conflict` where one of the template's files is there already
    (nothing is written), `Invalid` where the folder cannot be written.
    """
    root = Path(folder)
    wanted = sorted(_walk(files("clearway.project") / "template", ""))
    taken = [name for name, _ in wanted if os.path.lexists(root / name)]
    if taken:
        shown = ", ".join(taken[:3]) + (", …" if len(taken) > 3 else "")
        raise Conflict(f"The folder already has {shown}.", code="not_empty", remedy="Choose another, or an empty one.")
    try:
        for name, text in wanted:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise Invalid(
            f"The folder cannot be written: {error.strerror}.",
            code="folder",
            remedy="Choose one that this user may write.",
        ) from None
    return [name for name, _ in wanted]


def _walk(folder: Traversable, below: str) -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        name = item.name.removesuffix(_SUFFIX)
        name = _RENAMED.get(name, name)
        if item.is_dir() and name != "__pycache__":
            yield from _walk(item, f"{below}{name}/")
        elif item.is_file():
            yield f"{below}{name}", item.read_text(encoding="utf-8")
