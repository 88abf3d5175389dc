"""What `clearway policy check` says of the people that policies name."""

from collections.abc import Callable
from pathlib import Path

from clearway.operate import policy_bench
from clearway.project.load import load_project
from tests.unit.project.conftest import FILES

ASKING = """\
@id("reading") permit(principal in Role::"support", action == Action::"read_account", resource);
@id("refunds")
@obligation("require_approval")
@approvers("{approvers}")
permit(principal in Role::"{role}", action == Action::"refund", resource);
"""


def checked(project: Callable[..., Path], approvers: str, role: str = "support") -> list[str]:
    folder = project({"policies/main.cedar": ASKING.format(approvers=approvers, role=role)})
    return [str(problem) for problem in policy_bench.check(folder)]


def test_groups_and_roles_that_somebody_has_are_no_problem(project: Callable[..., Path]) -> None:
    assert checked(project, "finance:2, leads") == []


def test_a_misspelt_group_is_named_with_its_place(project: Callable[..., Path]) -> None:
    assert checked(project, "finanec") == [
        'policies/main.cedar:4: @approvers names "finanec", which is not a group. Did you mean finance?'
    ]


def test_a_quorum_that_no_tenant_can_fill_is_named(project: Callable[..., Path]) -> None:
    (found,) = checked(project, "finance:3")
    assert found.startswith("policies/main.cedar:4: @approvers asks for 3 of finance, which has 2.")


def test_a_misspelt_role_is_a_warning(project: Callable[..., Path]) -> None:
    (found,) = checked(project, "finance", role="suport")
    assert found == (
        'policies/main.cedar:5: warning: Policy "refunds": nobody has the role "suport". Did you mean support?'
    )
    (problem,) = policy_bench.check(project({"policies/main.cedar": ASKING.format(approvers="finance", role="x")}))
    assert (problem.is_warning, problem.as_json()["severity"]) == (True, "warning")


def test_people_are_counted_once_and_by_tenant(project: Callable[..., Path]) -> None:
    folder = project()
    text = (folder / "clearway.toml").read_text()
    more = '[users.amir2]\ntenant = "acme"\nperson = "amir"\ngroups = ["finance"]\n'
    more += '[users.gil]\ntenant = "globex"\ngroups = ["finance"]\n'
    (folder / "clearway.toml").write_text(text + more)
    assert policy_bench.group_sizes(load_project(folder)) == {"finance": 2, "leads": 2}


def test_admins_are_not_counted_as_they_decide_nothing(project: Callable[..., Path]) -> None:
    """Neither by their first login nor by a second one; where they are no admins they count."""
    more = '[users.root]\ntenant = "acme"\nroles = { ENVIRONMENTS }\n'
    more += '[users.root2]\ntenant = "acme"\nperson = "root"\ngroups = ["finance"]\n'
    for where, size in (('prod = ["admin"]', 3), ('dev = ["admin"], prod = ["admin"]', 2)):
        folder = project({"clearway.toml": FILES["clearway.toml"] + more.replace("ENVIRONMENTS", where)})
        assert policy_bench.group_sizes(load_project(folder))["finance"] == size


def test_a_group_of_which_admins_leave_one_is_a_warning(project: Callable[..., Path]) -> None:
    amir = FILES["clearway.toml"].replace('groups = ["finance"]', 'groups = ["finance"]\nroles = { prod = ["admin"] }')
    policies = ASKING.format(approvers="finance:2", role="support")
    (found,) = policy_bench.check(project({"policies/main.cedar": policies, "clearway.toml": amir}))
    assert found.is_warning
    assert found.text.startswith("In prod of acme only 1 of the group finance could decide: an admin approves nothing")


def test_two_logins_of_one_person_are_no_group_of_two(project: Callable[..., Path]) -> None:
    one = FILES["clearway.toml"].replace("[users.bo]\n", '[users.bo]\nperson = "amir"\n')
    found = [str(problem) for problem in policy_bench.check(project({"clearway.toml": one}))]
    assert (
        'ownership.toml:2: groups.finance.members should name at least 2 people. Write members = ["amir", "bo"].'
        in found
    )


def test_an_owner_that_is_neither_a_group_nor_somebody_is_a_warning(project: Callable[..., Path]) -> None:
    policies = ASKING.format(approvers="finance:2", role="support")
    owned = FILES["skills/desk.py"].replace('"refund"]', '"refund"], owner="finence"')
    tools = FILES["tools/accounts.py"].replace('impact="read",', 'impact="read", owner="dana",')
    changes = {"policies/main.cedar": policies, "skills/desk.py": owned, "tools/accounts.py": tools}
    assert [str(problem) for problem in policy_bench.check(project(changes))] == [
        "skills/desk.py:5: warning: skill desk: its owner, finence, is neither a group of ownership.toml nor a user. "
        'Did you mean "finance"?'
    ]
    alone = {**changes, "ownership.toml": None, "skills/desk.py": owned}
    (project(alone) / "ownership.toml").unlink()
    assert "owner" not in str(policy_bench.check(project(alone)))
