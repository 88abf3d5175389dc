"""The files of a project: found in order, inside its folder only, read as text, and digested."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clearway.model.errors import ConfigError
from clearway.project.located import Problems, read_text
from clearway.project.modules import own_names
from clearway.rules.canonical import digest

#: Sections of clearway.toml that are not part of the project's digest: where it runs, and for whom.
_NOT_DIGESTED = ("store", "keyring", "users", "services", "tenants")
_DIGESTED_FOLDERS = ("policies", "prompts", "routes")


def files_below(folder: Path, part: str, endings: Sequence[str], problems: Problems) -> list[Path]:
    """Files with one of `endings` below `folder/part`, sorted by path; hidden ones are left out.

    A link that leads out of the project is a problem.
    """
    found: list[Path] = []
    for path in sorted((folder / part).rglob("*")):
        file = path.relative_to(folder)
        if not path.is_file() or not path.name.endswith(tuple(endings)) or _is_left_out(file):
            continue
        if path.resolve().is_relative_to(folder):
            found.append(path)
        else:
            problems.extend(
                ConfigError(
                    "the file is a link that leads out of the project.",
                    file=file.as_posix(),
                    line=1,
                    remedy="Copy it into the project.",
                )
            )
    return found


def read_all(folder: Path, paths: Sequence[Path], problems: Problems) -> Iterator[tuple[str, str]]:
    """(file relative to the project, text) of each that can be read; the others are problems."""
    for path in paths:
        file = path.relative_to(folder).as_posix()
        try:
            yield file, read_text(path, file)
        except ConfigError as error:
            problems.extend(error)


def project_digest(folder: Path, settings: Mapping[str, Any], extra: Sequence[str]) -> str:
    """Over the bytes of the files that decide behaviour (`extra`: some at the top), and the settings that do."""
    problems = Problems()
    paths = [folder / name for name in extra if (folder / name).is_file()]
    for part in _DIGESTED_FOLDERS:
        paths += files_below(folder, part, ("",), problems)
    for name in own_names(folder) - {"tests"}:
        paths += files_below(folder, name, (".py",), problems)
        paths += [folder / f"{name}.py"] if (folder / f"{name}.py").is_file() else []
    files = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    kept = {key: value for key, value in settings.items() if key not in _NOT_DIGESTED}
    return digest("clearway/project/v1", {"files": dict(files), "settings": kept})


def _is_left_out(file: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in file.parts)
