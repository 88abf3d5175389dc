"""Policy packs: a folder that says what tools somebody else wrote may do, and under which policies. Data only, no code.

::

    banking/
      pack.toml            what each tool does, and how far its results may be relied on
      policies/*.cedar     who may do what

    # pack.toml
    [tools.send_money]
    impact = "external"
    targets = "account:{recipient}"
    consequential = ["recipient"]          # arguments that say where an effect goes or how large it is

    [tools.read_transactions]
    impact = "read"
    results = { "" = "untrusted", "[].recipient" = "trusted" }      # or one word for all of it

`[defaults] results = …` holds for the tools that say nothing of theirs; without it, they are untrusted. In
`consequential`, `body#addresses` stands for the addresses in a text, and `body>recipient` for what `body` carries to a
recipient (`Provenance.label`).

Names, descriptions and parameters come with the tools, as JSON Schema. A tool that the pack does not name is not there:
a call of it is denied. How to write one: docs/how-to/policy-packs.md.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from clearway.model.errors import ConfigError, Invalid
from clearway.model.label import Trust
from clearway.model.tool import Impact, Retry, ToolSpec
from clearway.project.arguments import Inputs
from clearway.project.located import Problems, Table, read_text
from clearway.project.schema_parameters import parameters_of_schema
from clearway.project.strict_toml import load_toml
from clearway.project.targets import targets_of
from clearway.rules.canonical import digest
from clearway.rules.names import NAME_FORM, is_name

PACK_FILE = "pack.toml"
#: Trusts that a tool's author can declare; what is endorsed is said by people, value by value.
TRUSTS = (Trust.TRUSTED.value, Trust.UNTRUSTED.value)

#: `(tool, canonical arguments)` → what it returns.
Execute = Callable[[str, Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool as it comes: `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pack:
    """`tools`: those that the pack names, by name. `policies`: (file, Cedar text). `missing`: tools that it names and
    that did not come."""

    folder: Path
    tools: Mapping[str, ToolSpec]
    policies: tuple[tuple[str, str], ...]
    missing: tuple[str, ...] = ()


def load_pack(folder: str | Path, tools: Iterable[ToolSchema], execute: Execute) -> Pack:
    """Reads a pack for these tools, each of which runs by `execute`. Errors: `ConfigError`, all problems together."""
    root = Path(folder).resolve()
    problems = Problems()
    top = Table(source := load_toml(root / PACK_FILE, PACK_FILE), problems, (), source.data)
    came = {tool.name: tool for tool in tools}
    defaults = top.table("defaults")
    trust = _result_trust(defaults, Trust.UNTRUSTED)
    defaults.finish()
    found: dict[str, ToolSpec] = {}
    missing: list[str] = []
    for name, table in top.table("tools").tables().items():
        if name not in came:
            missing.append(name)
            continue
        try:
            found[name] = _tool(came[name], table, execute, trust)
        except Invalid as error:
            table.wrong(None, error.message.rstrip("."), error.remedy)
    top.finish()
    policies: list[tuple[str, str]] = []
    for path in sorted((root / "policies").rglob("*.cedar")):
        file = path.relative_to(root).as_posix()
        try:
            policies.append((file, read_text(path, file)))
        except ConfigError as error:
            problems.extend(error)
    problems.raise_any()
    return Pack(root, found, tuple(policies), tuple(missing))


def _tool(tool: ToolSchema, table: Table, execute: Execute, trust: Trust | dict[str, Trust]) -> ToolSpec:
    name = tool.name
    if not is_name(name):
        raise ConfigError("has a name that is not well formed.", remedy=f"Use {NAME_FORM}.")
    inputs = Inputs(name, parameters_of_schema(tool.parameters))
    impact = _impact(table)
    targets = table.values.get("targets", ())
    table.known.add("targets")
    consequential = table.texts("consequential", example='["recipient"]')
    for path in consequential:
        table.choice("consequential", re.split(r"[.\[#>]", path)[0], inputs.names, "argument")
    spec = ToolSpec(
        name=name,
        description=tool.description,
        impact=impact,
        function=_calling(name, execute, _nullable(tool.parameters)),
        validate=inputs.validate,
        schema=inputs.schema,
        digest=digest(
            "clearway/tool/v1",
            {"name": name, "description": tool.description, "schema": inputs.schema, "impact": impact.value},
        ),
        targets=targets_of(targets or None, inputs.names, name),
        sensitive=frozenset(table.texts("sensitive", example='["password"]')),
        timeout_s=float(table.number("timeout_s", 30.0, example=30)),
        retry=Retry(attempts=table.integer("attempts", 3, example=3)),
        owner=table.text("owner", "", example="payments"),
        irreversible=_flag(table, "irreversible"),
        result_trust=_result_trust(table, trust),
        consequential=frozenset(consequential),
    )
    table.finish()
    return spec


def _impact(table: Table) -> Impact:
    word = table.text("impact", "", example="external")
    if not word:
        table.wrong(None, "has no impact", 'Write impact = "read", "internal_write" or "external".')
    elif table.choice("impact", word, [impact.value for impact in Impact], "impact"):
        return Impact(word)
    return Impact.EXTERNAL


def _result_trust(table: Table, default: Trust | dict[str, Trust]) -> Trust | dict[str, Trust]:
    """One word, or a table by field."""
    table.known.add("results")
    value = table.values.get("results")
    if value is None:
        return default
    if isinstance(value, str):
        return Trust(value) if table.choice("results", value, TRUSTS, "trust") else Trust.UNTRUSTED
    if not isinstance(value, dict):
        table.wrong("results", "should be a word or a table", 'Write results = "untrusted".')
        return Trust.UNTRUSTED
    found: dict[str, Trust] = {}
    for path, word in cast("dict[str, Any]", value).items():
        if table.choice("results", str(word), TRUSTS, "trust"):
            found[path] = Trust(word)
    return found


def _flag(table: Table, key: str) -> bool:
    table.known.add(key)
    value = table.values.get(key, False)
    if not isinstance(value, bool):
        table.wrong(key, "should be true or false", f"Write {key} = true.")
        return False
    return value


def _nullable(schema: Mapping[str, Any]) -> frozenset[str]:
    """The properties that have a null of their own, as their default or a type."""
    properties = cast("dict[str, dict[str, Any]]", schema.get("properties") or {})
    return frozenset(
        name
        for name, part in properties.items()
        if "default" in part or any(branch.get("type") == "null" for branch in part.get("anyOf", ()))
    )


def _calling(name: str, execute: Execute, nullable: frozenset[str]) -> Callable[..., Any]:
    """What is null only because it was left out is left out again: the tool may know no null."""

    def call(**arguments: Any) -> Any:
        given = {key: value for key, value in arguments.items() if value is not None or key in nullable}
        return execute(name, given)

    return call
