"""Postal addresses in free text: streets with a number, boxes, units, and codes after the words that announce them."""

from clearway.rules.find.found import LOOSE, Found

ZIP = (
    rb"(?i:\b(?:zip|postal|post)[ -]?code|\bzip)(?i: is| of)?[\s:*\"']{1,4}(\d{5}(?:-\d{4})?|"
    rb"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d)\b"
)
_STREET = (
    r"(?i:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|way|place|pl|terrace|ter|square|sq|"
    r"parkway|pkwy|"
    r"circle|cir|highway|hwy|trail|trl|close|crescent|alley|plaza|row|walk|loop|run|path|grove|gardens|heights|mews|"
    r"ridge)"
)
_W = r"[A-Za-z\x80-\xff][A-Za-z\x80-\xff'.-]{0,24}"
_C = r"[A-Z\xc3-\xd0][A-Za-z\x80-\xff'.-]{1,24}"
_TAIL = (
    r"(?:[,.]?\s{1,3}(?i:apt|apartment|suite|ste|unit|floor|fl|room|flat|#)\.?\s?[A-Za-z0-9-]{1,6})?"
    rf"(?:(?:,\s{{1,3}}{_C}(?: {_C}){{0,2}}?){{1,2}},?\s{{1,3}}[A-Z]{{1,2}}\d[A-Z\d]? \d[A-Z]{{2}}\b|"
    rf"(?:,\s{{1,3}}{_C}(?: {_C}){{0,2}}){{0,2}}(?:,?\s{{1,3}}[A-Z]{{2}}\b)?(?:,"
    rf"?\s{{1,3}}\d{{5}}(?:-\d{{4}})?\b)?(?:,\s{{1,2}}(?:USA|United States))?)"
)
STREET = (rf"\b(\d{{1,6}}[A-Za-z]?(?: \d{{1,5}})? (?:{_C} ){{1,4}}{_STREET}\b\.?{_TAIL})").encode("latin-1")
STREET_SMALL = (
    rf"\b(\d{{2,6}} (?:{_W} ){{1,3}}{_STREET}\b\.?(?:,?\s{{1,3}}(?i:apt|suite|unit)\.?\s?[A-Za-z0-9-]{{1,6}}))"
).encode("latin-1")
CONTINENTAL = (
    rf"\b({_C}(?i:stra(?:\xc3\x9f|ss)e|str\.|gasse|platz|weg|allee|gatan|gata|veien|katu|straat|laan|utca|gracht|kade|plein|"
    rf"singel|dijk|ulica) \d{{1,4}}(?:[A-Za-z]|-[A-Za-z0-9]{{1,3}})?\b"
    rf"(?:,?\s{{1,3}}\d{{4,5}}(?: [A-Z]{{2}})? {_C}(?: {_C})?)?"
    rf"|(?:Rue|rue|Avenue|Via|Viale|Corso|Piazza|Calle|Avenida|Plaza|Rua|Carrer|Paseo) (?:(?:de|del|della|des|du|da|"
    rf"la|las|los|do|dos|di) ){{0,2}}"
    rf"{_C}(?: {_C}){{0,3}},? \d{{1,5}}\b)"
).encode("latin-1")
#: What `CONTINENTAL` has.
CONTINENTAL_END = (
    rb"(?i:asse|a\xc3\x9fe|tr\.|atz|weg|lee|tan|ata|ien|atu|aat|aan|tca|ica|cht|ade|ein|gel|ijk) [0-9]|"
    rb"\b(?:Rue|rue|Avenue|Via|Viale|Corso|Piazza|Calle|Avenida|Plaza|Rua|Carrer|Paseo) "
)
BOX = (
    rb"\b((?i:p\.? ?o\.? ?box|PSC|postfach) [0-9]{1,7}(?:, ?(?i:box) [0-9]{1,6})?(?:,?\s{1,2}(?:APO|DPO|"
    rb"FPO) A[AEP](?: [0-9]{5})?)?)"
)
UNIT = rb"\b((?:Apt\.?|Apartment|Suite|APT\.?) ?#?[0-9]{1,5}[A-Za-z]?)\b"


def place(text: str, start: int, end: int) -> Found | None:
    value = text[start:end]
    return Found(start, end, "ADDRESS", " ".join(value.split()), LOOSE)
