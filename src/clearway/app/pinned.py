"""What a release, or the project's folder, pins for its runs; and the policies in force, which are never pinned."""

from collections.abc import Callable, Mapping

from clearway.adapters.cedar.in_force import PolicyInForce
from clearway.adapters.cedar.policies import PolicyFile
from clearway.adapters.cedar.policy import CedarPolicy
from clearway.adapters.cedar.released import ReleasedPolicy
from clearway.adapters.models.prices import ModelPrices
from clearway.adapters.models.providers import scripted
from clearway.model.identity import Scope
from clearway.operate.releases.reading import found, read
from clearway.operate.routes import make_router
from clearway.ports import ModelClient, Store
from clearway.project.caps import capped, day_budget
from clearway.project.project import Project
from clearway.rules.route import Router
from clearway.runtime.limits import Limits
from clearway.runtime.spending import Budgets
from clearway.runtime.vault import Vaults
from clearway.runtime.version import Version


def version_of(
    project: Project, release: str, *, models: ModelClient, vaults: Vaults, router: Router | None
) -> Version:
    """What `project`, as its folder or a bundle has it, pins for runs under `release`. `router`: instead of its own."""
    settings, rates = project.settings, project.settings.limits
    prices = ModelPrices(settings.models.prices, scripted(settings.models.providers))
    return Version(
        release,
        {name: capped(skill, rates.run_budget) for name, skill in project.skills.items()},
        project.prompts,
        Limits(rates.system, rates.tenant, rates.skills, rates.tools, rates.tenant_day_budget.steps),
        Budgets(prices, day_budget(settings)),
        router or make_router(project, models, vaults.redaction.finder("")),
        settings.routing.below,
        settings.routing.person,
    )


def released_policy(
    project: Project, store: Store, scope: Scope, group_sizes: Callable[[], dict[str, int] | None]
) -> ReleasedPolicy:
    """The policy files of the folder, and of the releases in force. `group_sizes`: people of each group."""
    environments = project.settings.environments
    folder = PolicyInForce(project.folder / "policies", project.tools, project.skills, environments, groups=group_sizes)

    def build(digest: str, groups: Mapping[str, int] | None) -> CedarPolicy:
        bundle = read(store.read(scope, lambda tx: found(tx, digest)))
        files = [PolicyFile(path, text) for path, text in bundle.files.items() if path.endswith(".cedar")]
        return CedarPolicy(project.tools, project.skills, environments, files, groups=groups)

    return ReleasedPolicy(
        folder,
        lambda scope: store.read(scope, lambda tx: tx.releases.pointer()),
        build,
        groups=group_sizes,
    )
