"""WordPiece as uncased BERT does it (Devlin et al., 2018): text → ids of a vocabulary of word pieces."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

#: Ids that a text becomes at most, [CLS] and [SEP] among them. A router's texts are short; the model takes 512.
MOST_PIECES = 128
_LONGEST_WORD = 100
#: Characters by which the script of a text is told.
_LOOKED_AT = 2_000
#: Ranges of ASCII that BERT counts as punctuation beside Unicode's category P, as `$`, `+` and `~`.
_ASCII_PUNCTUATION = ((33, 47), (58, 64), (91, 96), (123, 126))
#: Characters that stand alone, as words of their own: CJK ideographs.
_IDEOGRAPHS = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))


class WordPiece:
    """`pieces`: the vocabulary, in order of ids. Errors: `KeyError` where it lacks [CLS], [SEP] or [UNK]."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._ids = {piece: place for place, piece in enumerate(pieces)}
        self._begin, self._end, self._unknown = (self._ids[piece] for piece in ("[CLS]", "[SEP]", "[UNK]"))
        self._of_word = lru_cache(maxsize=20_000)(self._split)

    def ids(self, text: str) -> list[int]:
        """At most `MOST_PIECES`; what does not fit is left out at the end."""
        found: list[int] = []
        for word in words_of(text):
            found += self._of_word(word)
            if len(found) >= MOST_PIECES - 2:
                break
        return [self._begin, *found[: MOST_PIECES - 2], self._end]

    def _split(self, word: str) -> tuple[int, ...]:
        """The longest piece first, from the left. A word that has none throughout is unknown as a whole."""
        if len(word) > _LONGEST_WORD:
            return (self._unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            place = next((end for end in range(len(word), start, -1) if mark + word[start:end] in self._ids), None)
            if place is None:
                return (self._unknown,)
            found.append(self._ids[mark + word[start:place]])
            start = place
        return tuple(found)


def words_of(text: str) -> list[str]:
    """Small letters without accents; punctuation and ideographs stand alone, controls are left out."""
    spaced: list[str] = []
    for character in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(character)
        if category == "Zs" or character in "\t\n\r":
            spaced.append(" ")
        elif category == "Mn" or category[0] == "C" or character == "\ufffd":
            continue
        elif _stands_alone(character, category):
            spaced.append(f" {character} ")
        else:
            spaced.append(character)
    return "".join(spaced).split()


def can_tell(text: str) -> bool:
    """Whether a model of English words can tell such texts apart: they have words, at least half of them in letters of
    the Latin alphabet. Of other scripts the vocabulary has single characters, and one piece for all that it lacks."""
    letters = [character for character in text[:_LOOKED_AT] if character.isalpha()]
    if not letters:
        return any(character.isalnum() for character in text[:_LOOKED_AT])
    return 2 * sum(map(_is_latin, letters)) >= len(letters)


@lru_cache(maxsize=4_096)
def _is_latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN")


def _stands_alone(character: str, category: str) -> bool:
    place = ord(character)
    return category[0] == "P" or any(first <= place <= last for first, last in (*_ASCII_PUNCTUATION, *_IDEOGRAPHS))
