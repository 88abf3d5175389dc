"""The operations on this machine's own store. Bound to one caller; each method is one use case."""

from clearway.operate.local.access import AccessOperations
from clearway.operate.local.approvals import ApprovalOperations
from clearway.operate.local.ledger import LedgerOperations
from clearway.operate.local.operators import OperatorOperations
from clearway.operate.local.privacy import PrivacyOperations
from clearway.operate.local.project import ProjectOperations
from clearway.operate.local.runs import RunOperations
from clearway.operate.releases.operations import ReleaseOperations


class LocalOperations(
    RunOperations,
    ApprovalOperations,
    LedgerOperations,
    ProjectOperations,
    OperatorOperations,
    PrivacyOperations,
    AccessOperations,
    ReleaseOperations,
):
    """Implements `clearway.operate.operations.Operations`."""
