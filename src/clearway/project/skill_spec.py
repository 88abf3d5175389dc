"""Makes a `SkillSpec` of a function and the options of `@skill`. Errors: `ConfigError`, without a place."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from clearway.model.errors import ConfigError
from clearway.model.label import Trust
from clearway.model.tool import Arguments, SkillSpec, ToolSpec
from clearway.project.arguments import Inputs, wrap
from clearway.project.model_options import asks_of
from clearway.project.options import (
    HasSpec,
    SkillOptions,
    check_limits,
    naming,
    parameter,
    refuse_unknown,
    sensitive,
    texts,
    trust,
)
from clearway.project.parameters import parameters_of, place_of


def skill_spec(function: Callable[..., Any], options: SkillOptions) -> SkillSpec:
    """Its first parameter is the run; the others are its input."""
    refuse_unknown(options, SkillOptions)
    if not inspect.iscoroutinefunction(function):
        raise ConfigError("it is not async, so that it cannot wait.", remedy="Write async def, and await run.call(…).")
    name, description = naming(function, options.get("name"), options.get("description"))
    parameters, _ = parameters_of(function, skip_first=True)
    inputs = Inputs(name, parameters)
    check_limits(options.get("deadline_s", 300.0), options.get("rate_limit"), "deadline_s")
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
        tools=tool_names(options.get("tools", ())),
        validate=validate,
        schema=inputs.schema,
        examples=texts("examples", options.get("examples", ())),
        owner=options.get("owner", ""),
        keywords=texts("keywords", options.get("keywords", ())),
        sensitive=sensitive(options.get("sensitive", ()), inputs),
        deadline_s=options.get("deadline_s", 300.0),
        max_steps=options.get("max_steps", 100),
        rate_limit=options.get("rate_limit"),
        subject=parameter("subject", options.get("subject", ""), inputs),
        models=asks_of(options),
        request=trust("request", options.get("request", Trust.TRUSTED)),
        file=file,
        line=line,
    )


def tool_names(tools: Iterable[HasSpec | str]) -> frozenset[str]:
    """Names of declared tools, or names as they are. Errors: `ConfigError`."""
    if isinstance(tools, str) or isinstance(getattr(tools, "spec", None), ToolSpec):
        raise ConfigError("tools is not a list.", remedy="Write tools=[…].")
    names: set[str] = set()
    for item in tools:
        name = item if isinstance(item, str) else getattr(getattr(item, "spec", None), "name", None)
        if not isinstance(name, str):
            raise ConfigError(
                "tools holds something that is neither a tool nor a name.",
                remedy="Decorate the function with @tool, or write its name in quotes.",
            )
        names.add(name)
    return frozenset(names)
