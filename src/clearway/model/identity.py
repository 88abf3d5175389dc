"""Who acts, for whom, and where."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

#: The environment where whoever can read the project may act as anybody it declares.
DEV = "dev"


@dataclass(frozen=True, slots=True)
class Scope:
    """The tenant and environment that everything belongs to. INVARIANT: nothing is read or written outside one."""

    tenant: str
    environment: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who may act: a person (`user`), a skill's identity (`agent`) or a program (`service`).

    `roles` hold in one environment; `groups` are approver and ownership groups. `authenticated_by` says how
    it is known who this is: `key:<id>`, `project` (declared, environment dev) or `skill`. `person`: whose login
    this is, where somebody has several. `delegated`: (group, from whom): memberships lent to this person for a time.
    `kin`: names of logins that may be the same person's, `giver_kin`: (from whom, such a name of theirs), and
    `also_admin`: one of their other logins is an admin in this scope.
    INVARIANT: these three only ever refuse something; no right follows from them.
    """

    kind: Literal["user", "agent", "service"]
    id: str
    scope: Scope
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    authenticated_by: str = "project"
    person: str = ""
    delegated: frozenset[tuple[str, str]] = frozenset()
    kin: frozenset[str] = frozenset()
    also_admin: bool = False
    giver_kin: frozenset[tuple[str, str]] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.id}"

    @property
    def subject(self) -> str:
        """The person behind the login: what votes are counted by, and what separation of duties compares."""
        return f"{self.kind}:{self.person or self.id}"

    def may_be(self, subjects: Collection[str]) -> bool:
        """Whether the person may be one of these, by whatever login."""
        return not {self.subject, *self.kin}.isdisjoint(subjects)

    def narrowed(self, role: str) -> "Principal | None":
        """This principal with one of its roles only; None where it does not have that role."""
        if role not in self.roles:
            return None
        return replace(self, roles=frozenset({role}))
