"""Where a set of policies is read from: a folder, or a revision of the project's own in git."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clearway.adapters.cedar.policies import PolicyFile, read_folder
from clearway.model.errors import Invalid, NotFound
from clearway.project.located import SETTINGS_FILE

_GIT = "git:"
_POLICIES = "policies"
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class PolicySource:
    """`name`: what people call it. `files` are named as in that place."""

    name: str
    files: tuple[PolicyFile, ...]


#: Prefix → what reads the rest of the text in a project's folder. A further kind of source is a line here.
_READERS: dict[str, Callable[[str, Path], tuple[PolicyFile, ...]]] = {}


def read_source(text: str, project: Path) -> PolicySource:
    """`DIR`: `*.cedar` below a folder, or below `policies` where it is a project's; `git:REV`: the project's own then.

    Errors: `NotFound` where there is none, `Invalid` where git cannot say, `ConfigError` where it is no text.
    """
    for prefix, read in _READERS.items():
        if text.startswith(prefix):
            return PolicySource(text, read(text.removeprefix(prefix), project))
    return PolicySource(text, _folder(Path(text)))


def own_policies(project: Path) -> PolicySource:
    """The project's policies as they are now."""
    return PolicySource(_POLICIES, _folder(project))


def _folder(folder: Path) -> tuple[PolicyFile, ...]:
    below = folder / _POLICIES if (folder / SETTINGS_FILE).is_file() else folder
    if not below.is_dir():
        raise NotFound(
            "There is no such folder of policies.",
            code="no_policies",
            remedy="Name a folder with *.cedar files, or git:REV for a revision of the project's own.",
        )
    return tuple(PolicyFile(_shown(file.path, below), file.text) for file in read_folder(below))


def _shown(path: str, below: Path) -> str:
    return f"{below.name}/{Path(path).relative_to(below).as_posix()}"


def _revision(revision: str, project: Path) -> tuple[PolicyFile, ...]:
    if not revision or revision.startswith("-"):
        raise Invalid("git: names no revision.", code="no_policies", remedy="Write, for instance, git:main.")
    listed = _git(project, "ls-tree", "-r", "-z", "--name-only", revision, "--", f"{_POLICIES}/")
    names = [name for name in listed.split("\0") if name.endswith(".cedar")]
    return tuple(PolicyFile(name, _git(project, "show", f"{revision}:./{name}")) for name in sorted(names))


def _git(project: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *words], capture_output=True, check=True, timeout=_TIMEOUT_S, encoding="utf-8"
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        raise Invalid(
            "git cannot show the policies at this revision.",
            code="no_policies",
            remedy="Name one that `git log` knows, in a project that git keeps.",
        ) from None
    return done.stdout


_READERS[_GIT] = _revision
