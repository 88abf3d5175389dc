"""Who acts, for whom, and where."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Scope:
    """The tenant and environment that everything belongs to. INVARIANT: nothing is read or written outside one."""

    tenant: str
    environment: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who may act: a person (`user`), a skill's identity (`agent`) or a program (`service`).

    `roles` hold in one environment; `groups` are approver and ownership groups. `authenticated_by` says how
    it is known who this is: `key:<id>`, `project` (declared, environment dev), `local` or `skill`.
    """

    kind: Literal["user", "agent", "service"]
    id: str
    scope: Scope
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    authenticated_by: str = "project"

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.id}"

    def narrowed(self, role: str) -> "Principal | None":
        """This principal with one of its roles only; None where it does not have that role."""
        if role not in self.roles:
            return None
        return Principal(self.kind, self.id, self.scope, frozenset({role}), self.groups, self.authenticated_by)
