"""`@agent`, `@skill(model=…)` and `[models]`: what is wrong is said with its place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearway import Budget
from clearway.model.agent import DEFAULT_TOKENS, ModelPrice, ModelProvider
from clearway.model.errors import ConfigError, Invalid
from clearway.project.declare import agent, skill
from clearway.project.load import load_project

AGENT = """\
from clearway import Budget, agent
from tools.accounts import read_account


@agent(model="openai:gpt-5-mini", tools=[read_account, "refund"], budget=Budget(turns=3, cost_usd=0.5), prompt="desk")
def helper(account: str, text: str = "") -> None:
    \"\"\"Helps.\"\"\"
"""


def test_a_declaration_becomes_a_skill(project: Callable[..., Path]) -> None:
    spec = load_project(project({"skills/helper.py": AGENT})).skills["helper"]
    assert (spec.name, spec.description, spec.tools) == ("helper", "Helps.", {"read_account", "refund"})
    assert spec.models is not None
    assert spec.models.models == ("openai:gpt-5-mini",)
    assert spec.models.prompt == "desk"
    assert (spec.models.budget.turns, spec.models.budget.tokens, spec.models.budget.cost_usd) == (
        3,
        DEFAULT_TOKENS,
        0.5,
    )
    assert (spec.max_steps, spec.deadline_s) == (50, 300.0)
    assert (spec.file, spec.line > 1) == ("skills/helper.py", True)
    assert spec.validate({"account": "1"}, "hello")["text"] == "hello"
    with pytest.raises(Invalid):
        spec.validate({"account": 1})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('prompt="desk"', 'prompt="dask"', 'there is no file prompts/dask.md. Did you mean "desk"?'),
        ('"refund"', '"refnd"', 'names the tool refnd, which does not exist. Did you mean "refund"?'),
        ('model="openai:gpt-5-mini"', 'model="gpt-5-mini"', "a model is not of the form provider:name"),
        ('model="openai:gpt-5-mini", ', "", "it names no model"),
        ("turns=3", "turns=0", "budget.turns is not a whole number over 0"),
        ("cost_usd=0.5", 'cost_usd="1"', "budget.cost_usd is not a number over 0"),
        ("budget=", "budgets=", 'there is no option budgets. Did you mean "budget"?'),
        ('prompt="desk"', 'prompt="desk", max_output_tokens=0', "max_output_tokens is out of range"),
        ('prompt="desk"', 'prompt="desk", pending="ask"', 'pending is neither "tell" nor "wait"'),
        ('prompt="desk"', 'fallbacks=["openai:gpt-5-mini"]', "stands twice"),
        ('prompt="desk"', 'fallbacks="openai:x"', "fallbacks is one text instead of several"),
        ("account: str,", "account,", "parameter account has no type"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(project: Callable[..., Path], old: str, new: str, said: str) -> None:
    assert old in AGENT
    with pytest.raises(ConfigError) as wrong:
        load_project(project({"skills/helper.py": AGENT.replace(old, new, 1)}))
    assert said in str(wrong.value)
    assert "skills/helper.py:" in str(wrong.value)


def test_an_agents_prompt_is_by_default_called_as_the_agent() -> None:
    @agent(model="a:b")
    def helper() -> None: ...

    assert helper.spec.models is not None
    assert helper.spec.models.prompt == "helper"


def test_a_python_skill_declares_the_model_that_it_asks() -> None:
    @skill(model="a:b", fallbacks=["c:d"], budget=Budget(tokens=10))
    async def asks(run: Any) -> None: ...

    @skill()
    async def quiet(run: Any) -> None: ...

    assert asks.spec.models is not None
    assert (asks.spec.models.models, asks.spec.models.prompt) == (("a:b", "c:d"), "")
    assert quiet.spec.models is None


@pytest.mark.parametrize(
    "options", [{"budget": Budget(tokens=5)}, {"model": "a:b", "budget": Budget(steps=5)}, {"fallbacks": ["a:b"]}]
)
def test_what_a_python_skill_says_twice_or_without_a_model_is_a_mistake(options: Any) -> None:
    async def asks(run: Any) -> None: ...

    with pytest.raises(ConfigError):
        skill(**options)(asks)


MODELS = """\
[models.providers.local]
base_url = "http://127.0.0.1:8000/v1"
api_key_env = "LOCAL_KEY"

[models.prices."local:small"]
input_usd_per_mtok = 0
output_usd_per_mtok = 0.5
as_of = "2026-09-01"
"""


def with_models(project: Callable[..., Path], models: str) -> Path:
    from tests.unit.project.conftest import FILES

    return project({"clearway.toml": f"{FILES['clearway.toml']}\n{models}"})


def test_providers_and_prices_are_read(project: Callable[..., Path]) -> None:
    models = load_project(with_models(project, MODELS)).settings.models
    assert models.providers == {"local": ModelProvider("http://127.0.0.1:8000/v1", "LOCAL_KEY")}
    assert models.prices == {"local:small": ModelPrice(0.0, 0.5, "2026-09-01")}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('base_url = "http://127.0.0.1:8000/v1"\n', "", "has neither a base_url nor a script"),
        ("http://127", "ftp://127", "should begin with http:// or https://"),
        ('"LOCAL_KEY"', '"sk-proj-abc def"', "should be the name of a variable, never the key"),
        ("base_url =", "url =", "there is no key url"),
        ("input_usd_per_mtok = 0", "input_usd_per_mtok = -1", "should be a number from 0 on"),
        ("output_usd_per_mtok = 0.5\n", "", "has no output_usd_per_mtok"),
        ('"2026-09-01"', '"lately"', "has no date"),
        ('"local:small"', '"small"', "is not of the form provider:name"),
        ('base_url = "http://127.0.0.1:8000/v1"', 'script = "../answers.json"', "leads out of the project"),
        ('base_url = "http://127.0.0.1:8000/v1"', 'script = "answers.json"', "names a file that does not exist"),
    ],
)
def test_a_mistake_in_the_settings_is_named_with_its_line(
    project: Callable[..., Path], old: str, new: str, said: str
) -> None:
    assert old in MODELS
    with pytest.raises(ConfigError) as wrong:
        load_project(with_models(project, MODELS.replace(old, new, 1)))
    assert said in str(wrong.value)
    assert "clearway.toml:" in str(wrong.value)
    assert "sk-proj" not in str(wrong.value)
