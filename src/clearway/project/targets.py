"""What a tool's call touches, from a template (`account:{account}`), several of them, or a function."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from clearway.model.errors import ConfigError, Invalid
from clearway.model.tool import Arguments, Target
from clearway.rules.names import did_you_mean

Targets = Callable[[Arguments], Sequence[str | Target] | Awaitable[Sequence[str | Target]]]

_TEMPLATE = re.compile(r"([a-z][a-z0-9_]*):([^{}]*(?:\{[A-Za-z_][A-Za-z0-9_]*\}[^{}]*)*)")
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def targets_of(declared: Targets | str | Sequence[str] | None, names: Collection[str], owner: str) -> Targets:
    """A function from canonical arguments to targets. None declared: no targets.

    Errors: `ConfigError` where a template is malformed or names no parameter. The function it returns raises
    `Invalid` (`target`) where a named argument is null, empty, or neither a string nor an integer.
    """
    if declared is None:
        return _none
    if callable(declared):
        return declared
    templates = [declared] if isinstance(declared, str) else list(declared)
    for template in templates:
        _check(template, names)
    return lambda arguments: [_target(template, arguments, owner) for template in templates]


def _none(arguments: Arguments) -> Sequence[str | Target]:
    return []


def _check(template: Any, names: Collection[str]) -> None:
    if not isinstance(template, str) or not _TEMPLATE.fullmatch(template):
        raise ConfigError(
            "a target is neither a function nor a template.", remedy='Write, for instance, targets="account:{account}".'
        )
    for name in _FIELD.findall(template):
        if name not in names:
            raise ConfigError(f'a target names "{name}", which is not a parameter.', remedy=did_you_mean(name, names))


def _target(template: str, arguments: Mapping[str, Any], owner: str) -> Target:
    kind, _, rest = template.partition(":")

    def fill(match: re.Match[str]) -> str:
        value = arguments.get(match[1])
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise Invalid(
                f"{owner}: argument {match[1]} names no target.",
                code="target",
                remedy="Give it as a string that is not empty, or as an integer.",
            )
        return str(value)

    return Target(kind, _FIELD.sub(fill, rest))
