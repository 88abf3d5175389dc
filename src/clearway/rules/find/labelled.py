"""Values behind the names of fields where a text is no JSON: `last_name: …`, `&ssn=…`, `<phone>…</phone>`, Python.

A name alone is believed less here than in JSON: prose and programs have colons too. So a value has to look like what
its field's name says (`shaped`), and what may be any text (a trait, a city, an age) is left alone.
"""

import re

from clearway.rules.find.canonical import canonical
from clearway.rules.find.found import LIKELY, LOOSE, Found
from clearway.rules.find.given import GIVEN, NOT_NAMES, PARTICLES
from clearway.rules.find.keys import type_of, words

#: The names that are looked for. INVARIANT: what is found hangs on nothing else in the text.
NAMES = (
    r"(?i:(?:first|last|middle|given|family|full|maiden|birth|legal|holder|customer|patient|passenger|employee|client|"
    r"guest|contact|sur|fore|vor|nach|familien)[ _-]?name|[fl]name|prenom|pr\xc3\xa9nom|apellidos?|cognome|sobrenome|"
    r"achternaam|voornaam|ssn|social[ _-]?security|passport|tax[ _-]?id|national[ _-]?id|phone|mobile|iban|"
    r"card|cvv|cvc|address|street|zip|post(?:al)?[ _-]?code|plz|imei|plate|latitude|longitude|(?:licen[cs]e|"
    r"account|acct|routing)[ _-]?n(?:umber|o|um))(?i:[ _-]?(?:number|no|nr|num|code|line[ _-]?[0-9]|[0-9]))?"
)
_BEHIND = r"['\]]{0,2}\s{0,2}(?:[:=]|(?:\s[^<>\n]*)?>)"
LABELLED = (r"[A-Za-z0-9_.-]*" + NAMES + _BEHIND).encode()
#: What `LABELLED` has.
LABEL = (NAMES + _BEHIND).encode()
_KEY = re.compile(r"<?([\w.-]*(?:[ _-][\w.-]+){0,4})")
_OPENING = re.compile(r"\s{0,4}=?>?\s{0,4}\\*([\"'`]?)")
_ENDS = {quote: re.compile(rf"[^{quote}\\\n]{{1,160}}") for quote in "\"'`"}
_OPEN_END = re.compile(r"[^\n\t,;&|<>{}()\[\]\"'`\\=:*]{1,160}")
_IN_TAG = re.compile(r"[^<>\x00]{1,160}(?=</)")
_NEXT_KEY = re.compile(r"\s+[\w.-]+\s?\Z")
_CAPITAL = r"[^\W\d_a-zß-öø-ÿ][\w'’.-]*"
_NAMED = re.compile(rf"{_CAPITAL}(?: (?:{_CAPITAL}|{'|'.join(sorted(PARTICLES - {'of', 'the'}))})){{0,4}}")
_CAMEL = re.compile(r"(?<!Mc)(?<!Mac)(?<!De)(?<!Di)(?<!La)(?<!Le)(?<!Van)(?<!Fitz)(?<=[a-z])[A-Z]|[\d_]")
_KINDS = """
    annotated any array bool boolean char character charfield column controller date datetime default description
    empty enter enum example false faker field fields float form function header input int integer invalid label left
    list long map maximum minimum missing must nil not null number object optional option panel param params path
    pattern please property random record regex required right schema see self set sequence str string struct text
    title true tuple type undefined union unique unknown valid value varchar view void width with
"""
#: Words with a capital letter behind a field's name that are no name: types of programs, words of forms.
NO_NAMES = NOT_NAMES | frozenset(_KINDS.split())
_CODE = r"[A-Z0-9][A-Z0-9 ./-]{2,26}[A-Z0-9]"
_SHAPES: dict[str, re.Pattern[str]] = {
    "SSN": re.compile(r"\d{3}[- .]?\d{2}[- .]?\d{4}"),
    "PASSPORT": re.compile(rf"(?=(?:[^\n]?\d){{4}}|[A-Z0-9]*\d[A-Z0-9]*\d){_CODE}"),
    "LICENSE": re.compile(rf"(?=[^\n]*\d[^\n]*\d[^\n]*\d){_CODE}"),
    "NATIONAL_ID": re.compile(rf"(?=[^\n]*\d[^\n]*\d[^\n]*\d[^\n]*\d){_CODE}"),
    "PLATE": re.compile(r"(?=[^\n]*\d)[A-Z0-9][A-Z0-9 -]{2,10}[A-Z0-9]"),
    "IMEI": re.compile(r"\d[\d -]{12,20}\d"),
    "CARD": re.compile(r"\d(?:[ -]?\d){11,18}"),
    "CARD_CODE": re.compile(r"\d{3,4}"),
    "BANK": re.compile(r"[A-Z]{4}[A-Z0-9]{4}(?:[A-Z0-9]{3})?|[A-Z0-9](?:[ -]?[A-Z0-9])*?(?:[ -]?\d){6,}"),
    "IBAN": re.compile(r"[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]){11,30}"),
    "PHONE": re.compile(r"(?:\+|\(?)\d(?:[ ().\-/]{0,3}\d){6,15}(?: ?(?:x|ext\.? ?)\d{1,6})?"),
    "ADDRESS": re.compile(
        r"(?:\d{1,6}[A-Za-z]?,? (?=[^\W\d_a-z])|(?=[^\W\d_a-z])[^\W\d_]{3}(?:[^\W\d_]|[ .'’-]){0,60}[ ,]\d)"
        r"[\w .,'’#/-]{0,80}"
        r"|\d{4,5}(?:-\d{4})?|\d{4} ?[A-Z]{2}|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d"
    ),
    "GEO": re.compile(r"[-+]?\d{1,3}\.\d{3,18}"),
}
_ZIPS = re.compile(r"[\dA-Z][\dA-Z -]{3,9}")
_DATE = re.compile(r"(?:19|20)\d\d[-/.]?\d\d[-/.]?\d\d(?!\d)|\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d(?!\d)")


def labelled(text: str, start: int, end: int) -> Found | None:
    """`start` to `end` is a field's name with the mark behind it."""
    key = _KEY.match(text, start, end)
    if key is None:
        return None
    if text[end - 1] == ">" and text[start - 1 : start] in ("<", ":"):
        match = _IN_TAG.match(text, end)
        return match and _told(key[1], text, *match.span(), (), closed=True)
    if text[end - 1] == ">":
        return None
    opening = _OPENING.match(text, end)
    place = opening.end() if opening else end
    quote = opening[1] if opening else ""
    match = _ENDS[quote].match(text, place) if quote else _OPEN_END.match(text, place)
    if match is None:
        return None
    stop = match.end()
    if not quote and text[stop : stop + 1] in ("=", ":") and (next_key := _NEXT_KEY.search(match[0])):
        stop = place + next_key.start()
    return _told(key[1], text, place, stop, (), closed=bool(quote))


def has_form(kind: str, value: str) -> bool:
    """Whether a field's whole value looks like what its type says."""
    value = value.strip()
    return bool(_person("", value) if kind == "PERSON" else kind in _SHAPES and _SHAPES[kind].fullmatch(value))


def _told(key: str, text: str, start: int, end: int, beside: tuple[str, ...], *, closed: bool) -> Found | None:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    value = shaped(key, piece.strip(), beside, closed=closed, following=text[end : end + 1])
    if value is None:
        return None
    kind, said = value
    return Found(start, start + len(said), kind, canonical(kind, said), LOOSE if kind == "ADDRESS" else LIKELY)


def shaped(
    key: str, value: str, beside: tuple[str, ...] = (), *, closed: bool = True, following: str = ""
) -> tuple[str, str] | None:
    """(type, the part of `value` that is of it), where the field's name and the value's form agree.

    `closed`: the value's end is known, so all of it has to fit. `following`: what stands behind it.
    """
    if not value or not (kind := type_of(key, value, beside)):
        return None
    if kind == "PERSON":
        said = _person(key, value, closed=closed, following=following)
    elif kind in _SHAPES:
        said = _of_shape(kind, key, value, closed=closed)
    else:
        return None
    return (kind, said) if said else None


def _person(key: str, value: str, *, closed: bool = True, following: str = "") -> str:
    if closed and value.isalpha() and value.lower() in GIVEN:
        return value
    match = _NAMED.fullmatch(value) if closed else _NAMED.match(value)
    if match is None or (not closed and following in ("(", "[", "{", ".") and match.end() == len(value)):
        return ""
    said = match[0].rstrip(".-'")
    parts = {word.strip(".").lower() for word in said.split()}
    if len(said) < 2 or _CAMEL.search(said) or parts & NO_NAMES or parts & set(words(key).split()):
        return ""
    return said


#: How stand-ins begin (`rules.stand_ins`).
_MARKED = {
    "CARD": re.compile(r"9"),
    "SSN": re.compile(r"000"),
    "IBAN": re.compile(r"[A-Z]{2}00"),
    "PHONE": re.compile(r"\+999"),
}


def _of_shape(kind: str, key: str, value: str, *, closed: bool) -> str:
    match = _SHAPES[kind].fullmatch(value) if closed else _SHAPES[kind].match(value)
    if match is None or value[match.end() : match.end() + 1].isalnum():
        return ""
    if kind in _MARKED and _MARKED[kind].match(value):
        return ""  # what bears a stand-in's mark is nobody's
    if kind == "PHONE" and _DATE.match(value):
        return ""
    if kind == "ADDRESS" and _ZIPS.fullmatch(match[0]) and not _is_code(key):
        return ""
    return match[0].rstrip(" ,.-/")


def _is_code(key: str) -> bool:
    return any(word in ("zip", "plz", "postcode", "postal", "post") for word in words(key).split())
