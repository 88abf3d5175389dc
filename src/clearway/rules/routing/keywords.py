"""The rules router: keywords and patterns that a skill or the project declares. A hit decides, nothing is guessed.

Patterns are google-re2: their time is linear in the text, whatever they are.
"""

import re
from collections.abc import Mapping, Sequence

from clearway.model.errors import ConfigError
from clearway.model.tool import SkillSpec
from clearway.rules.canonical import digest
from clearway.rules.find.regex import BadPattern, Pattern, own_pattern
from clearway.rules.route import Route
from clearway.rules.routing.judge import SHOWN, Teller

ROUTER = "rules"
VERSION = 1
_WORD = re.compile(r"\w+")
#: What is looked at of a text, in characters.
MOST_CHARACTERS = 20_000


class KeywordRouter:
    """`keywords`, `patterns`: of the project, by skill, beside those that the skills declare.

    Errors: `ConfigError` for a pattern that re2 does not take, or that matches the empty text."""

    def __init__(
        self,
        keywords: Mapping[str, Sequence[str]] | None = None,
        patterns: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._keywords = {skill: tuple(found) for skill, found in (keywords or {}).items()}
        self._sources = {skill: tuple(found) for skill, found in (patterns or {}).items()}
        self._patterns = {skill: [compile_rule(source) for source in found] for skill, found in self._sources.items()}

    def route(self, text: str, skills: Mapping[str, SkillSpec]) -> Route:
        teller = Teller(ROUTER, self._version(skills))
        looked_at = text[:MOST_CHARACTERS]
        spoken = f" {' '.join(_WORD.findall(looked_at.lower()))} "
        hits = {name: why for name in sorted(skills) if (why := self._hit(name, skills[name], spoken, looked_at))}
        if not hits:
            return teller.abstention("no keyword and no pattern occurs in it")
        names = list(hits)
        candidates = tuple((name, 1 / len(names)) for name in names[:SHOWN])
        if len(names) > 1:
            why = f"{', '.join(names)} are all named by what occurs in it"
            return Route(None, ROUTER, 1 / len(names), why, names[1], version=teller.version, candidates=candidates)
        return Route(names[0], ROUTER, 1.0, hits[names[0]], margin=1.0, version=teller.version, candidates=candidates)

    def _hit(self, name: str, skill: SkillSpec, spoken: str, text: str) -> str:
        """Why the text names the skill; empty where it does not. Only what the project wrote is repeated."""
        for keyword in (*skill.keywords, *self._keywords.get(name, ())):
            words = " ".join(_WORD.findall(keyword.lower()))
            if words and f" {words} " in spoken:
                return f"the keyword {keyword!r} occurs in it"
        encoded = text.encode("utf-8", "replace")
        for place, pattern in enumerate(self._patterns.get(name, ()), 1):
            if next(pattern.spans(encoded), None) is not None:
                return f"pattern {place} of the skill matches it"
        return ""

    def _version(self, skills: Mapping[str, SkillSpec]) -> str:
        declared = {name: [list(skill.keywords), list(self._keywords.get(name, ()))] for name, skill in skills.items()}
        sources = {name: list(found) for name, found in self._sources.items()}
        address = digest("clearway/router-rules/v1", {"keywords": dict(declared), "patterns": dict(sources)})
        return f"{VERSION}:{address.removeprefix('sha256:')[:12]}"


def compile_rule(source: str) -> Pattern:
    """A pattern of `[routing.patterns]`; case does not count. Errors: `ConfigError`."""
    try:
        return own_pattern(f"(?i){source}")
    except BadPattern as error:
        raise ConfigError(
            str(error), remedy="Write a pattern as google-re2 takes it: no look-around, no \\1."
        ) from None
