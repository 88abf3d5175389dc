"""The public decorators `tool`, `skill` and `agent`.

::

    @tool(impact="external", targets="account:{account}", summary="Refund {amount_minor|money:currency} to {account}")
    def refund(ctx: ToolContext, account: str, amount_minor: int, currency: str) -> dict[str, Any]: ...

    @skill(tools=[refund], examples=["please refund …"], owner="support")
    async def desk(run: Run, account: str, text: str) -> str: ...

What they return is called like the function itself, for unit tests, unchecked; `.spec` is the declaration.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

from clearway.model.errors import ConfigError, Invalid
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.project.agent_spec import AgentOptions, agent_spec
from clearway.project.options import SkillOptions, ToolOptions
from clearway.project.parameters import place_of
from clearway.project.skill_spec import skill_spec
from clearway.project.tool_spec import tool_spec

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


class Tool(Generic[P, R]):
    """A function and what was declared of it. Calling it calls the function directly, past the gate: for unit tests."""

    def __init__(self, function: Callable[P, R], spec: ToolSpec) -> None:
        self.function = function
        self.spec = spec
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.spec.name}>"


class Skill(Generic[P, R]):
    """An async function and what was declared of it. Calling it calls the function directly: for unit tests."""

    def __init__(self, function: Callable[P, R], spec: SkillSpec) -> None:
        self.function = function
        self.spec = spec
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<skill {self.spec.name}>"


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(**options: Unpack[ToolOptions]) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(function: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
    """Declares a sync or async function as a tool. Without an impact it is `external`.

    Its typed parameters are its arguments; a first one annotated `ToolContext` is not. `spec.function(**canonical)`
    gives the function typed values made of canonical arguments, and is a coroutine function where the function is.
    Errors: `ConfigError`, with file and line.
    """

    def declare(function: Callable[..., Any]) -> Tool[..., Any]:
        return Tool(function, _declared("tool", function, lambda: tool_spec(function, options)))

    return declare if function is None else declare(function)


@overload
def skill(function: Callable[P, R], /) -> Skill[P, R]: ...


@overload
def skill(**options: Unpack[SkillOptions]) -> Callable[[Callable[P, R]], Skill[P, R]]: ...


def skill(function: Callable[..., Any] | None = None, /, **options: Unpack[SkillOptions]) -> Any:
    """Declares an async function as a skill. Its first parameter is the run, the others its typed input.

    A parameter `text: str` gets the request's text where the input has none. Errors: as `tool`.
    """

    def declare(function: Callable[..., Any]) -> Skill[..., Any]:
        return Skill(function, _declared("skill", function, lambda: skill_spec(function, options)))

    return declare if function is None else declare(function)


def agent(**options: Unpack[AgentOptions]) -> Callable[[Callable[P, Any]], Skill[P, Any]]:
    """Declares an agent: a skill that a model carries out with the allowed tools, within its budget.

    ::

        @agent(model="openai:gpt-5-mini", tools=[read_account, refund], budget=Budget(turns=10, tokens=50_000))
        def refund_agent(account: str) -> None:
            "Looks into refund requests."

    The function's typed parameters are the agent's input and its docstring the description; its body is never run. What
    the model is told stands in `prompts/refund_agent.md`, or in the file that `prompt` names. Errors: as `tool`.
    """

    def declare(function: Callable[P, Any]) -> Skill[P, Any]:
        return Skill(function, _declared("agent", function, lambda: agent_spec(function, options)))

    return declare


def _declared(kind: str, function: Any, make: Callable[[], S]) -> S:
    """`make()`, with the place of the declaration in its errors."""
    file, line = place_of(function)
    name = getattr(function, "__name__", "?")
    try:
        if (
            not inspect.isfunction(function)
            or inspect.isgeneratorfunction(function)
            or inspect.isasyncgenfunction(function)
        ):
            raise ConfigError("it is not an ordinary function.", remedy=f"Put @{kind} on a def or an async def.")
        return make()
    except Invalid as error:
        raise ConfigError(f"{kind} {name}: {error.message}", file=file, line=line, remedy=error.remedy) from None
    except (TypeError, AttributeError) as error:
        raise ConfigError(
            f"{kind} {name}: an option has a value of another type: {error}.",
            file=file,
            line=line,
            remedy="See ToolOptions and SkillOptions.",
        ) from None
