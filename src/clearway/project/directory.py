"""Who is who, from the project's declarations. Implements `clearway.ports.Directory`."""

from collections.abc import Mapping

from clearway.model.identity import Principal, Scope
from clearway.project.principals import DeclaredPrincipal
from clearway.project.project import Project


class ProjectDirectory:
    """Answers from the project as it was loaded."""

    def __init__(self, project: Project) -> None:
        self._declared: Mapping[str, DeclaredPrincipal] = {
            f"{declared.kind}:{name}": declared
            for declarations in (project.users, project.services) for name, declared in declarations.items()
        }

    def find(self, name: str, scope: Scope) -> Principal | None:
        declared = self._declared.get(name)
        if declared is None or declared.tenant != scope.tenant:
            return None
        return declared.principal(scope.environment)

    def members(self, group: str, scope: Scope) -> frozenset[str]:
        return frozenset(name for name, declared in self._declared.items()
                         if group in declared.groups and declared.tenant == scope.tenant)
