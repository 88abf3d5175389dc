"""Reads `*.cedar` files: each policy with its id, place, duties and parsed form.

Cedar's parser names no line, so a file is cut at its semicolons and each policy is parsed on its own: every problem
of every file is found at once, and each is named with the line that its policy begins on.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cedarpy

from clearway.adapters.cedar.expressions import Est, depth_of
from clearway.model.decision import ApprovalRule
from clearway.model.errors import ConfigError
from clearway.rules import obligations

#: Each level is two of JSON, with some around; cedarpy reads 128.
_MAX_DEPTH = 50
_MAX_LENGTH = 20_000
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL)
_BRACKET = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|[][(){}]', re.DOTALL)
_GAP = re.compile(r"(?:\s|//[^\n]*)*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}\Z")
_AT_FAULT = re.compile(r"@[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A file's path as it is shown to people, and what it holds."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """One policy. `fault` is what is wrong with its annotations: where it permits, the answer is a deny."""

    id: str
    file: str
    line: int
    text: str
    effect: Literal["permit", "forbid"]
    est: Est
    annotations: dict[str, str]
    rule: ApprovalRule | None
    fault: ConfigError | None


def read_folder(folder: Path) -> list[PolicyFile]:
    """The `*.cedar` files of a folder and those under it, by name. Errors: `ConfigError` where one is not UTF-8."""
    files: list[PolicyFile] = []
    for path in sorted(folder.rglob("*.cedar")):
        try:
            files.append(PolicyFile(str(path), path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError):
            raise ConfigError("The file can't be read as text.", file=str(path), remedy="Save it as UTF-8.") from None
    return files


def load(files: Sequence[PolicyFile]) -> tuple[list[LoadedPolicy], list[ConfigError]]:
    """All policies that can be parsed, and every problem of those that can't be. Never raises."""
    loaded: dict[str, LoadedPolicy] = {}
    problems: list[ConfigError] = []
    for file in files:
        for line, text in _cut(file.text):
            try:
                policy = _read(file.path, line, text)
                if policy.id in loaded:
                    first = loaded[policy.id]
                    raise ConfigError(
                        f'The id "{policy.id}" is taken by the policy at {first.file}:{first.line}.',
                        file=file.path,
                        line=line,
                        remedy="Give each policy an @id of its own.",
                    )
                loaded[policy.id] = policy
            except ConfigError as problem:
                problems.append(problem)
    return list(loaded.values()), problems


def _cut(text: str) -> Iterator[tuple[int, str]]:
    """Each policy's text with the number of its first line. What follows the last semicolon counts as a policy too."""
    start = 0
    ends = [token.end() for token in _TOKEN.finditer(text) if token[0] == ";"]
    for end in [*ends, len(text)]:
        gap = _GAP.match(text, start, end)
        begin = gap.end() if gap else start
        if begin < end:
            yield text.count("\n", 0, begin) + 1, text[begin:end].rstrip()
        start = end


def _read(file: str, line: int, text: str) -> LoadedPolicy:
    est = _parse(file, line, text)
    annotations = {name: value or "" for name, value in est.pop("annotations", {}).items()}
    id_ = annotations.get("id", "")
    if not _ID.match(id_):
        what = "has no @id" if "id" not in annotations else "has an @id that is not a name"
        raise ConfigError(
            f"The policy {what}.",
            file=file,
            line=line,
            remedy='Write, for instance, @id("refund-large") above it: letters, digits and _ . : / -',
        )
    rule, fault = None, None
    try:
        rule = obligations.parse(annotations)
        if rule is not None and est["effect"] == "forbid":
            raise ConfigError("@obligation stands on a forbid, which has none.", remedy="Move it to a permit.")
    except ConfigError as problem:
        rule, fault = None, placed(problem, file, line, text)
    return LoadedPolicy(id_, file, line, text, est["effect"], est, annotations, rule, fault)


def _parse(file: str, line: int, text: str) -> Est:
    too_deep = ConfigError(
        f"The policy is nested over {_MAX_DEPTH} deep, or longer than {_MAX_LENGTH} characters.",
        file=file,
        line=line,
        remedy='Write several when { … } clauses, and ["a", "b"].contains(…) for many alternatives.',
    )
    # Cedar's parser ends the process where its stack ends, so it is not asked.
    if len(text) > _MAX_LENGTH or _bracket_depth(text) > _MAX_DEPTH:
        raise too_deep
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except RecursionError:
        raise too_deep from None
    except ValueError as error:
        raise ConfigError(
            f"The policy that begins here is not valid Cedar: {error}.",
            file=file,
            line=line,
            remedy="The form is: permit(principal, action, resource) when { … };",
        ) from None
    if parsed.get("templates") or parsed.get("templateLinks"):
        raise ConfigError(
            "The policy is a template (?principal or ?resource), which is not supported yet.",
            file=file,
            line=line,
            remedy='Name who and what, for instance: principal in Role::"support".',
        )
    (est,) = parsed["staticPolicies"].values()
    if depth_of(est) > _MAX_DEPTH:
        raise too_deep
    return est


def _bracket_depth(text: str) -> int:
    depth = deepest = 0
    for token in _BRACKET.finditer(text):
        if token[0] in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in ")]}":
            depth -= 1
    return deepest


def placed(problem: ConfigError, file: str, line: int, text: str) -> ConfigError:
    """`problem` with its file and the line of the annotation that it begins with."""
    at_fault = _AT_FAULT.match(problem.message)
    found = re.search(rf"{re.escape(at_fault[0])}\b", text) if at_fault else None
    at = line + text.count("\n", 0, found.start()) if found else line
    return ConfigError(problem.message, file=file, line=at, remedy=problem.remedy)
