"""Names of tools and skills: their form, which of them look alike, and what a misspelt one may have meant."""

import difflib
import re
from collections.abc import Iterable

from clearway.rules.present import to_latin

#: `refund`, or `billing.refund`.
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63})*", re.ASCII)

NAME_FORM = "small letters, digits and underscores, beginning with a letter, with dots between parts"

_LOOKALIKES = (("rn", "m"), ("vv", "w"), ("0", "o"), ("1", "l"), ("_", ""), (".", ""), ("-", ""))


def is_name(text: str) -> bool:
    """Whether `text` may name a tool or a skill."""
    return NAME.fullmatch(text) is not None


def skeleton(name: str) -> str:
    """Two names with the same skeleton can be taken for each other (threat 29): `send_v1` and `send_vl`."""
    plain = to_latin(name).casefold()
    for looks, like in _LOOKALIKES:
        plain = plain.replace(looks, like)
    return plain


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean "x"?`, or the names that there are, or an empty string where there are none."""
    names = sorted(known)
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if close:
        return f'Did you mean "{close[0]}"?'
    if not names:
        return ""
    return f"There is {', '.join(names[:12])}{', …' if len(names) > 12 else ''}."
