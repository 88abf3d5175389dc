"""What a role may do beside asking for runs. Approving is not here: the policy of each action names its approvers."""

from clearway.model.errors import Denied
from clearway.model.identity import Principal

#: act → roles that may do it, in the environment where the role is held.
RIGHTS = {
    "cancel": frozenset({"operator"}),
    "retry": frozenset({"operator"}),
    "resolve": frozenset({"operator"}),
    "kill": frozenset({"operator"}),
    "keys": frozenset({"admin"}),
    "grant": frozenset({"operator"}),
}


def require(principal: Principal, act: str) -> None:
    """Errors: `Denied` (`role_missing`) naming the role that is needed."""
    if not RIGHTS[act] & principal.roles:
        needed = " or ".join(sorted(RIGHTS[act]))
        raise Denied(
            f"{principal.name} may not {act} here.", code="role_missing", remedy=f"This needs the role {needed}."
        )
