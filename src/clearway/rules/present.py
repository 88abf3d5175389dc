"""How a value is shown to people: nothing in it is invisible, reordered, or taken for other letters (threats 6–10, 35).

Unicode UAX #9 (bidi), UTS #39 (confusables; here a small table of Latin, Cyrillic and Greek), UAX #44 (categories).
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

#: A longer text gets the warning `long`: the part that matters may be far down.
LONG_CHARS = 1_000

#: What each warning of `visible` means, in words for people.
WARNINGS: Mapping[str, str] = {
    "control": "contains control characters",
    "bidi": "contains characters that change the direction of reading",
    "invisible": "contains characters that cannot be seen",
    "tag": "contains hidden tag characters, which can carry a second text",
    "private_use": "contains characters without an agreed meaning",
    "unassigned": "contains characters that this Unicode version does not know",
    "mixed_script": "mixes alphabets within a word, so that letters look like others",
    "lookalike": "is written in letters of another alphabet that look like Latin ones",
    "stacked_marks": "piles accents on a letter, which can cover other text",
    "long": f"is longer than {LONG_CHARS:,} characters: read to the end",
}

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Not of category C, yet nothing is drawn for them.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f")
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_MOST_MARKS = 3

_CYRILLIC = "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u04cf\u04af"
_CYRILLIC_CAPITAL = "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0423\u0406\u0408\u0405\u04c0"
_GREEK = "\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03b3"
_GREEK_CAPITAL = "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
#: Letter → the Latin one that it is taken for.
HOMOGLYPHS: Mapping[str, str] = dict(
    zip(
        _CYRILLIC + _CYRILLIC_CAPITAL + _GREEK + _GREEK_CAPITAL,
        "aeopcyxijsdqwhly" + "ABEKMHOPCTXYIJSI" + "aeikvoptuxy" + "ABEZHIKMNOPTYX",
        strict=True,
    )
)

_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
_WORD = re.compile(r"[^\W\d_]+")


def visible(text: str, *, keep_lines: bool = False) -> tuple[str, list[str]]:
    """`text` as it may be shown in a page, a terminal or a log line, and the warnings (keys of `WARNINGS`) about it.

    What cannot be seen stands as `\\u{202E}`, line ends and tabs as `\\n` and `\\t` (with `keep_lines` the line ends
    stay). The result holds no control character, and `visible` of it is the same text again. Not HTML-escaped.
    """
    found: set[str] = {"long"} if len(text) > LONG_CHARS else set()
    if text.isascii() and text.isprintable():
        return text, sorted(found)
    out: list[str] = []
    hidden = _confusable_places(text, found)
    marks = 0
    for place, char in enumerate(text):
        if char == "\n" and keep_lines:
            out.append(char)
            continue
        marks = marks + 1 if unicodedata.combining(char) else 0
        reason = "stacked_marks" if marks > _MOST_MARKS else _reason(char)
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif reason or place in hidden:
            out.append(f"\\u{{{ord(char):X}}}")
        else:
            out.append(char)
        if reason:
            found.add(reason)
    return "".join(out), sorted(found)


def warnings_of(arguments: Mapping[str, Any]) -> list[str]:
    """Warnings about every text in a JSON object, as `name: code`, sorted; nested ones carry their argument's name."""
    return sorted(
        {
            f"{visible(name)[0]}: {code}"
            for name, value in arguments.items()
            for text in _texts(value)
            for code in visible(text)[1]
        }
        | {f"{visible(name)[0]}: {code}" for name in arguments for code in visible(name)[1]}
    )


def to_latin(text: str) -> str:
    """`text` (NFKC) with lookalikes replaced by the Latin letters that they are taken for; for comparing names."""
    return "".join(HOMOGLYPHS.get(char, char) for char in unicodedata.normalize("NFKC", text))


def _reason(char: str) -> str:
    """Why `char` is not shown as itself, as a key of `WARNINGS`; empty where it is, or is an ordinary line end."""
    if char in _ESCAPES:
        return "control" if char == "\r" else ""
    code, category = ord(char), unicodedata.category(char)
    if char in _BIDI:
        return "bidi"
    if 0xE0000 <= code <= 0xE007F:
        return "tag"
    if char in _INVISIBLE or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return "invisible"
    if category in ("Cf", "Zl", "Zp") or (category == "Zs" and char != " "):
        return "invisible"
    return {"Cc": "control", "Cs": "control", "Co": "private_use", "Cn": "unassigned"}.get(category, "")


def _confusable_places(text: str, found: set[str]) -> set[int]:
    """Where letters of `text` are taken for Latin ones: in words of mixed scripts, or where all the rest is Latin."""
    places: set[int] = set()
    foreign_seen, foreign_plain = set[int](), False
    for word in _WORD.finditer(text):
        scripts = {_script(char) for char in word.group()} - {""}
        lookalike = {word.start() + at for at, char in enumerate(word.group()) if char in HOMOGLYPHS}
        if len(scripts) > 1:
            found.add("mixed_script")
            places |= lookalike
        elif scripts and scripts != {"LATIN"}:
            foreign_seen |= lookalike
            foreign_plain = foreign_plain or len(lookalike) < len(word.group())
    if foreign_seen and not foreign_plain:
        found.add("lookalike")
        places |= foreign_seen
    return places | _styled_places(text, found)


def _styled_places(text: str, found: set[str]) -> set[int]:
    """Mathematical and full-width forms of ASCII letters and digits."""
    places = {
        at for at, char in enumerate(text) if ord(char) > 0xFF00 and _is_ascii_word(unicodedata.normalize("NFKC", char))
    }
    if places:
        found.add("lookalike")
    return places


def _is_ascii_word(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _script(char: str) -> str:
    """The script of a letter, as far as it is one of those with lookalikes; empty for the others."""
    name = unicodedata.name(char, "")
    return next((script for script in _SCRIPTS if name.startswith(script)), "")


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        inner: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [text for pair in inner.items() for part in pair for text in _texts(part)]
    if isinstance(value, list | tuple):
        parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return [text for part in parts for text in _texts(part)]
    return []
