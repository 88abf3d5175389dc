"""Cuts text into atoms: what the spellings of one value have in common.

| written | atom |
|---|---|
| `Straße`, `STRASSE,` | a word: NFKC, case folded, without outer punctuation and possessive `'s` |
| `Bob <bob@x.com>`, `BOB@X.COM` | an e-mail address, never its parts |
| `https://www.X.com/a/`, `x.com/a` | a URL without scheme, `www.`, default port, fragment and closing slash |
| `1,000.00`, `$1000`, `1000` | a number in its shortest decimal form |
| `2024-05-01`, `May 1st, 2024` | a day; also without its year |
| `9:30AM`, `09:30` | a time of day |
| `INV-2024_07` | an identifier: as written; as its words; without its hyphens |
| `+1 (555) 12-34 567`, `GB29 NWBK 6016` | what is written in groups: also without its spaces |
| `see x.com.They said` | where a space is missing behind a full stop: also what stands before it |

Kinds don't mix: an address is compared with addresses only, so that `a-b@x.com` and `a.b@x.com` stay two values.
Time is linear in the text: each expression starts where the one before ended, and a piece is looked at whole once.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field

from clearway.rules.provenance.dates import days_in_words, iso_day, time_of_day
from clearway.rules.provenance.numerals import number
from clearway.rules.provenance.urls import email_address, file_name, url

#: Between the kind of an atom and its text. Text is cut at it, so no text can pose as an atom of another kind.
KIND = "\x1f"
#: A longer piece without a space is compared as a whole only.
LONGEST = 400

_PIECE = re.compile(
    r"(?:https?|ftps?)://[^\s<>\"“”`{}|\\^\x1f]+"  # a URL as a whole, with its commas and equal signs
    r"|\+\d[\d ()/-]{6,24}\d"  # +1 (555) 123-4567
    r"|[$€£¥+-]?\d[\d.]*(?:,\d[\d.]*)+"  # 1,000.00 and 1.000,00
    r"|\d{1,2}(?::\d{2}){0,2}\s?[aApP]\.?[mM]\b"  # 9:30 am
    r"|[^\s<>()\[\]{}\"“”«»`|;,=\x1f]+"
)
_LISTED = re.compile(r"((?:^|\n)[ \t]{0,8})(\d{1,3})[.)][ \t]")
#: A quotation mark, and no apostrophe: not between two letters.
_QUOTE = re.compile(r"(?<!\w)['\u2018\u2019]|['\u2018\u2019](?!\w)")
_OUTER = ".,:;!?'’\u2018*~#…–—-/\\&_"
_LETTERS = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_UNSPACED = re.compile(f"[{_LETTERS}]")
_SIGN_OR_WORD = re.compile(f"[{_LETTERS}]|[^\\W_{_LETTERS}]+")
_WORD = re.compile(r"[^\W_]+")
_PLAIN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_READERS = (("@", email_address), ("d", iso_day), ("t", time_of_day), ("n", number), ("f", file_name), ("/", url))
#: No domain ends in a capital letter and small ones: `x.com.They`.
_NEXT_SENTENCE = re.compile(r"(.+[a-z0-9])\.[A-Z][a-z]{2,}")
_LONGEST_GROUPED = 12
_IBAN_START = re.compile(r"[a-z]{2}\d{2}")
_BANK_CODE = re.compile(r"[a-z]{4}")


@dataclass(slots=True)
class Cut:
    """A text in atoms, in order. `readings`: (first, behind the last, atom) where several atoms are one value.

    `perhaps`: what a text may mean too. INVARIANT: it counts for what was read, never for what is judged: whoever says
    `x.com.They` may mean `x.com`, but the host `x.com.they` is not `x.com`.
    """

    atoms: list[str] = field(default_factory=list[str])
    readings: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])
    perhaps: list[str] = field(default_factory=list[str])

    def of_days(self) -> set[int]:
        """The places of atoms that are part of a day in words."""
        days = (reading for reading in self.readings if reading[2].startswith(f"d{KIND}"))
        return {place for start, end, _ in days for place in range(start, end)}


def cut(text: str) -> Cut:
    """The atoms of one text."""
    found = Cut()
    normal = _QUOTE.sub(" ", _without_places(unicodedata.normalize("NFKC", text)))
    for match in _PIECE.finditer(normal):
        if len(match[0]) <= LONGEST:
            _read(match[0], found.atoms)
            sentence = _NEXT_SENTENCE.fullmatch(match[0])
            if sentence is not None:
                _read(sentence[1], found.perhaps)
        else:
            found.atoms.append(f"x{KIND}{hashlib.sha256(match[0].encode(errors='surrogatepass')).hexdigest()}")
    found.readings = [*days_in_words(found.atoms, KIND), *_grouped(found.atoms)]
    return found


def _without_places(text: str) -> str:
    """The number of an item in a list says where it stands, and nothing else: where the list has counted so far."""
    last = 0

    def place(match: re.Match[str]) -> str:
        nonlocal last
        number = int(match[2])
        if number not in (1, last + 1):
            return match[0]
        last = number
        return match[1]

    return _LISTED.sub(place, text)


def words_of(atom: str) -> list[str]:
    """The words of an identifier (`inv-2024_07` → inv, 2024, 07) where they are several; none for other kinds."""
    kind, separator, text = atom.partition(KIND)
    words = _WORD.findall(text) if separator and kind == "id" else []
    return words if len(words) > 1 else []


def without_year(atom: str) -> str | None:
    """The day of an argument as a text may name it: `2024-05-01` as `--05-01`."""
    return f"d{KIND}-{atom[6:]}" if atom.startswith(f"d{KIND}") and atom[2] != "-" else None


def compact(atom: str) -> str | None:
    """An identifier without its hyphens, or a long whole number as an identifier: as `cut` reads groups."""
    kind, separator, text = atom.partition(KIND)
    if separator and kind == "id" and "-" in text:
        return f"id{KIND}{text.replace('-', '')}"
    return f"id{KIND}{text}" if separator and kind == "n" and len(text) > 6 and text.isdigit() else None


def is_specific(atom: str) -> bool:
    """Whether an atom is a value by itself: an address, a URL, a day, an identifier; not a word or a small number."""
    kind, separator, text = atom.partition(KIND)
    return bool(separator) and (kind != "n" or len(text) > 3)


def is_short_number(atom: str) -> bool:
    """Whether it is a number that may be anything's: a count, a price, an id."""
    return atom.startswith(f"n{KIND}") and not is_specific(atom)


def addresses(cut: Cut) -> list[str]:
    """The URLs and e-mail addresses among the atoms, each once."""
    return list(dict.fromkeys(atom for atom in cut.atoms if atom.startswith((f"@{KIND}", f"/{KIND}"))))


def _read(piece: str, atoms: list[str]) -> None:
    """Adds the atoms of one piece without spaces."""
    bare = piece.strip(_OUTER).removesuffix("'s").removesuffix("’s")
    if not bare:
        return
    for kind, read in _READERS:
        value = read(piece if kind == "n" else bare)
        if value is not None:
            day, _, time = value.partition(" ")
            atoms += [kind + KIND + day, *([f"t{KIND}{time}"] if time else [])]
            return
    folded = bare.casefold()
    if _UNSPACED.search(folded):
        atoms += _SIGN_OR_WORD.findall(folded)
    elif piece[0] == "+" and len(piece) > 8 and piece[1].isdigit():
        atoms.append(f"id{KIND}{''.join(filter(str.isdigit, piece))}")
    elif _PLAIN.fullmatch(folded):
        atoms += _WORD.findall(folded)
    else:
        folded = folded.lstrip("@$€£+")
        words = _WORD.findall(folded)
        if words == [folded] and folded.isalpha():
            atoms.append(folded)
        elif words:
            atoms.append(f"id{KIND}{folded}")


def _grouped(atoms: list[str]) -> list[tuple[int, int, str]]:
    """Neighbours that may be one value written in groups: `gb29 nwbk 6016 1331` → `gb29nwbk60161331`."""
    found: list[tuple[int, int, str]] = []
    start, run = 0, list[str]()
    for place, atom in enumerate([*atoms, "\n"]):
        group = _group(atom, run)
        ended = len(run) > 1 and len(run[-1]) < 4 and _IBAN_START.fullmatch(run[0])
        if group is not None and len(run) < _LONGEST_GROUPED and not ended:
            start = place if not run else start
            run.append(group)
            continue
        if len(run) > 1 and len(text := "".join(run)) > 6:
            found.append((start, place, f"id{KIND}{text}"))
        group = _group(atom, [])
        start, run = place, [] if group is None else [group]
    return found


def _group(atom: str, before: list[str]) -> str | None:
    """The text of an atom that can be the next group: with a digit, or an IBAN's bank code behind its check digits."""
    kind, separator, text = atom.partition(KIND)
    if not separator:
        return kind if len(before) == 1 and _BANK_CODE.fullmatch(kind) and _IBAN_START.fullmatch(before[0]) else None
    text = text.replace("-", "")
    return text if kind in ("id", "n") and text.isalnum() and len(text) <= 16 else None
