"""The n-grams of a text: words 1–2 and, within words, characters 2–5. Digits count as alike, and so does case."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+")
_SHORTEST, _LONGEST = 2, 5
#: What is looked at of a text, in characters.
MOST_CHARACTERS = 2_000


def word_grams(text: str) -> Counter[str]:
    """Words as `w:refund`, pairs of neighbours as `w:refund account`."""
    words = _words(text)
    return Counter([f"w:{word}" for word in words] + [f"w:{a} {b}" for a, b in pairwise(words)])


def character_grams(text: str) -> Counter[str]:
    """Pieces of each word, a space before and behind it counting as part of it: `c: re`, `c:efund`, `c:nd `."""
    found: Counter[str] = Counter()
    for word in _words(text):
        padded = f" {word} "
        for size in range(_SHORTEST, _LONGEST + 1):
            if size >= len(padded):
                found[f"c:{padded}"] += 1
                break
            found.update(f"c:{padded[i : i + size]}" for i in range(len(padded) - size + 1))
    return found


def inverse_frequencies(texts: Iterable[str]) -> dict[str, float]:
    """n-gram → ln((1 + texts) / (1 + texts that have it)) + 1, in order of the n-grams."""
    seen: Counter[str] = Counter()
    count = 0
    for text in texts:
        count += 1
        seen.update(word_grams(text).keys() | character_grams(text).keys())
    return {gram: math.log((1 + count) / (1 + n)) + 1 for gram, n in sorted(seen.items())}


def tfidf(text: str, inverse: Mapping[str, float]) -> dict[str, float]:
    """The known n-grams of `text`, weighted by (1 + ln count) × inverse frequency; words and characters each of
    length 1."""
    found: dict[str, float] = {}
    for grams in (word_grams(text), character_grams(text)):
        weighted = {gram: (1 + math.log(n)) * inverse[gram] for gram, n in grams.items() if gram in inverse}
        length = math.sqrt(sum(weight * weight for weight in weighted.values()))
        found |= {gram: weight / length for gram, weight in weighted.items()}
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(_DIGITS.sub("0", text[:MOST_CHARACTERS].lower()))
