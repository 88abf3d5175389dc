"""The text of each policy, for people who want to know why something is held."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from clearway.adapters.cedar.policies import LoadedPolicy, PolicyFile, load
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


def policy_texts(project: Project) -> Mapping[str, PolicyText]:
    """The project's policies by id. Of those in a promoted release, the ones of the same id."""
    return _texts(project.policies)


def unknown(id_: str) -> PolicyText:
    """What stands for a policy that the project has no more."""
    return PolicyText(id_, "", "", asks=False, why="")


@lru_cache(maxsize=8)
def _texts(files: tuple[tuple[str, str], ...]) -> Mapping[str, PolicyText]:
    loaded, _ = load([PolicyFile(path, text) for path, text in files])
    return {policy.id: _text(policy) for policy in loaded}


def _text(policy: LoadedPolicy) -> PolicyText:
    why, owner = policy.annotations.get("description", ""), policy.annotations.get("owner", "")
    return PolicyText(policy.id, f"{policy.file}:{policy.line}", policy.text, policy.rule is not None, why, owner)
