"""Labels: where a value came from, whose it is, and how private it is. Policies decide over them."""

from dataclasses import dataclass
from enum import StrEnum


class Trust(StrEnum):
    """Whose word a value is. Ordered by how far it may be relied on: `untrusted` < `endorsed` < `trusted`.

    `trusted`: of the request, of the skill's own code or of a source declared as trusted. `endorsed`: of an untrusted
    source, and a person has vouched for this value. `untrusted`: everything else, also what has no known source."""

    UNTRUSTED = "untrusted"
    ENDORSED = "endorsed"
    TRUSTED = "trusted"


@dataclass(frozen=True, slots=True)
class Label:
    """Of one argument. `sources`: where its parts were seen: `request`, `input`, `s3:read_email`, `endorsed:user:dana`;
    empty where nowhere. `tenants`: other tenants whose data it is. `privacy`: types found in it (`EMAIL`, `CARD`)."""

    trust: Trust
    sources: tuple[str, ...] = ()
    tenants: frozenset[str] = frozenset()
    privacy: frozenset[str] = frozenset()
