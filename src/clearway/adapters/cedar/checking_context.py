"""Names in `context.untrusted.contains("…")` and the like: of arguments and tools that there are not.

A text that stands for nothing would never be in the set: the rule that asks for it would never bite, or always.
"""

import re
from collections.abc import Iterator, Mapping

from clearway.adapters.cedar.argument_types import RecordOf
from clearway.adapters.cedar.checking import concerns, nearest
from clearway.adapters.cedar.context import OTHER_SOURCES, paths_of
from clearway.adapters.cedar.expressions import literals_compared
from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.model.errors import ConfigError
from clearway.model.tool import ToolSpec
from clearway.rules.sequences import SETS


def unknown_paths(
    policy: LoadedPolicy, tools: Mapping[str, ToolSpec], arguments: Mapping[str, RecordOf]
) -> Iterator[ConfigError]:
    """Each such name, with the line that it stands on. `arguments`: the types of each tool's arguments."""
    concerned = [tool for tool in tools if concerns(policy, tool, tools[tool])]
    paths = {path for tool in concerned for path in paths_of(arguments[tool])}
    hidden = {name for tool in concerned for name in arguments[tool].hidden}
    consequential = {path for tool in concerned for path in tools[tool].consequential}
    for attribute, known, kind in (
        ("untrusted", paths, "argument"),
        ("endorsed", paths, "argument"),
        ("untrusted_consequential", consequential, "consequential argument"),
        *((name, set(tools), "tool") for name in SETS),
    ):
        for name in dict.fromkeys(literals_compared(policy.est, attribute)):
            path = name.partition("#")[0]
            if name not in known and path not in known and not (kind == "argument" and _is_below(path, hidden)):
                yield _problem(policy, attribute, name, f'unknown {kind} "{name}"', nearest(name, known, kind))
    for name in dict.fromkeys(literals_compared(policy.est, "sources")):
        path, _, source = name.rpartition(":")
        path = path.partition("#")[0]
        sources = {*tools, *OTHER_SOURCES}
        if path not in paths and not _is_below(path, hidden):
            remedy = nearest(path, paths, "argument") if path else "Write argument:source, as payee:read_email."
            yield _problem(policy, "sources", name, f'unknown argument "{path}"', remedy)
        elif source not in sources:
            yield _problem(policy, "sources", name, f'unknown source "{source}"', nearest(source, sources, "tool"))


def _is_below(path: str, hidden: set[str]) -> bool:
    """Whether the path leads into an argument whose inside the schema does not tell."""
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for name in hidden)


def _problem(policy: LoadedPolicy, attribute: str, name: str, what: str, remedy: str) -> ConfigError:
    found = re.search(rf'"{re.escape(name)}"', policy.text)
    line = policy.line + (policy.text.count("\n", 0, found.start()) if found else 0)
    return ConfigError(
        f'Policy "{policy.id}": {what} in context.{attribute}.', file=policy.file, line=line, remedy=remedy
    )
