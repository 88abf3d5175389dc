"""What the operations are made of, and whom they are bound to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from clearway.model.errors import Denied, NotFound, Unauthenticated
from clearway.model.identity import Principal, Scope
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.operate.access import Access
from clearway.operate.audit import AuditLog
from clearway.operate.notice_desk import NoticeDesk
from clearway.operate.privacy import Privacy
from clearway.operate.releases.desk import ReleaseDesk
from clearway.operate.retention import RetentionRules
from clearway.operate.what_if import WhatIf
from clearway.ports import Store, Tx
from clearway.runtime.decisions import Decisions
from clearway.runtime.endorsements import Endorsing
from clearway.runtime.grants import Grants
from clearway.runtime.intake import Intake
from clearway.runtime.interventions import Interventions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the operations are made of. One a process, shared by every caller."""

    store: Store
    intake: Intake
    decisions: Decisions
    endorsing: Endorsing
    interventions: Interventions
    grants: Grants
    audit: AuditLog
    access: Access
    what_if: WhatIf
    tools: Mapping[str, ToolSpec]
    skills: Mapping[str, SkillSpec]
    privacy: Privacy
    retention: RetentionRules
    releases: ReleaseDesk
    notices: NoticeDesk
    codes: Callable[[], frozenset[str]] = frozenset
    is_served: Callable[[], bool] = bool


class Bound:
    """The operations of one caller in one scope. `caller` is None for somebody who only reads."""

    def __init__(self, desk: Desk, scope: Scope, caller: Principal | None) -> None:
        self._desk = desk
        self._scope = scope
        self._caller = caller

    @property
    def caller(self) -> Principal:
        if self._caller is None:
            raise Unauthenticated(
                "Who is acting is not known.",
                remedy="Name a declared user with --as (environment dev), or set CLEARWAY_KEY.",
            )
        return self._caller

    @property
    def _here(self) -> Scope:
        if self._caller is not None and self._caller.scope != self._scope:
            raise Denied("The caller belongs to another scope.", code="wrong_scope")
        return self._scope

    def _read(self, work: Callable[[Tx], T]) -> T:
        return self._desk.store.read(self._here, work)


def there(found: T | None, what: str, see: str) -> T:
    """Errors: `NotFound`; its remedy is the command `see`."""
    if found is None:
        raise NotFound(f"There is no such {what} here.", remedy=f"See `{see}`.")
    return found
