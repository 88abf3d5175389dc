"""The public decorators `tool` and `skill`.

::

    @tool(impact="external", targets="account:{account}", summary="Refund {amount_minor|money:currency} to {account}")
    def refund(ctx: ToolContext, account: str, amount_minor: int, currency: str) -> dict[str, Any]: ...

    @skill(tools=[refund], examples=["please refund …"], owner="support")
    async def desk(run: Run, account: str, text: str) -> str: ...

What they return is called like the function itself, for unit tests, unchecked; `.spec` is the declaration.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from clearway.model.errors import ConfigError, Invalid
from clearway.model.tool import (
    Arguments,
    Compensation,
    Idempotency,
    Impact,
    RateLimit,
    Retry,
    SkillSpec,
    Target,
    ToolSpec,
)
from clearway.project.arguments import Inputs, wrap
from clearway.project.parameters import parameters_of, place_of
from clearway.project.targets import Targets, targets_of
from clearway.rules import summary as summaries
from clearway.rules.canonical import digest
from clearway.rules.names import NAME_FORM, did_you_mean, is_name

#: Parameters of `run.call` itself.
_RESERVED = frozenset({"self", "tool", "reason"})

P = ParamSpec("P")
R = TypeVar("R")


class ToolOptions(TypedDict, total=False):
    """What `@tool` takes; `ToolSpec` says more. `name` and `description` default to the function's name and docstring.

    `targets`: a function of the arguments, a template such as `account:{account}`, or a list of templates.
    `summary`: a template of `rules.summary`. `sensitive`: argument names, dotted for nested ones.
    """

    name: str | None
    description: str | None
    impact: Impact | str
    targets: Targets | str | Sequence[str] | None
    summary: str
    sensitive: Iterable[str]
    timeout_s: float
    min_send_s: float
    retry: Retry
    rate_limit: RateLimit | None
    idempotency: Idempotency
    compensate: Compensation | None
    owner: str
    raises: Callable[[Arguments], Impact | None] | None
    preview: Callable[[Arguments], Any] | None
    irreversible: bool


class SkillOptions(TypedDict, total=False):
    """What `@skill` takes; `tools` are decorated tools or their names. `SkillSpec` says more."""

    name: str | None
    description: str | None
    tools: "Iterable[Tool[..., Any] | str]"
    examples: Iterable[str]
    keywords: Iterable[str]
    owner: str
    sensitive: Iterable[str]
    deadline_s: float
    max_steps: int
    rate_limit: RateLimit | None


class Tool(Generic[P, R]):
    """A function declared as a tool, beside its `spec`. Calling it calls the function directly, past the gate: for unit tests."""

    def __init__(self, function: Callable[P, R], spec: ToolSpec) -> None:
        self.function = function
        self.spec = spec
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.spec.name}>"


class Skill(Generic[P, R]):
    """An async function declared as a skill, beside its `spec`. Calling it calls the function directly: for unit tests."""

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
        return Tool(function, _declared("tool", function, lambda: _tool_spec(function, options)))

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
        return Skill(function, _declared("skill", function, lambda: _skill_spec(function, options)))

    return declare if function is None else declare(function)


S = TypeVar("S")


def _declared(kind: str, function: Any, make: Callable[[], S]) -> S:
    """`make()`, with the place of the declaration in its errors."""
    file, line = place_of(function)
    try:
        if not inspect.isfunction(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(
                function):
            raise ConfigError("it is not an ordinary function.", remedy=f"Put @{kind} on a def or an async def.")
        return make()
    except Invalid as error:
        name = getattr(function, "__name__", "?")
        raise ConfigError(f"{kind} {name}: {error.message}", file=file, line=line, remedy=error.remedy) from None


def _tool_spec(function: Callable[..., Any], options: ToolOptions) -> ToolSpec:
    _refuse_unknown(options, ToolOptions)
    name, description = _naming(function, options.get("name"), options.get("description"))
    parameters, takes_context = parameters_of(function, skip_first=False)
    inputs = Inputs(name, parameters, decimals=False)
    impact = _impact(options.get("impact", Impact.EXTERNAL))
    template = options.get("summary", "")
    summaries.check(template, inputs.names)
    for reserved in sorted(_RESERVED.intersection(inputs.names)):
        raise ConfigError(f"a parameter is called {reserved}, which run.call(tool, reason=…) takes for itself.",
                          remedy="Call it by another name: cause, note, instrument.")
    _check_limits(options.get("timeout_s", 30.0), options.get("rate_limit"), "timeout_s")
    _check_effects(impact, options)
    spec = ToolSpec(
        name=name,
        description=description,
        impact=impact,
        function=wrap(function, inputs, leading=int(takes_context), is_async=inspect.iscoroutinefunction(function)),
        validate=inputs.validate,
        schema=inputs.schema,
        digest=digest("clearway/tool/v1", {"name": name, "description": description, "schema": inputs.schema,
                                           "impact": impact.value}),
        targets=targets_of(options.get("targets"), inputs.names, name),
        summary=template,
        sensitive=_sensitive(options.get("sensitive", ()), inputs),
        timeout_s=options.get("timeout_s", 30.0),
        min_send_s=options.get("min_send_s", 0.05),
        retry=_retry(options.get("retry", Retry())),
        rate_limit=options.get("rate_limit"),
        idempotency=options.get("idempotency", Idempotency()),
        compensate=options.get("compensate"),
        owner=options.get("owner", ""),
        raises=options.get("raises"),
        preview=options.get("preview"),
        takes_context=takes_context,
        irreversible=options.get("irreversible", False),
        money=_money(inputs),
    )
    return spec


def _skill_spec(function: Callable[..., Any], options: SkillOptions) -> SkillSpec:
    _refuse_unknown(options, SkillOptions)
    if not inspect.iscoroutinefunction(function):
        raise ConfigError("it is not async, so that it cannot wait.", remedy="Write async def, and await run.call(…).")
    name, description = _naming(function, options.get("name"), options.get("description"))
    parameters, _ = parameters_of(function, skip_first=True)
    inputs = Inputs(name, parameters, decimals=True)
    _check_limits(options.get("deadline_s", 300.0), options.get("rate_limit"), "deadline_s")
    if options.get("max_steps", 100) < 1:
        raise ConfigError("max_steps is under 1.", remedy="Write max_steps=100.")
    file, line = place_of(function)

    def validate(raw: Arguments, text: str = "") -> dict[str, Any]:
        supplied = "text" not in inputs.names or "text" in raw
        return inputs.validate(raw if supplied or not text else {**raw, "text": text})

    return SkillSpec(
        name=name,
        description=description,
        function=wrap(function, inputs, leading=1, is_async=True),
        tools=_tool_names(options.get("tools", ())),
        validate=validate,
        schema=inputs.schema,
        examples=_texts("examples", options.get("examples", ())),
        owner=options.get("owner", ""),
        keywords=_texts("keywords", options.get("keywords", ())),
        sensitive=_sensitive(options.get("sensitive", ()), inputs),
        deadline_s=options.get("deadline_s", 300.0),
        max_steps=options.get("max_steps", 100),
        rate_limit=options.get("rate_limit"),
        file=file,
        line=line,
    )


def _refuse_unknown(options: Any, known: type) -> None:
    names = sorted(known.__annotations__)
    for name in options:
        if name not in names:
            raise ConfigError(f"there is no option {name}.", remedy=did_you_mean(name, names))


def _naming(function: Callable[..., Any], name: str | None, description: str | None) -> tuple[str, str]:
    chosen = name if name is not None else function.__name__
    if not is_name(chosen):
        raise ConfigError("its name is not well formed.", remedy=f"Use {NAME_FORM}; @…(name=…) sets another one.")
    return chosen, description if description is not None else inspect.getdoc(function) or ""


def _impact(declared: Impact | str) -> Impact:
    try:
        return Impact(declared)
    except ValueError:
        known = [impact.value for impact in Impact]
        raise ConfigError("its impact is none of the three.", remedy=did_you_mean(str(declared), known)) from None


def _check_limits(seconds: float, rate_limit: RateLimit | None, name: str) -> None:
    if seconds <= 0:
        raise ConfigError(f"{name} is not over 0.", remedy=f"Write {name}=30.")
    if rate_limit is not None and (rate_limit.count < 1 or rate_limit.per_s <= 0):
        raise ConfigError("its rate_limit lets nothing through.", remedy="Write RateLimit(10, per_s=60).")


def _check_effects(impact: Impact, options: ToolOptions) -> None:
    if not impact.is_effect and (options.get("irreversible") or options.get("compensate")):
        raise ConfigError("it is declared a read, but also irreversible or to be compensated.",
                          remedy='Write impact="external".')
    if options.get("irreversible") and options.get("compensate"):
        raise ConfigError("it is declared irreversible, but also to be compensated.", remedy="Declare one of the two.")


def _retry(retry: Retry) -> Retry:
    if retry.attempts < 1:
        raise ConfigError("its retry has no attempts.", remedy="Write Retry(attempts=1) for a single one.")
    return retry


def _sensitive(declared: Iterable[str], inputs: Inputs) -> frozenset[str]:
    names = _texts("sensitive", declared)
    for name in names:
        if name.split(".")[0] not in (*inputs.names, *inputs.known):
            raise ConfigError(f'sensitive names "{name}", which is not a parameter.',
                              remedy=did_you_mean(name, inputs.names))
    return inputs.sensitive | frozenset(names)


def _money(inputs: Inputs) -> tuple[str, str] | None:
    if "amount_minor" not in inputs.names or "currency" not in inputs.names:
        return None
    if inputs.schema["properties"]["amount_minor"].get("type") != "integer":
        raise ConfigError("amount_minor is not an int.", remedy="Write amount_minor: int, in the smallest unit.")
    return "amount_minor", "currency"


def _texts(option: str, declared: Iterable[str]) -> tuple[str, ...]:
    if isinstance(declared, str):
        raise ConfigError(f"{option} is one text instead of several.", remedy=f'Write {option}=["…"].')
    texts = tuple(declared)
    if not all(isinstance(text, str) for text in texts):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{option} holds something else than texts.", remedy=f'Write {option}=["…"].')
    return texts


def _tool_names(tools: "Iterable[Tool[..., Any] | str]") -> frozenset[str]:
    if isinstance(tools, str | Tool):
        raise ConfigError("tools is not a list.", remedy="Write tools=[…].")
    names: set[str] = set()
    for item in tools:
        if not isinstance(item, Tool | str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError("tools holds something that is neither a tool nor a name.",
                              remedy='Decorate the function with @tool, or write its name in quotes.')
        names.add(item if isinstance(item, str) else item.spec.name)
    return frozenset(names)


__all__ = [
    "Compensation", "Idempotency", "Impact", "RateLimit", "Retry", "Skill", "Target", "Tool", "skill", "tool",
]
