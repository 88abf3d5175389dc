"""The policies in force, with the text of each, for people who want to know why something is held."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from clearway.adapters.cedar.policies import LoadedPolicy, PolicyFile, load
from clearway.model.errors import ClearwayError
from clearway.operate.policy_sources import own_policies
from clearway.operate.releases.reading import found, read
from clearway.ports import Tx
from clearway.project.project import Project


@dataclass(frozen=True, slots=True)
class PolicyText:
    """`asks`: it asks for approval. `why`: its author's words, from `@description`."""

    id: str
    place: str
    text: str
    asks: bool
    why: str
    owner: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class InForce:
    """`release`: whose policies they are; None where nothing was promoted, so that the folder's are in force, as it is
    now. `texts`: by id, in the order of the files. `problems`: why they cannot be read; then nothing is allowed."""

    release: str | None
    files: tuple[PolicyFile, ...] = ()
    texts: Mapping[str, PolicyText] = field(default_factory=dict[str, PolicyText])
    problems: tuple[str, ...] = ()


def policies_in_force(tx: Tx, project: Project, *, run_release: str | None = None) -> InForce:
    """Of the scope at this moment. `run_release`: for a run of this release: in a canary, the canary's policies."""
    pointer = tx.releases.pointer()
    digest = None if pointer is None else pointer.digest
    if pointer is not None and pointer.canary is not None and run_release == pointer.canary:
        digest = pointer.canary
    try:
        files = own_policies(project.folder).files if digest is None else _of_release(tx, digest)
    except ClearwayError as error:
        return InForce(digest, problems=(error.message,))
    texts, problems = _texts(files)
    return InForce(digest, files, texts, problems)


def unknown(id_: str) -> PolicyText:
    """What stands for a policy that is not in force any more."""
    return PolicyText(id_, "", "", asks=False, why="")


def _of_release(tx: Tx, digest: str) -> tuple[PolicyFile, ...]:
    files = read(found(tx, digest)).files
    return tuple(PolicyFile(path, text) for path, text in sorted(files.items()) if path.endswith(".cedar"))


@lru_cache(maxsize=8)
def _texts(files: tuple[PolicyFile, ...]) -> tuple[Mapping[str, PolicyText], tuple[str, ...]]:
    loaded, problems = load(files)
    return {policy.id: _text(policy) for policy in loaded}, tuple(problem.message for problem in problems)


def _text(policy: LoadedPolicy) -> PolicyText:
    why, owner = policy.annotations.get("description", ""), policy.annotations.get("owner", "")
    place, asks = f"{policy.file}:{policy.line}", policy.rule is not None
    return PolicyText(policy.id, place, policy.text, asks, why, owner, policy.effect)
