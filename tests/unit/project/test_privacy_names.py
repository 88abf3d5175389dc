"""What `clearway policy check` says of names in `[privacy]` that nothing answers to."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from clearway.operate import policy_bench
from clearway.project.privacy_names import FOUND_TYPES
from clearway.rules import find

READING = '@id("reading") permit(principal in Role::"support", action == Action::"read_account", resource);'
SOUND = r"""
[privacy]
ignore = ["LOCATION", "POLICY_NO"]
[privacy.patterns]
POLICY_NO = '\bPN-[0-9]{6}\b'
[privacy.reveal]
support = ["CARD", "POLICY_NO", "NOTE"]
finance = ["IBAN"]
privacy_officer = ["*"]
[privacy.tenants.globex]
ignore = ["IP"]
[privacy.tenants.globex.reveal]
leads = ["EMAIL"]
"""


@pytest.fixture
def checked(project: Callable[..., Path]) -> Callable[..., list[str]]:
    def check(*changes: tuple[str, str]) -> list[str]:
        folder = project({"policies/main.cedar": READING})
        text = SOUND
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (folder / "clearway.toml").write_text((folder / "clearway.toml").read_text() + text)
        (folder / "tools" / "noting.py").write_text(
            "from clearway import tool\n\n\n"
            '@tool(impact="read", sensitive=["note"])\ndef noting(note: str) -> str:\n    return note\n'
        )
        problems = policy_bench.check(folder)
        return [str(problem) for problem in problems]

    return check


def test_types_roles_and_groups_that_there_are_are_no_problem(checked: Callable[..., list[str]]) -> None:
    assert checked() == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ('["LOCATION", "POLICY_NO"]', '["IPS"]'),
            'warning: privacy.ignore names the type IPS, which nothing is found as. Did you mean "IP"?',
        ),
        (
            ('ignore = ["IP"]', 'ignore = ["EMIAL"]'),
            "warning: privacy.tenants.globex.ignore names the type EMIAL, which nothing is found as. "
            'Did you mean "EMAIL"?',
        ),
        (
            ("support = [", "suport = ["),
            "warning: privacy.reveal.suport is no role or group that anybody has, or that a policy or an owner names. "
            'Did you mean "support"?',
        ),
        (
            ('"NOTE"]', '"POLICY_NR"]'),
            "warning: privacy.reveal.support names the type POLICY_NR, which nothing is found as. "
            'Did you mean "POLICY_NO"?',
        ),
    ],
)
def test_a_name_that_nothing_answers_to_is_a_warning_with_its_place(
    checked: Callable[..., list[str]], change: tuple[str, str], told: str
) -> None:
    (found,) = checked(change)
    file, line, text = found.split(":", 2)
    assert (file, text.strip()) == ("clearway.toml", told)
    assert int(line) > 1


def test_the_types_that_are_known_are_those_that_the_finder_names() -> None:
    nodes = [node for path in Path(find.__file__).parent.glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    made = [
        one
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Found", "_rule")
        for one in ([node.args[2]] if node.func.id == "Found" else node.args[:1])
    ]
    sure = {one.value for one in made if isinstance(one, ast.Constant) and one.value}
    assert {"CARD", "LOCATION"} <= sure <= FOUND_TYPES
    assert {node.value for node in nodes if isinstance(node, ast.Constant)} >= FOUND_TYPES
