"""What a router learns from: the texts of each skill."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clearway.model.tool import SkillSpec
from clearway.rules.canonical import digest

#: The name and the description together weigh as much as this share of a skill's examples, …
_SHARE_OF_NAMES = 0.2
#: … and at most as much as so many of them.
_MOST_WEIGHT = 2.0
_LEAST_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Lesson:
    """A text that belongs to a skill. `weight` 1 is an example's. `is_example`: somebody might say it like that."""

    text: str
    skill: str
    weight: float = 1.0
    is_example: bool = True


def lessons_of(skills: Mapping[str, SkillSpec]) -> list[Lesson]:
    """The examples of each skill and, with less weight, its name and description; by skill, in order of declaration."""
    found: list[Lesson] = []
    for name in sorted(skills):
        skill = skills[name]
        examples = list(dict.fromkeys(text for text in skill.examples if text.strip()))
        found += [Lesson(text, name) for text in examples]
        said = [name.replace("_", " ").replace("-", " "), _first_line(skill.description)]
        weight = min(max(_SHARE_OF_NAMES * len(examples), _LEAST_WEIGHT), _MOST_WEIGHT)
        told = [text for text in dict.fromkeys(said) if text]
        found += [Lesson(text, name, weight / len(told), is_example=False) for text in told]
    return found


def are_same(kept: Sequence[SkillSpec], skills: Mapping[str, SkillSpec]) -> bool:
    """Whether `skills` are the very declarations in `kept`: cheap enough for each text."""
    return len(kept) == len(skills) and all(one is other for one, other in zip(kept, skills.values(), strict=True))


def lessons_digest(lessons: list[Lesson]) -> str:
    """Content address of what is learned from."""
    return digest("clearway/router-lessons/v1", [[row.skill, row.text, row.is_example] for row in lessons])


def folds_of(lessons: list[Lesson], folds: int) -> list[int]:
    """The fold, 0 … folds - 1, of each example, spread evenly over the examples of each skill.

    -1, which is never held out: names, and the only example of a skill, without which nothing of it could be learned.
    Each skill begins with another fold, so that skills of two or three examples fill all of them."""
    examples = Counter(row.skill for row in lessons if row.is_example)
    begins = {skill: number for number, skill in enumerate(sorted(examples))}
    seen: Counter[str] = Counter()
    found: list[int] = []
    for row in lessons:
        if not row.is_example or examples[row.skill] == 1:
            found.append(-1)
            continue
        found.append((begins[row.skill] + seen[row.skill]) % folds)
        seen[row.skill] += 1
    return found


def _first_line(description: str) -> str:
    return description.strip().partition("\n")[0].strip()
