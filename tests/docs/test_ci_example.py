"""The form of the GitHub workflow that a how-to shows; it runs nowhere here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "review-changes-in-ci.md"


@pytest.fixture(scope="module")
def workflow() -> Any:
    block = re.search(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert block
    return yaml.safe_load(block[1])


def steps(workflow: Any) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_each_action_is_pinned_to_a_major_version(workflow: Any) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert len(used) == 4
    assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", name)] == []


def test_no_job_may_do_more_than_it_needs_and_the_one_that_writes_runs_no_code_of_the_change(workflow: Any) -> None:
    assert workflow["permissions"] == {}
    assert {name: job["permissions"] for name, job in workflow["jobs"].items()} == {
        "compare": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    assert not any("checkout" in step.get("uses", "") for step in workflow["jobs"]["comment"]["steps"])
    assert workflow["jobs"]["compare"]["steps"][0]["with"]["persist-credentials"] is False


def test_nothing_is_interpolated_into_a_script(workflow: Any) -> None:
    assert [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")] == []


def test_the_script_that_it_runs_is_the_one_that_the_page_shows_and_tests(workflow: Any) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "<!-- file: ci/review-policies.sh -->" in text
    assert 'sh ci/review-policies.sh "$BASE" comment.md' in [step.get("run") for step in steps(workflow)]
