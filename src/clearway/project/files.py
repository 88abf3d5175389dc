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
_NOT_DIGESTED = ("store", "keyring", "users", "services", "tenants", "server", "oidc", "telemetry", "notifications")
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


def behaviour(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of clearway.toml that decide what is done, rather than where and for whom."""
    return {key: value for key, value in settings.items() if key not in _NOT_DIGESTED}


def digested_files(folder: Path, extra: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """(path → text of the files in policies, prompts, routes and of `extra`, path → SHA-256 of each Python file)."""
    problems = Problems()
    texts = [folder / name for name in extra if (folder / name).is_file()]
    for part in _DIGESTED_FOLDERS:
        texts += files_below(folder, part, ("",), problems)
    code: list[Path] = []
    for name in own_names(folder) - {"tests"}:
        code += files_below(folder, name, (".py",), problems)
        code += [folder / f"{name}.py"] if (folder / f"{name}.py").is_file() else []
    problems.raise_any()
    return (
        {path.relative_to(folder).as_posix(): read_text(path, path.relative_to(folder).as_posix()) for path in texts},
        {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in code},
    )


def project_digest(files: Mapping[str, str], code: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    """Over all that decides behaviour."""
    return digest("clearway/project/v2", {"files": dict(files), "code": dict(code), "settings": dict(settings)})


def _is_left_out(file: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in file.parts)
