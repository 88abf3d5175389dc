"""The parameters of a declared function, read from its signature."""

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from clearway.model.context import ToolContext
from clearway.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Sensitive:
    """Marks a value as personal or secret: `card: Annotated[str, Sensitive()]`. It is stored as a token only."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One typed input of a tool or skill."""

    name: str
    annotation: Any
    default: Any = inspect.Parameter.empty

    @property
    def has_default(self) -> bool:
        return self.default is not inspect.Parameter.empty


def place_of(function: Callable[..., Any]) -> tuple[str, int]:
    """(file, line) of the declaration; ("", 0) where it has none."""
    code = getattr(function, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if isinstance(code, types.CodeType) else ("", 0)


def parameters_of(function: Callable[..., Any], *, skip_first: bool) -> tuple[list[Parameter], bool]:
    """The inputs of `function`, and whether its first parameter is a `ToolContext`.

    `skip_first`: the first parameter is the run, whatever it is called. Errors: `ConfigError`, without a place.
    """
    hints = _hints(function)
    found = list(inspect.signature(function).parameters.values())
    takes_context = bool(found) and hints.get(found[0].name) is ToolContext
    if skip_first and not found:
        raise ConfigError("it has no parameter for the run.", remedy="Write: async def name(run, …).")
    if skip_first and _is_of_values(hints.get(found[0].name)):
        name = found[0].name
        raise ConfigError(
            f"its first parameter, {name}, has the type of a value, and would be given the run.",
            remedy=f"Put the run before it: async def {function.__name__}(run: Run, {name}: …).",
        )
    if skip_first or takes_context:
        found = found[1:]
    return [_parameter(parameter, hints) for parameter in found], takes_context


def sensitive_names(name: str, annotation: Any) -> set[str]:
    """Names under which values marked `Sensitive()` stand in the arguments; nested ones by their own field's name."""
    found: set[str] = set()
    _collect(name, annotation, found, set())
    return found


def _parameter(parameter: inspect.Parameter, hints: dict[str, Any]) -> Parameter:
    name = parameter.name
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise ConfigError(
            f"parameter {name} cannot be given by name.",
            remedy="Name and type each argument; *args, **kwargs and / have no schema.",
        )
    if name not in hints:
        raise ConfigError(f"parameter {name} has no type.", remedy=f"Write, for instance, {name}: str.")
    if hints[name] is ToolContext:
        raise ConfigError(
            f"parameter {name} is a ToolContext, but not the first one of a tool.",
            remedy="Make it a tool's first parameter.",
        )
    return Parameter(name, hints[name], parameter.default)


def _is_of_values(hint: Any) -> bool:
    """Whether it is a type that inputs have, which a run is none of. A class of the project's own may stand for one."""
    if get_origin(hint) in (Annotated, types.UnionType, typing.Union):
        inner = get_args(hint)[:1] if get_origin(hint) is Annotated else get_args(hint)
        return all(one is type(None) or _is_of_values(one) for one in inner)
    kind = get_origin(hint) or hint
    if kind is typing.Literal:
        return True
    if not inspect.isclass(kind) or kind is object:
        return False
    return kind.__module__ in ("builtins", "datetime", "decimal", "uuid") or issubclass(kind, (BaseModel, enum.Enum))


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Resolved annotations of the parameters; that of the result may stay unresolved."""
    try:
        annotations = {name: hint for name, hint in function.__annotations__.items() if name != "return"}
        code, cells = function.__code__, function.__closure__ or ()
        local = {name: cell.cell_contents for name, cell in zip(code.co_freevars, cells, strict=True)}

        def holder() -> None: ...

        holder.__annotations__ = annotations
        return typing.get_type_hints(holder, function.__globals__, local, include_extras=True)
    except (NameError, TypeError, SyntaxError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"a parameter's type cannot be resolved: {str(error).splitlines()[0]}",
            remedy="Import the type, or define it at the top of the file.",
        ) from None


def _collect(name: str, annotation: Any, found: set[str], seen: set[Any]) -> None:
    if get_origin(annotation) is Annotated:
        if any(isinstance(mark, Sensitive) or mark is Sensitive for mark in annotation.__metadata__):
            found.add(name)
        _collect(name, annotation.__origin__, found, seen)
        return
    for inner in get_args(annotation):
        _collect(name, inner, found, seen)
    if inspect.isclass(annotation) and annotation not in seen:
        seen.add(annotation)
        for field_name, hint in _fields(annotation).items():
            _collect(field_name, hint, found, seen)


def _fields(kind: type[Any]) -> dict[str, Any]:
    """The fields of a pydantic model, dataclass or TypedDict, by the name that they have in JSON."""
    if not (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind) or hasattr(kind, "__required_keys__")):
        return {}
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError):
        return {}
    if issubclass(kind, BaseModel):
        return {
            field.serialization_alias or field.alias or name: hints[name]
            for name, field in kind.model_fields.items()
            if name in hints
        }
    return hints
