"""What `clearway policy check` says of the people that policies name."""

from collections.abc import Callable
from pathlib import Path

from clearway.operate import policy_bench
from clearway.project.load import load_project

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
