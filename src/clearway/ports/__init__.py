"""What the runtime needs from the outside. One Protocol a need; adapters are named by technology.

Errors of every method here: `Unavailable` (locked, full, unreachable: nothing was committed, unless the answer to the
commit itself was lost), `Internal`. All of them are imported from this package, not from its modules.
"""

from clearway.ports.access import Directory, Keys, Sessions, Users
from clearway.ports.approvals import Approvals, Endorsements, Grants
from clearway.ports.audit import Audit, Reports
from clearway.ports.engine import Clock, Engine
from clearway.ports.models import ModelClient, Prices
from clearway.ports.notices import NoticeChannel, Notices
from clearway.ports.policy import Limits, Policy, Switches
from clearway.ports.privacy import DataKey, Retention, Sealer, Vault
from clearway.ports.releases import Releases
from clearway.ports.runs import Happenings, Ledger, Runs
from clearway.ports.store import Store, Tx
from clearway.ports.telemetry import Span, Telemetry

__all__ = [
    "Approvals",
    "Audit",
    "Clock",
    "DataKey",
    "Directory",
    "Endorsements",
    "Engine",
    "Grants",
    "Happenings",
    "Keys",
    "Ledger",
    "Limits",
    "ModelClient",
    "NoticeChannel",
    "Notices",
    "Policy",
    "Prices",
    "Releases",
    "Reports",
    "Retention",
    "Runs",
    "Sealer",
    "Sessions",
    "Span",
    "Store",
    "Switches",
    "Telemetry",
    "Tx",
    "Users",
    "Vault",
]
