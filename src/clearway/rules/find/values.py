"""Whether a value can be what its field's name says. Each looks at a bounded text, in linear time."""

import re
from collections.abc import Callable
from ipaddress import ip_address

from clearway.rules.find.given import ALSO_WORDS, GIVEN, NOT_FAMILY, PARTICLES

LONGEST = 512

#: United States Postal Service, Publication 28, appendix C1, without the rarest; plurals by the `s?` below.
STREET_WORDS = (
    "alley|avenue|ave|bay|beach|bend|boulevard|blvd|branch|bridge|brook|bypass|canyon|cape|causeway|center|circle|"
    "cir|cliff|"
    "club|common|corner|course|court|ct|cove|creek|crescent|crest|crossing|crossroad|curve|dale|dam|divide|drive|dr|"
    "estate|"
    "expressway|extension|fall|ferry|field|flat|ford|forest|forge|fork|fort|freeway|garden|gateway|glen|green|grove|"
    "harbor|"
    "haven|height|highway|hwy|hill|hollow|inlet|island|isle|junction|key|knoll|lake|land|landing|lane|ln|light|lodge|"
    "loop|"
    "manor|meadow|mews|mill|mission|motorway|mount|mountain|neck|orchard|oval|overpass|park|parkway|pkwy|pass|"
    "passage|path|"
    "pike|pine|place|pl|plain|plaza|point|port|prairie|radial|ramp|ranch|rapid|rest|ridge|river|road|rd|route|row|"
    "rue|run|"
    "shoal|shore|skyway|spring|spur|square|sq|station|stravenue|stream|street|st|summit|terrace|throughway|trace|track|"
    "trafficway|trail|tunnel|turnpike|underpass|union|valley|via|viaduct|view|village|ville|vista|walk|wall|way|well"
)
_STREET = re.compile(rf"(?i)\b(?:{STREET_WORDS})s?\b\.?\s*[\w.]{{0,8}}$|(?:stra(?:ß|ss)e|str\.|gasse|platz|weg)\b")
_UNIT = re.compile(r"(?i)\b(?:apt|apartment|suite|ste|unit|box|floor|flat|room|psc|dpo|apo|fpo|lot)\b")
_NUMBERED = re.compile(r"\d{1,6}\w?[ ,]+[^\W\d]|[^\W\d]{3}\S*[ ,]+\d{1,5}\w?\b")
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[^\W\d_]+")
_NAME = re.compile(r"[^\W\d_][^\d\n<>{}\[\]@#=/\\|_:;?!%&*+$€£]{1,79}")
_FULL_NAME = re.compile(r"(?:[^\W\d_][\w.'’-]{0,39} ){1,4}[^\W\d_][\w.'’-]{1,39}")
_HANDLE = re.compile(r"(?i)@?[a-z]{2,30}(?:[._-][a-z]{2,30}){0,3}(?:[._-]?\d{1,8})?")
_COORDINATE = re.compile(r"[-+]?\d{1,3}\.\d{2,18}(?:\s*[,;]\s*[-+]?\d{1,3}\.\d{2,18})?°?")
_EXPIRY = re.compile(r"(?:0?[1-9]|1[0-2])\s?[/-]?\s?(?:20)?\d\d|20\d\d[/-](?:0[1-9]|1[0-2])")
_MAC = re.compile(r"(?i)[0-9a-f]{2}(?:[:\- .]?[0-9a-f]{2}){5}(?:[:\- .]?[0-9a-f]{2}){0,2}")
_BIC = re.compile(r"[A-Z]{4}[A-Z0-9]{4}(?:[A-Z0-9]{3})?")
_BANK = re.compile(r"(?i)[a-z0-9 *-]{4,40}")
#: Behind the name of its scheme, or beside another one, a key has so many characters.
_LONG_KEY = 16
_PLACEHOLDER = re.compile(
    r"(?i)(?:\$\{|\$[A-Z_]+$|\{\{|%\(|<[a-z_ -]*>|<{9}|env:|vault:|ref:)|[*x•.\-_#]+$|(?:null|none|nil|true|false|"
    r"undefined|redacted|masked|"
    r"hidden|empty|"
    r"changeme|your[-_ ]?.*|example|placeholder|string|required|optional|missing|invalid|incorrect|wrong|expired|"
    r"reset|secret|"
    r"password|token|basic|bearer|n/?a)$"
)


def anything(text: str) -> bool:
    return bool(text.strip())


def digits(least: int) -> Callable[[str], bool]:
    """A test for a value with at least so many digits."""
    return lambda text: len(_DIGIT.findall(text)) >= least


def secret(least: int) -> Callable[[str], bool]:
    """A test for a value of at least so many characters that is no placeholder."""
    return lambda text: len(text.strip()) >= least and not is_placeholder(text.strip())


def key(least: int) -> Callable[[str], bool]:
    """As `secret`, for what programs hand to each other: a key or token has no blank in it (RFC 6750, `b64token`), so
    several short words are none."""
    fits = secret(least)
    return lambda text: fits(text) and (len(parts := text.split()) == 1 or max(map(len, parts)) >= _LONG_KEY)


def is_placeholder(text: str) -> bool:
    return _PLACEHOLDER.match(text[:LONGEST]) is not None


def has_at(text: str) -> bool:
    return "@" in text or "%40" in text or "\uff20" in text or "(at)" in text


_AT = re.compile(r"(?i)\s?[(\[{]\s?at\s?[)\]}]\s?|\s*@\s*")
_DOT = re.compile(r"(?i)\s?[(\[{]\s?dot\s?[)\]}]\s?")


def plain_email(text: str) -> str:
    """In small letters, with `@` and `.` for "(at)" and "[dot]"."""
    return _DOT.sub(".", _AT.sub("@", text.strip().lower()))


def like_ip(text: str) -> bool:
    first = text.split(",", 1)[0].strip()
    try:
        ip_address(first.split("/", 1)[0])
    except ValueError:
        return False
    return True


def like_mac(text: str) -> bool:
    return _MAC.fullmatch(text.strip()) is not None


def like_expiry(text: str) -> bool:
    return _EXPIRY.fullmatch(text.strip()) is not None


def like_age(text: str) -> bool:
    return len(text) < 8 and text.strip().split(".", 1)[0].isdecimal()


def like_bank(text: str) -> bool:
    stripped = text.strip()
    if _BIC.fullmatch(stripped):
        return True
    return _BANK.fullmatch(stripped) is not None and len(_DIGIT.findall(stripped)) >= 3


def short_words(text: str) -> bool:
    return 0 < len(text.strip()) <= 60 and text.strip().lower() not in ("true", "false", "null", "none")


def like_name(text: str) -> bool:
    stripped = text.strip()
    return 1 < len(stripped) <= 80 and (_NAME.fullmatch(stripped) is not None or like_handle(stripped))


def like_full_name(text: str) -> bool:
    """Two to five words, all but the particles with a capital letter."""
    stripped = text.strip()
    if len(stripped) > 120 or _FULL_NAME.fullmatch(stripped) is None:
        return False
    parts = stripped.split()
    return all(part[0].isupper() or part.lower() in PARTICLES for part in parts) and parts[-1].lower() not in NOT_FAMILY


def has_given_name(text: str) -> bool:
    """A full name that starts with a common given name."""
    parts = text.split()
    return 2 <= len(parts) <= 5 and parts[0].lower() in GIVEN and like_full_name(text)


def like_handle(text: str) -> bool:
    """A login that is made of names (`chen_lee_6825`, `jdoe@x`), not a number or a random id (`usr_01HX`)."""
    stripped = text.strip()
    if "@" in stripped[1:]:
        return True
    if _HANDLE.fullmatch(stripped) is None:
        return False
    parts = [part.lower() for part in _WORD.findall(stripped.replace("_", " "))]
    long = [part for part in parts if len(part) >= 2]
    return (len(long) >= 2 and not GENERIC & set(parts)) or any(
        part in GIVEN and part not in ALSO_WORDS for part in parts
    )


_GENERIC_TEXT = """
    account acct admin agent api app bank bot card cart certificate charge client credit customer cust debit
    default demo dev device event file flight free gift group guest guid item job member node order org payment
    plan premium prod product project ref request res reservation role service session sku sub system task team
    tenant test ticket trial tx user usr uuid voucher vip
"""
#: Words of ids that stand for a kind of thing.
GENERIC = frozenset(_GENERIC_TEXT.split())


def like_place(text: str) -> bool:
    """A part of an address, given under a name that leaves little doubt: no URL, no object's text, not only a word."""
    stripped = text.strip()
    return (
        0 < len(stripped) <= LONGEST
        and "://" not in stripped
        and (_DIGIT.search(stripped) is not None or " " in stripped or _STREET.search(stripped) is not None)
    )


def like_address(text: str) -> bool:
    """An address by itself: a number and a word, a street's word, a unit, or a bare house number."""
    stripped = text.strip()
    if not 0 < len(stripped) <= 200 or "://" in stripped:
        return False
    bare = len(stripped) <= 6 and stripped.isdecimal()
    return (
        bare
        or _UNIT.search(stripped) is not None
        or _STREET.search(stripped) is not None
        or _NUMBERED.match(stripped) is not None
    )


def like_coordinate(text: str) -> bool:
    return _COORDINATE.fullmatch(text.strip()) is not None
