"""A function's parameters as a strict model: JSON in, canonical JSON out, typed values back.

INVARIANT (threat 50): policy, digests, approvers and the function see one value. So `validate` returns JSON that

- holds each string in NFC (a key, too), each number as RFC 8785 writes it, defaults filled in, nothing unknown;
- is a fixed point: validating it again gives the same bytes, or the call is refused;
- is what the function gets: `bind` makes its typed parameters of it and of nothing else.

Nothing is coerced: "1", 1.0 and true are no integers. Case is kept: "USD" and "usd" are two values. A number with
decimals is finite and as exact as a double is: money is whole minor units (`clearway policy check` says so).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.fields import Field
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError

from clearway.model.errors import ConfigError, Invalid
from clearway.model.signals import Rejected
from clearway.model.tool import Arguments
from clearway.project import refusal
from clearway.project.parameters import Parameter, sensitive_names
from clearway.project.plain_json import NotJson, is_kept, plain
from clearway.rules.canonical import canonical

_CONFIG = ConfigDict(
    extra="forbid",
    strict=True,
    protected_namespaces=(),
    hide_input_in_errors=True,
    validate_by_alias=True,
    serialize_by_alias=True,
    allow_inf_nan=False,
)


class Inputs:
    """The typed inputs of one tool or skill.

    `schema`: JSON Schema of the arguments. `known`: all property names in it, at any depth. `sensitive`: those marked
    `Sensitive()`, nested ones by their own name.
    """

    def __init__(self, owner: str, parameters: list[Parameter]) -> None:
        """Errors: `ConfigError` where a parameter's type has no strict JSON form."""
        self.owner = owner
        self.names = tuple(parameter.name for parameter in parameters)
        self._model = _model_of(parameters)
        self.schema = _schema_of(self._model)
        self.known = refusal.known_names(self.schema)
        _refuse_types(self.schema)
        self._defaults = {p.name: self._default(p) for p in parameters if p.has_default}
        self.sensitive = frozenset(name for p in parameters for name in sensitive_names(p.name, p.annotation))

    def validate(self, raw: Arguments) -> dict[str, Any]:
        """The canonical arguments, as said above.

        Errors: `Invalid` (`arguments`), naming each argument and what it should be, never a value that was sent.
        """
        if not isinstance(raw, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise self._refused("the arguments should be an object")
        given = self._json({**self._defaults, **raw})
        read = self._read(given)
        written = {name: self._canonical(name, value) for name, value in read.items()}
        once = {name: json.loads(text) for name, text in written.items()}
        again = self._read(once)
        for name, text in written.items():
            if not is_kept(given[name], read[name]) or canonical(again[name]) != text:
                raise self._refused(f"argument {name} would change while it is read")
        return once

    def bind(self, arguments: Arguments) -> dict[str, Any]:
        """Parameter name → typed value, made of canonical arguments. Errors: as `validate`."""
        model = self._parse(self._json({**self._defaults, **arguments}))
        return {name: getattr(model, _field(name)) for name in self.names}

    def _read(self, given: dict[str, Any]) -> dict[str, Any]:
        """What pydantic makes of JSON, as JSON again."""
        model = self._parse(given)
        try:
            dumped = model.model_dump(mode="json", by_alias=True, round_trip=True, warnings="error")
        except PydanticSerializationError:
            raise self._refused("an argument has no JSON form") from None
        return self._json(dumped)

    def _parse(self, given: dict[str, Any]) -> BaseModel:
        try:
            return self._model.model_validate_json(json.dumps(given, allow_nan=False), strict=True, extra="forbid")
        except ValidationError as error:
            raise self._refused(*refusal.reasons(error, self.names, self.known)) from None

    def _json(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """`raw` as JSON in NFC, argument by argument, so that what is wrong has a name."""
        found: dict[str, Any] = {}
        for name, value in raw.items():
            if name not in self.names:
                raise self._refused(refusal.unknown(name, self.names))
            try:
                found[name] = plain(value)
            except NotJson as error:
                raise self._refused(f"argument {name} {error}") from None
        return found

    def _canonical(self, name: str, value: Any) -> bytes:
        try:
            return canonical(value)
        except Invalid:
            raise self._refused(f"argument {name} holds an integer of 2^53 or more: write it as a string") from None

    def _default(self, parameter: Parameter) -> Any:
        adapter = TypeAdapter[Any](parameter.annotation, config=None)
        try:
            adapter.validate_python(parameter.default, strict=True)
            dumped = adapter.dump_python(
                parameter.default, mode="json", by_alias=True, round_trip=True, warnings="error"
            )
            adapter.validate_json(json.dumps(dumped, allow_nan=False), strict=True)
            return json.loads(canonical(plain(dumped)))
        except (ValueError, Invalid):
            raise ConfigError(
                f"the default of parameter {parameter.name} does not fit its type.",
                remedy="Give a default of that type, or widen the type (str | None = None).",
            ) from None

    def _refused(self, *reasons: str) -> Invalid:
        return Invalid(
            f"{self.owner}: {'; '.join(reasons)}.", code="arguments", remedy=refusal.expected(self.schema, self.owner)
        )


class _Schema(GenerateJsonSchema):
    """Without the titles that only repeat names: they would be noise in prompts and in the digest."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def complex_schema(self, schema: Any) -> Any:
        """Pydantic's would say `string`, and then refuse most strings. Errors: `ValueError`, always."""
        raise ValueError("JSON has no complex numbers.")


def wrap(function: Callable[..., Any], inputs: Inputs, *, leading: int, is_async: bool) -> Callable[..., Any]:
    """`function` called with canonical arguments; `leading` positional values (context or run) pass through.

    The wrapper is a coroutine function exactly where `is_async`. Errors: `Rejected` (`arguments`) before the function
    was called: nothing was sent.
    """

    def call(*first: Any, **arguments: Any) -> Any:
        if len(first) != leading:
            raise TypeError(f"{inputs.owner} takes {leading} positional value(s) before its arguments")
        try:
            typed = inputs.bind(arguments)
        except Invalid as error:
            raise Rejected("arguments", error.message) from None
        return function(*first, **typed)

    async def call_async(*first: Any, **arguments: Any) -> Any:
        return await call(*first, **arguments)

    return call_async if is_async else call


def _field(name: str) -> str:
    """A field name that shadows nothing of pydantic's; the parameter's own name is its alias."""
    return f"p_{name}"


def _model_of(parameters: list[Parameter]) -> type[BaseModel]:
    fields: dict[str, Any] = {
        _field(p.name): (p.annotation, Field(default=p.default if p.has_default else ..., alias=p.name))
        for p in parameters
    }
    try:
        return create_model("Arguments", __config__=_CONFIG, **fields)
    except (PydanticUserError, PydanticSchemaGenerationError, TypeError, NameError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"a parameter's type has no JSON form: {reason}",
            remedy="Use str, int, bool, lists, dicts, enums, dataclasses or pydantic models.",
        ) from None


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    try:
        schema = model.model_json_schema(by_alias=True, schema_generator=_Schema)
    except (PydanticUserError, ValueError) as error:
        raise ConfigError(
            f"a parameter's type has no JSON Schema: {str(error).splitlines()[0]}",
            remedy="Use str, int, bool, lists, dicts, enums, dataclasses or pydantic models.",
        ) from None
    schema.pop("title", None)
    return schema


def _refuse_types(schema: Any) -> None:
    for part in refusal.parts(schema):
        if part.get("uniqueItems"):
            raise ConfigError(
                "a parameter is a set, whose order is not the same in every process.", remedy="Use a list."
            )
        if part.get("writeOnly"):
            raise ConfigError(
                "a parameter is a SecretStr, whose value does not survive being stored.",
                remedy="Write Annotated[str, Sensitive()].",
            )
