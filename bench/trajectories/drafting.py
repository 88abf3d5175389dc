"""Drafts a pack of a suite's tools: by their names and schemas only, on the careful side, for a person to go through.

What it cannot know is which fields of a result can be relied on. It trusts what a service writes itself (ids, times,
recipients), and the whole result of a tool whose name speaks of records only (`get_user_details`, `list_channels`): a
guess, and the first thing to check.
"""

import json
import lzma
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.trajectories.schemas import item_properties, properties_of
from bench.trajectories.words import (
    ADDRESSEES,
    CHAT,
    FILLING,
    FINAL,
    IDS,
    INTERNAL,
    KNOWN_WRITERS,
    OF_WRITES,
    PLACES,
    PROSE,
    READS,
    RECORDS,
    TEXT,
    TRUSTED_FIELDS,
    VAGUE,
    WHEN,
    parts,
)

_POLICY = """\
@id("allowed")
permit (principal, action, resource);

@id("ask-where-untrusted")
@description("An argument that matters comes from content that anybody may have written, or from nowhere.")
@obligation("require_approval")
@approvers("owners")
permit (principal, action, resource)
when { !context.untrusted_consequential.isEmpty() };
"""


def draft(given: Namespace) -> int:
    tools = _tools(given)
    if not tools:
        print(f"No tools of a suite {given.suite} are known.", file=sys.stderr)
        return 1
    pack = f"# Drafted from names and schemas: go through it, and say which results can be relied on.\n{_pack(tools)}"
    policy = _POLICY + _flows_policy(tools) + _unnamed_policy(tools)
    if not given.into:
        print(f"{pack}\n# --- policies/gate.cedar ---\n{policy}")
        return 0
    folder = Path(given.into)
    if (folder / "pack.toml").exists():
        print(f"There is a pack in {folder} already.", file=sys.stderr)
        return 1
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    (folder / "pack.toml").write_text(pack)
    (folder / "policies" / "gate.cedar").write_text(policy)
    return 0


def _tools(given: Namespace) -> list[dict[str, Any]]:
    """From the trajectories where they carry them, otherwise from the live environments."""
    for file in sorted(Path(given.corpus).glob("*.jsonl.xz")):
        with lzma.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                one = json.loads(line)
                if one["domain"] == given.suite and one.get("tools"):
                    return one["tools"]
    for bench in ("agentdojo", "tau2"):
        code = f"import json, env_{bench} as e; print(json.dumps(e.tool_schemas({given.suite!r})))"
        harness = Path(given.harness).resolve()
        done = subprocess.run(
            [harness / ".venv/bin/python", "-c", code], cwd=harness, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return json.loads(done.stdout.splitlines()[-1])
    return []


def _pack(tools: list[dict[str, Any]]) -> str:
    trusted = [f'"**.{part}" = "trusted"' for part in TRUSTED_FIELDS]
    return "\n".join(["[defaults.results]", '"" = "untrusted"', *trusted]) + "\n" + "".join(map(_tool, tools))


def _tool(tool: Mapping[str, Any]) -> str:
    name, (verb, *said), properties = tool["name"], parts(tool["name"]), properties_of(tool)
    places = [argument for argument in properties if parts(argument)[-1] in PLACES]
    impact = "read" if verb in READS and not places else "internal_write" if verb in INTERNAL else "external"
    lines = [f"\n[tools.{name}]", f'impact = "{impact}"']
    if impact != "read":
        if verb in FINAL:
            lines.append("irreversible = true")
        consequential = places if verb in READS else _consequential(properties, own=impact == "internal_write")
        lines.append(f"consequential = {json.dumps(consequential)}")
    known = RECORDS if impact == "read" else RECORDS | OF_WRITES
    if not places and known.intersection(said) and RECORDS.union(FILLING).issuperset(said):
        lines.append('results = "trusted"')
    elif impact == "read" and CHAT.intersection(said) and "mail" not in name:
        fields = [f'"**.{part}" = "trusted"' for part in (*TRUSTED_FIELDS, *KNOWN_WRITERS)]
        lines.append(f'results = {{ "" = "untrusted", {", ".join(fields)} }}')
    return "\n".join(lines) + "\n"


def _consequential(properties: Mapping[str, Any], *, own: bool) -> list[str]:
    """Every argument that names something; of prose the addresses in it, and what it carries to an addressee."""
    prose = [name for name in properties if _is_prose(name)]
    named: list[str] = []
    for name, part in properties.items():
        if name in prose or (own and WHEN.intersection(parts(name))) or not _names(name, part):
            continue
        inner = [below for below, its in item_properties(part).items() if _names(below, its)]
        named += [f"{name}[].{below}" for below in inner] or [name]
    return [*named, *(f"{name}#addresses" for name in prose), *_flows(properties)]


def _is_prose(name: str) -> bool:
    return name.lower() in PROSE or parts(name)[-1] in TEXT


def _names(name: str, part: Mapping[str, Any]) -> bool:
    if parts(name)[-1] in IDS:
        return True
    if "enum" in part or name.lower() == "attachments":  # a choice among few; what is carried, not whereto
        return False
    types = {part.get("type"), *(branch.get("type") for branch in part.get("anyOf", ()))}
    return bool(types & {"string", "array", "object"}) and not VAGUE.intersection(parts(name))


def _flows(properties: Mapping[str, Any]) -> list[str]:
    to = [name for name in properties if ADDRESSEES.intersection(said := parts(name)) and "id" not in said]
    carrying = [name for name in properties if _is_prose(name) or name.lower() in ("attachments", "file", "files")]
    return [f"{name}>{receiver}" for receiver in to for name in carrying]


def _flows_policy(tools: list[dict[str, Any]]) -> str:
    found = ""
    for tool in tools:
        flows = _flows(properties_of(tool))
        if flows and parts(tool["name"])[0] not in READS:
            found += (
                f'\n@id("no-data-to-strangers-by-{tool["name"]}")\n'
                f'forbid (principal, action == Action::"{tool["name"]}", resource)\n'
                f"when {{ context.untrusted_consequential.containsAny({json.dumps(flows)}) }};\n"
            )
    return found


def _unnamed_policy(tools: list[dict[str, Any]]) -> str:
    """Of writes that need nothing consequential: asked for where nothing that they need is the caller's."""
    found = ""
    for tool in tools:
        verb, schema = parts(tool["name"])[0], tool["parameters"]
        required: list[str] = list(schema.get("required") or ())
        consequential = _consequential(properties_of(tool), own=verb in INTERNAL)
        named = {path.partition("[")[0] for path in consequential if "#" not in path and ">" not in path}
        if verb in READS or PROSE.issuperset(required) or set(required) & named:
            continue
        found += (
            f'\n@id("ask-where-nothing-is-known-of-{tool["name"]}")\n@obligation("require_approval")\n'
            f'@approvers("owners")\npermit (principal, action == Action::"{tool["name"]}", resource)\n'
            f"when {{ context.untrusted.containsAll({json.dumps(required)}) }}{_unless_its_day_is_said(required)};\n"
        )
    return found


def _unless_its_day_is_said(required: list[str]) -> str:
    """The hour a model may choose: it is enough that the caller said something of when."""
    said = [
        f"{name}:{source}" for name in required if WHEN.intersection(parts(name)) for source in ("request", "input")
    ]
    return f"\nunless {{ context.sources.containsAny({json.dumps(said)}) }}" if said else ""
