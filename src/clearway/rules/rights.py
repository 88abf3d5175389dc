"""What a role may do beside asking for runs. Approving is not here: the policy of each action names its approvers.

One thing about approving is: whoever gives rights does not use them (threats.md, roles).
"""

from clearway.model.errors import Denied
from clearway.model.identity import Principal

#: act → roles that may do it, in the environment where the role is held.
RIGHTS = {
    "cancel": frozenset({"operator"}),
    "retry": frozenset({"operator"}),
    "resolve": frozenset({"operator"}),
    "kill": frozenset({"operator"}),
    "kill_everywhere": frozenset({"system_operator"}),
    "keys": frozenset({"admin"}),
    "users": frozenset({"admin"}),
    "grant": frozenset({"operator"}),
    "notices": frozenset({"operator"}),
    "erase": frozenset({"privacy_officer"}),
    "retention": frozenset({"privacy_officer"}),
    "rotate": frozenset({"system_operator"}),
    "dataset": frozenset({"privacy_officer", "evaluator"}),
}

#: Manages keys and people, and so decides nothing, whatever groups they are in, while they have it.
ADMIN = "admin"

SAYS = {
    "cancel": "cancel somebody else's run",
    "retry": "retry runs",
    "resolve": "settle effects in doubt",
    "kill": "engage or release kill switches",
    "kill_everywhere": "engage or release a kill switch that holds for every tenant",
    "keys": "make or revoke API keys",
    "users": "manage the people who sign in",
    "grant": "ask for grants or revoke them",
    "notices": "send notices on trial",
    "erase": "erase people",
    "retention": "apply the rules of retention",
    "rotate": "rotate the keys of every tenant",
    "dataset": "write datasets of recorded runs",
}


def gives_rights(principal: Principal) -> bool:
    """Whether somebody has the role that keeps them from approving, vouching and breaking the glass, as any login of
    theirs that is known."""
    return ADMIN in principal.roles or principal.also_admin


def refuse_admin(principal: Principal) -> None:
    """Errors: `Denied` (`admin_approves`)."""
    if gives_rights(principal):
        raise Denied(
            "An admin does not approve: whoever gives rights does not use them.",
            code="admin_approves",
            remedy="Somebody without the role admin has to decide.",
        )


def has_right(principal: Principal, act: str) -> bool:
    """Whether one of their roles gives them `act`, a key of `RIGHTS`."""
    return not RIGHTS[act].isdisjoint(principal.roles)


def require(principal: Principal, act: str) -> None:
    """Errors: `Denied` (`role_missing`) naming the role that is needed."""
    if not has_right(principal, act):
        needed = " or ".join(sorted(RIGHTS[act]))
        raise Denied(
            f"{principal.name} may not {SAYS[act]} here.", code="role_missing", remedy=f"This needs the role {needed}."
        )
