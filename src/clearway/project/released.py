"""A project as a bundle has it: the code that is loaded here, with the bundle's texts and settings.

INVARIANT: what is pinned comes from the bundle, what says where and for whom stays this worker's; and code is never
taken from a bundle: a worker whose code is another one does not carry the release's runs out.
"""

from dataclasses import replace
from typing import Any

from clearway.model.errors import ConfigError, Unavailable
from clearway.model.release import Bundle
from clearway.project.located import Problems, Source, Table
from clearway.project.project import Project
from clearway.project.settings import read_behaviour
from clearway.rules.releases import bundles

PROMPT_ENDINGS = (".md", ".txt")


def has_code_of(project: Project, bundle: Bundle) -> bool:
    """Whether the code that is loaded here is the bundle's, and each tool what the bundle pinned."""
    return code_of(project) == bundles.code_of(bundle)


def code_of(project: Project) -> str:
    """The digest of the code that is loaded here, as `bundles.code_digest`."""
    return bundles.code_digest(project.code, {name: tool.digest for name, tool in project.tools.items()})


def released(project: Project, bundle: Bundle) -> Project:
    """Errors: `Unavailable` (`release_settings`) where this version of Clearway does not understand its settings."""
    problems = Problems()
    source = Source("the release's settings", dict[str, Any](bundle.settings), {})
    settings = read_behaviour(Table(source, problems, (), source.data), project.folder, project.settings)
    try:
        problems.raise_any()
    except ConfigError as error:
        raise Unavailable(
            f"The release's settings are not understood here: {error.message}",
            code="release_settings",
            remedy="Give the workers the version of Clearway that cut the release.",
        ) from None
    policies = tuple((path, text) for path, text in sorted(bundle.files.items()) if path.endswith(".cedar"))
    prompts = {
        path.removeprefix("prompts/").rpartition(".")[0]: text
        for path, text in bundle.files.items()
        if path.startswith("prompts/") and path.endswith(PROMPT_ENDINGS)
    }
    return replace(
        project,
        settings=settings,
        policies=policies,
        prompts=prompts,
        files=dict(bundle.files),
        router=dict(bundle.router),
    )
