"""Makes a `ToolSpec` of a function and the options of `@tool`. Errors: `ConfigError`, without a place."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from clearway.model.errors import ConfigError
from clearway.model.label import Trust
from clearway.model.tool import Idempotency, Impact, Retry, ToolSpec
from clearway.project.arguments import Inputs, wrap
from clearway.project.options import (
    ToolOptions,
    check_limits,
    naming,
    parameter,
    refuse_unknown,
    result_trust,
    sensitive,
    texts,
)
from clearway.project.parameters import parameters_of
from clearway.project.targets import targets_of
from clearway.rules import summary as summaries
from clearway.rules.canonical import digest
from clearway.rules.names import did_you_mean
from clearway.rules.shapes import part
from clearway.rules.stand_ins import integer_span

#: Parameters of `run.call` itself.
_RESERVED = frozenset({"self", "tool", "reason"})


def tool_spec(function: Callable[..., Any], options: ToolOptions) -> ToolSpec:
    """Its parameters are its arguments, but for a first one annotated `ToolContext`."""
    refuse_unknown(options, ToolOptions)
    name, description = naming(function, options.get("name"), options.get("description"))
    parameters, takes_context = parameters_of(function, skip_first=False)
    inputs = Inputs(name, parameters)
    impact = _impact(options.get("impact", Impact.EXTERNAL))
    template = options.get("summary", "")
    summaries.check(template, inputs.names)
    for reserved in sorted(_RESERVED.intersection(inputs.names)):
        raise ConfigError(
            f"a parameter is called {reserved}, which run.call(tool, reason=…) takes for itself.",
            remedy="Call it by another name: cause, note, instrument.",
        )
    check_limits(options.get("timeout_s", 30.0), options.get("rate_limit"), "timeout_s")
    _check_effects(impact, options)
    keeping = _format_keeping(options, inputs)
    return ToolSpec(
        name=name,
        description=description,
        impact=impact,
        function=wrap(function, inputs, leading=int(takes_context), is_async=inspect.iscoroutinefunction(function)),
        validate=inputs.validate,
        schema=inputs.schema,
        digest=digest(
            "clearway/tool/v1",
            {"name": name, "description": description, "schema": inputs.schema, "impact": impact.value},
        ),
        targets=targets_of(options.get("targets"), inputs.names, name),
        summary=template,
        sensitive=sensitive(options.get("sensitive", ()), inputs)
        | frozenset(texts("sensitive_results", options.get("sensitive_results", ())))
        | keeping,
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
        receives_raw=frozenset(
            parameter("receives_raw", name, inputs) for name in texts("receives_raw", options.get("receives_raw", ()))
        ),
        subject=parameter("subject", options.get("subject", ""), inputs),
        format_keeping=keeping,
        money=_money(inputs),
        result_trust=result_trust(options.get("result_trust", Trust.UNTRUSTED)),
        consequential=_consequential(options.get("consequential", ()), inputs),
    )


def _impact(declared: Impact | str) -> Impact:
    try:
        return Impact(declared)
    except ValueError:
        known = [impact.value for impact in Impact]
        raise ConfigError("its impact is none of the three.", remedy=did_you_mean(str(declared), known)) from None


def _consequential(declared: Iterable[str], inputs: Inputs) -> frozenset[str]:
    paths = texts("consequential", declared)
    for path in paths:
        parameter("consequential", re.split(r"[.\[#]", path)[0], inputs)
    return frozenset(paths)


def _format_keeping(options: ToolOptions, inputs: Inputs) -> frozenset[str]:
    """Names of parameters or of results, whose form has room for a stand-in as far as the schema tells."""
    names = texts("format_keeping", options.get("format_keeping", ()))
    of_results = frozenset(texts("sensitive_results", options.get("sensitive_results", ())))
    for name in names:
        if name in of_results:
            continue
        parameter("format_keeping", name.split(".")[0], inputs)
        schema: Mapping[str, Any] = inputs.schema
        for step in name.split("."):
            schema = part(schema, step, inputs.schema)
        if "enum" in schema or "const" in schema or schema.get("type") in ("boolean", "number"):
            raise _no_room(name)
        if schema.get("type") == "integer" and integer_span(schema) is None:
            raise _no_room(name)
    return frozenset(names)


def _no_room(name: str) -> ConfigError:
    return ConfigError(
        f"format_keeping names {name}, whose form leaves no room for a stand-in that can be told from a real value.",
        remedy="Leave it out: such a field is shown as a token.",
    )


def _check_effects(impact: Impact, options: ToolOptions) -> None:
    if not impact.is_effect and (options.get("irreversible") or options.get("compensate")):
        raise ConfigError(
            "it is declared a read, but also irreversible or to be compensated.", remedy='Write impact="external".'
        )
    if options.get("irreversible") and options.get("compensate"):
        raise ConfigError("it is declared irreversible, but also to be compensated.", remedy="Declare one of the two.")


def _retry(retry: Retry) -> Retry:
    if retry.attempts < 1:
        raise ConfigError("its retry has no attempts.", remedy="Write Retry(attempts=1) for a single one.")
    return retry


def _money(inputs: Inputs) -> tuple[str, str] | None:
    if "amount_minor" not in inputs.names or "currency" not in inputs.names:
        return None
    if inputs.schema["properties"]["amount_minor"].get("type") != "integer":
        raise ConfigError("amount_minor is not an int.", remedy="Write amount_minor: int, in the smallest unit.")
    return "amount_minor", "currency"
