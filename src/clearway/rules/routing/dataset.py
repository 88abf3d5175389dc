"""Labelled texts, as JSON lines: `{"text": "…", "skill": "refund"}`, or `"skill": null` for what is out of scope."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from clearway.model.errors import ConfigError, Invalid
from clearway.rules.canonical import parse_json
from clearway.rules.names import did_you_mean

_FORM = 'Write {"text": "Refund order 7", "skill": "refund"}, or "skill": null for what no skill should take.'
#: Problems that are named before the rest is left out.
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Labelled:
    """`skill` None: out of scope."""

    text: str
    skill: str | None


def parse_dataset(content: str, file: str, skills: Collection[str] | None = None) -> list[Labelled]:
    """`skills`: those that a line may name; None: any. Empty lines are left out.

    Errors: one `ConfigError`, with a line for each of the first problems.
    """
    found: list[Labelled] = []
    problems: list[ConfigError] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(_labelled(line, skills))
        except Invalid as error:
            problems.append(ConfigError(error.message, file=file, line=number, remedy=error.remedy))
    if not found and not problems:
        problems.append(ConfigError("the dataset is empty.", file=file, line=1, remedy=_FORM))
    if problems:
        shown = [str(problem) for problem in problems[:_MOST_NAMED]]
        more = len(problems) - len(shown)
        together = ConfigError("\n".join([*shown, *([f"{file}: and {more} more"] if more else [])]))
        together.file, together.line = problems[0].file, problems[0].line
        raise together
    return found


def _labelled(line: str, skills: Collection[str] | None) -> Labelled:
    found = parse_json(line, what="the line")
    if not isinstance(found, dict):
        raise Invalid("the line is not an object.", remedy=_FORM)
    row: dict[str, Any] = found
    unknown = sorted(row.keys() - {"text", "skill"})
    if unknown:
        raise Invalid(
            f"the line has the key {unknown[0]!r}.", remedy=did_you_mean(unknown[0], ("text", "skill")) or _FORM
        )
    text, skill = row.get("text"), row.get("skill", "")
    if not isinstance(text, str) or not text.strip():
        raise Invalid("the line has no text.", remedy=_FORM)
    if skill is not None and (not isinstance(skill, str) or not skill):
        raise Invalid("the line's skill is neither a name nor null.", remedy=_FORM)
    if skill is not None and skills is not None and skill not in skills:
        raise Invalid("the line names a skill that the project does not have.", remedy=did_you_mean(skill, skills))
    return Labelled(text, skill)
