"""Drafts a pack of a suite's tools: by their names and schemas only, on the careful side, for a person to go through.

What it cannot know is which fields of a result can be relied on. It trusts what a service writes itself (ids, times,
recipients), and the whole result of a read whose name speaks of records only (`get_user_details`, `list_channels`): a
guess, and the first thing to check.
"""

import json
import lzma
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READS = _words(
    "calculate check count describe fetch find get list look lookup query read retrieve search show think view"
)
_INTERNAL = _words("add append create draft edit mark move note rename save set update write")
_FINAL = _words("cancel delete pay post publish purge remove send transfer wipe")
#: Arguments that hold prose: what they say is not followed, the addresses in it are.
_PROSE = _words(
    "body caption comment content description location message note notes reason subject summary text title"
)
_ADDRESSEES = _words("address addresses bcc cc email emails recipient recipients to")
_PLACES = _words("domain endpoint host href link uri url webhook website")
#: Arguments that a model often works out by itself: sums, ends, counts.
_VAGUE = ("amount", "count", "date", "end", "limit", "permission", "price")
#: And in one's own records also when something is.
_WHEN = ("day", "start", "time")
#: Fields that the service writes, whoever wrote the rest.
_TRUSTED_FIELDS = (
    *("id", "id_", "date", "time", "timestamp", "created_at", "start_time", "end_time"),
    *("owner", "participants", "recipient", "recipients"),
)
#: In a chat the service knows who writes. In mail anybody does.
_KNOWN_WRITERS = ("sender", "author")
#: A read whose name says no more than these gives the service's own records: names, numbers, prices, places.
_RECORDS = _words(
    """account accounts address addresses airport airports availability balance car categories channel channels cities
    city companies company contact contacts countries country cuisine currencies currency date day department
    departments dietary direct fees flight flights fuel group groups hotel hotels hours iban id ids inventory member
    members name names number onestop opening order orders participants phone plan plans price prices product products
    rate rental reservation reservations restaurant restaurants restrictions role roles room rooms stock team teams
    time timezone type types user users weather zip"""
)
_FILLING = _words(
    """a all and any at available by current details email for from full in info information list my of on options per
    public the to with"""
)

_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

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
    trusted = [f'"{prefix}{part}" = "trusted"' for prefix in ("", "[].") for part in _TRUSTED_FIELDS]
    return "\n".join(["[defaults.results]", '"" = "untrusted"', *trusted]) + "\n" + "".join(map(_tool, tools))


def _tool(tool: Mapping[str, Any]) -> str:
    name, (verb, *said) = tool["name"], _parts(tool["name"])
    properties: dict[str, Any] = tool["parameters"].get("properties") or {}
    places = [argument for argument in properties if argument.lower() in _PLACES]
    impact = "read" if verb in _READS and not places else "internal_write" if verb in _INTERNAL else "external"
    lines = [f"\n[tools.{name}]", f'impact = "{impact}"']
    if impact != "read":
        if verb in _FINAL:
            lines.append("irreversible = true")
        consequential = places if verb in _READS else _consequential(properties, own=impact == "internal_write")
        lines.append(f"consequential = {json.dumps(consequential)}")
    elif _RECORDS.intersection(said) and _RECORDS.union(_FILLING).issuperset(said):
        lines.append('results = "trusted"')
    elif any("message" in word or "chat" in word or "inbox" in word for word in said) and "mail" not in name:
        fields = [f'"[].{part}" = "trusted"' for part in (*_TRUSTED_FIELDS, *_KNOWN_WRITERS)]
        lines.append(f'results = {{ "" = "untrusted", {", ".join(fields)} }}')
    return "\n".join(lines) + "\n"


def _parts(name: str) -> list[str]:
    """`send_email`, `sendEmail` → send, email."""
    return [part.lower() for part in _PART.findall(name)] or [name]


def _consequential(properties: Mapping[str, Any], *, own: bool) -> list[str]:
    """Every argument that names something; of prose the addresses in it, and what it carries to an addressee."""
    prose = [name for name in properties if name.lower() in _PROSE]
    named = [name for name, part in properties.items() if name not in prose and _names(name, part)]
    if own:
        named = [name for name in named if not any(word in name.lower() for word in _WHEN)]
    return [*named, *(f"{name}#addresses" for name in prose), *_flows(properties)]


def _names(name: str, part: Mapping[str, Any]) -> bool:
    if name.lower() in ("id", "attachments") or name.lower().endswith("_id"):
        return name.lower() != "attachments"
    if "enum" in part:
        return False  # a choice among few
    types = {part.get("type"), *(branch.get("type") for branch in part.get("anyOf", ()))}
    return bool(types & {"string", "array", "object"}) and not any(word in name.lower() for word in _VAGUE)


def _flows(properties: Mapping[str, Any]) -> list[str]:
    to = [name for name in properties if _ADDRESSEES.intersection(parts := _parts(name)) and "id" not in parts]
    carrying = [name for name in properties if name.lower() in _PROSE | {"attachments", "file", "files"}]
    return [f"{name}>{receiver}" for receiver in to for name in carrying]


def _flows_policy(tools: list[dict[str, Any]]) -> str:
    found = ""
    for tool in tools:
        flows = _flows(tool["parameters"].get("properties") or {})
        if flows and _parts(tool["name"])[0] not in _READS:
            found += (
                f'\n@id("no-data-to-strangers-by-{tool["name"]}")\n'
                f'forbid (principal, action == Action::"{tool["name"]}", resource)\n'
                f"when {{ context.untrusted_consequential.containsAny({json.dumps(flows)}) }};\n"
            )
    return found


def _unnamed_policy(tools: list[dict[str, Any]]) -> str:
    """Of a write that needs nothing consequential: nothing of what it needs is the caller's or a record's."""
    found = ""
    for tool in tools:
        verb, schema = _parts(tool["name"])[0], tool["parameters"]
        required = list(schema.get("required") or ())
        consequential = _consequential(schema.get("properties") or {}, own=verb in _INTERNAL)
        if verb in _READS or _PROSE.issuperset(required) or set(required) & set(consequential):
            continue
        found += (
            f'\n@id("ask-where-nothing-is-known-of-{tool["name"]}")\n@obligation("require_approval")\n'
            f'@approvers("owners")\npermit (principal, action == Action::"{tool["name"]}", resource)\n'
            f"when {{ context.untrusted.containsAll({json.dumps(required)}) }};\n"
        )
    return found
