"""People in free text, as far as the words around tell: "my name is …", "Dear …", "date of birth of …"."""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from clearway.rules.find.canonical import canonical
from clearway.rules.find.context import before
from clearway.rules.find.dictionary import Dictionary
from clearway.rules.find.found import CERTAIN, LIKELY, LOOSE, Found
from clearway.rules.find.given import ALSO_WORDS, GIVEN, NOT_FAMILY, NOT_NAMES, PARTICLES
from clearway.rules.find.labelled import NO_NAMES
from clearway.rules.find.months import MONTHS
from clearway.rules.find.values import GENERIC, like_handle

_L = r"[A-Za-z\x80-\xff'-]"
_NAME = rf"[A-Z\xc3-\xd0]{_L}{{1,30}}"
_PARTICLE = r"(?:[A-Z]\.?|van|der|den|de|del|von|zu|da|di|la|bin|al|el|dos)"
_FULL = rf"{_NAME}(?: {{1,2}}(?:{_PARTICLE} ){{0,3}}{_NAME}){{0,3}}"

INTRODUCED = (
    r"(?:(?i:\b(?:my|his|her|their|the|whose|your)(?: \w{1,12})? names? (?:is|was|are)|\bname's|\bi am called|"
    r"\bcall me|"
    r"\bthis is|\b(?:first|last|middle|maiden|family|given|full|sur)[ _-]?name(?: is| of| on file)?|\bsurname(?: is)?|"
    r"\b(?:passenger|customer|patient|account holder|cardholder|guest|traveler|traveller|contact|"
    r"employee)s?(?: names?| \w{3,5})?|"
    r"\bunder (?:the|my \w{3,10}'s) name|\bnamed(?: him| her| them)?|\bname(?: of)?|\bname on (?:the|"
    r"my) \w{4,12}(?: is)?|"
    r"\bmein name ist|\bich hei(?:ß|ss)e|\bje m'appelle|\bmon nom est|\bme llamo|\bmi nombre es|\bmi chiamo|"
    r"\bmeu nome (?:e|é)|\bmijn naam is|\bik heet|"
    r"\bi'm|\bi am|\buser|\bit's|\bsigned)(?:\s{1,3}[:=\x22*-]{0,4}|[:=\x22*-]{1,4})\s{0,6}"
    r"|(?i:\b(?:mr|mrs|ms|miss|mx|dr|prof|herr|frau|mme|sir|señor|señora)\b)\.? (?:(?:Dr|Prof|Ing|Mag)\.? ){0,2}"
    r"|(?i:\b(?:dear|hi|hello|hey|regards|sincerely|cheers|thanks))[ ,]{1,2}\n{0,2}"
    r"|(?i:\b(?:friend|wife|husband|spouse|brother|sister|mother|father|mom|dad|son|daughter|uncle|aunt|cousin|partner|"
    r"colleague|boss|assistant|manager|girlfriend|boyfriend|roommate|neighbor|neighbour)),? )"
    rf"({_FULL})"
).encode()  # fmt: skip

#: What `INTRODUCED` begins with: the last of the words that announce a name, and the name's capital letter.
INTRODUCING = (
    rb"(?i:names?(?: is| was| are| of| on file| on (?:the|my) [a-z0-9_]{4,12}(?: is)?)?|called|call me|this is|"
    rb"surname(?: is)?|named(?: him| her| them)?|name's|i'm|name ist|hei(?:\xc3\x9f|ss)e|appelle|nom est|llamo|"
    rb"nombre es|chiamo|nome (?:e|\xc3\xa9)|naam is|heet|"
    rb"i am|user|it's|signed|"
    rb"(?:passenger|customer|patient|holder|guest|traveler|traveller|contact|employee)s?(?: names?| [a-z0-9_]{3,5})?|"
    rb"dear|hi|hello|hey|regards|sincerely|cheers|thanks|\b(?:mr|mrs|ms|miss|mx|dr|prof|herr|frau|mme|sir)\.?|se\xc3\xb1ora?|"
    rb"friend|wife|husband|spouse|brother|sister|mother|father|mom|dad|son|daughter|uncle|aunt|cousin|partner|"
    rb"colleague|boss|assistant|manager|girlfriend|boyfriend|roommate|neighbor|neighbour)[\s:=\x22*,-]{1,13}"
    rb"(?:[A-HJ-Z\xc3-\xd0]|I(?:[^D]|D[A-Za-z\x80-\xff'-]))"
)

#: A name before its e-mail address, as in a letter's head: `Otto Quick <otto@…>`.
ADDRESSEE = (
    rf"(?:^|[^\w'.-])({_NAME}(?:,? {{1,2}}(?:{_PARTICLE} ){{0,3}}{_NAME}){{0,3}})[\x22']? ?<[^<>\s@]{{1,64}}@"
).encode()
#: What `ADDRESSEE` has.
ADDRESSEE_END = rb"[A-Za-z\x80-\xff'.-][\x22']? ?<[A-Za-z0-9._%+'-]+@"

_MONTH = rf"(?i:{'|'.join(sorted(MONTHS, key=len, reverse=True))})"
_DATE = (
    rf"(?:(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\b|\d{{4}} ?[-/.] ?\d{{1,2}} ?[-/.] ?\d{{1,2}}|"
    rf"\d{{4}}年\d{{1,2}}月\d{{1,2}}日|\d{{1,2}}[- ]?{_MONTH}[- ]?(?:19|20)\d\d|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}|"
    rf"{_MONTH}\.? \d{{1,2}}(?i:st|nd|rd|th)?,? \d{{4}}|"
    rf"\d{{1,2}}(?:(?i:st|nd|rd|th|er|º)|\.)? (?:(?i:of|de) )?{_MONTH}\.?,? (?:(?i:de|del) )?\d{{4}})"
)
BORN = (
    r"(?:(?i:\b(?:dob|d\.o\.b\.?|date of birth|birth[ _-]?date|birth[ _-]?day|bday|born(?: on)?|date_of_birth|"
    r"geb(?:\.|oren(?: am| op)?)?|geburtsdatum|geburtstag|geboortedatum|née? le|(?:date de )?naissance|"
    r"nacid[oa](?: el)?|(?:fecha de )?nacimiento|nat[oa] il|(?:data di )?nascita|nascid[oa] em|"
    r"(?:data de )?nascimento|data urodzenia|urodzon[ya]))|дата рождения|Дата рождения|родил(?:ся|ась)|"
    r"生年月日|出生日期)"
    rf"[\s\"'*:=().>-]{{0,8}}(?:(?i:is|was|of|on|am|le|el|il)[\s:]{{1,2}})?(?:(?i:the|den|dem) )?({_DATE})"
).encode()
#: What `BORN` begins with.
BIRTH = (
    "(?i:dob|d\\.o\\.b|birth|bday|born|geb|née? le|naissance|nac[ei]|nasci|nat[oa] il|nascim|urodz)|рожд|роди|"
    "生年月|出生日"
).encode()

USER_ID = (
    rb"(?i:\b(?:user|member|login|account|customer)?[ _-]?(?:id|name|handle)\b)(?:,? which)?\s{0,2}(?:is|was|:|=|"
    rb"[-*]{1,3}|,)?[\s:*\"'`]{0,4}"
    rb"([A-Za-z][A-Za-z0-9]{0,30}(?:[._-][A-Za-z0-9]{1,30}){1,4})"
)
#: What `USER_ID` begins with.
USER_ID_BEGUN = (
    rb"(?i:id|name|handle)(?:,? which)?\s{0,2}(?:is|was|:|=|[-*]{1,3}|,)?[\s:*\"'`]{0,4}[A-Za-z][A-Za-z0-9]*[._-]"
)
HANDLE = rb"\b([A-Za-z]{2,20}[._][A-Za-z]{2,20}[._]?[0-9]{2,6})\b"

_CARD_LIKE = re.compile(r"(?i)(?:" + "|".join(sorted(GENERIC)) + r")(?=[._-])")


def introduced(text: str, start: int, end: int) -> Found | None:
    """`start` to `end` is one or more words with capital letters after "my name is", "Dear", "passenger" …"""
    words = [match.span() for match in re.finditer(r"[^\s]+", text[start:end])]
    kept = 0
    last = 0
    for begin, stop in words:
        word = text[start + begin : start + stop].strip(".,'-").lower()
        if word in NOT_NAMES or word.split("'", 1)[0] in NOT_NAMES:
            break
        if word not in PARTICLES:
            kept, last = kept + 1, stop
    if not kept:
        return None
    value = text[start : start + last].rstrip(".'-")
    value = value.removesuffix("'s")
    announced = before(text, start).lower()
    if (
        kept == 1
        and announced.endswith(_ASSIGNS)
        and (value.lower() in NO_NAMES or text[start + last : end + 1][:1] in ("(", "["))
    ):
        return None
    if (value.isupper() and len(value) <= 4) or (_is_doubtful if kept == 1 else _is_heading)(value, announced):
        return None
    return Found(start, start + len(value), "PERSON", " ".join(value.split()), LIKELY)


_ASSIGNS = (": ", "= ", ":", "=")
_WEAK = re.compile(r"(?:i'm|i am|it's|this is|user|hi|hello|hey|thanks|cheers|signed|name|are|regards|passengers?)\W*$")


def _is_doubtful(value: str, announced: str) -> bool:
    """One word with a capital letter that is no common given name: after "I'm" and "name:" that is anything."""
    if value.lower() in GIVEN or not _WEAK.search(announced):
        return False
    if re.search(r"(?:first|last|middle|maiden|sur)[ _-]?name\W*$", announced):
        return False
    greeted = re.search(r"\b(?:hi|dear)[ ,]+$", announced)
    return greeted is None or value.lower() in ALSO_WORDS or value.isupper()


def _is_heading(value: str, announced: str) -> bool:
    """After "this is" and "name:" also products and companies follow: there, one word has to be a given name."""
    weak = re.search(
        r"(?:this is|it's|name|user|contact|customer|employee|manager|assistant|i am|i'm)[\W]*$", announced
    )
    strong = re.search(r"(?:my|his|her|first|last|full|maiden|under \w+) names?(?: is)?\W*$", announced)
    return weak is not None and strong is None and not any(word.lower() in GIVEN for word in value.split())


_ROLES_TEXT = """
    account accounts admin administrator alert alerts announce authors automation billing bot build care community
    contributors daemon department desk developer developers devs digest feedback finance foundation github group hr
    ab ag authority bv committee core council oy packaging plc python sarl society
    info invoice it jira lab labs legal list mailer mailing maintainers marketing network news newsletter noreply
    notification notifications office operations orders payment payments postmaster press privacy project reply root
    sales security service software system systems team updates web webmaster
"""
_NO_PERSON = NOT_NAMES | frozenset(_ROLES_TEXT.split())


def addressee(text: str, start: int, end: int) -> Found | None:
    """`start` to `end` are words with capital letters before an address in angle brackets: two that are no team's, or
    one that is a given name or a part of the address."""
    value = text[start:end].rstrip("'.-")
    parts = [part.strip(".,'").lower() for part in value.split()]
    if not _NO_PERSON.isdisjoint(parts):
        return None
    if len(parts) == 1 and parts[0] not in GIVEN:
        return None
    return Found(start, start + len(value), "PERSON", " ".join(value.split()), LIKELY)


def born(text: str, start: int, end: int) -> Found | None:
    return Found(start, end, "DOB", canonical("DOB", text[start:end]), CERTAIN)


def user_id(text: str, start: int, end: int) -> Found | None:
    value = text[start:end]
    if not like_handle(value) or text[end : end + 1] == "@" or _CARD_LIKE.match(value):
        return None
    if not any(map(str.isdigit, value)) and not any(part.lower() in GIVEN for part in re.split(r"[._-]", value)):
        return None
    return Found(start, end, "USERNAME", value, LIKELY)


def handle(text: str, start: int, end: int) -> Found | None:
    """`anna_kim_4411` anywhere: a login by its form, where its first part is a given name."""
    value = text[start:end]
    first = re.split(r"[._]", value, maxsplit=1)[0].lower()
    return Found(start, end, "USERNAME", value, LIKELY) if first in GIVEN else None


_SHORTEST_NAME = 3
_NAMES = {name: name.capitalize() for name in sorted(GIVEN) if len(name) >= _SHORTEST_NAME}
#: So few names in a text are searched for one by one.
_FEW_NAMES = 8
#: What `by_given_name` finds has one of these; they are in the detectors' shared pass, where they cost nothing.
GIVEN_NAME = rf"\b(?:{'|'.join(_NAMES.values())})\b".encode()


@lru_cache(maxsize=1)
def _given() -> Dictionary:
    return Dictionary(dict.fromkeys(_NAMES.values(), 0))


_FAMILY = re.compile(
    r"(?: {1,2}(?:[^\W\d_]\.?|van|der|den|de|del|von|zu|da|di|la|bin|al|el|dos)){0,3} {1,2}([^\W\d_][\w'-]{1,30})"
)


def _given_names(text: str, words: Collection[str] | None) -> Iterable[tuple[int, int]]:
    """The places of given names, and of what begins or ends like one, in order."""
    names = None if words is None else [_NAMES[word] for word in _NAMES.keys() & words]
    if names is None or len(names) > _FEW_NAMES:
        return [(start, end) for start, end, _ in _given().occurrences(text)]
    places: list[tuple[int, int]] = []
    for name in names:
        start = text.find(name)
        while start >= 0:
            places.append((start, start + len(name)))
            start = text.find(name, start + 1)
    return sorted(places)


def by_given_name(text: str, words: Collection[str] | None = None) -> list[Found]:
    """Common given names with a capital letter, and the family name after them. `words`: the text's, as `all_words` has
    them, where they are known."""
    found: list[Found] = []
    free = 0
    for start, end in _given_names(text, words):
        if start < free or (start and (text[start - 1].isalnum() or text[start - 1] in "_@./#")):
            continue
        following = text[end : end + 1]
        if following and (following.isalnum() or following in "_@/-"):
            continue
        stop, parts = _with_family(text, end)
        name = text[start:end].lower()
        if parts == 1 and (name in ALSO_WORDS or _in_a_name(text, start, stop)):
            continue
        if _PLACE_AFTER.match(text, stop, stop + 24):
            continue
        found.append(Found(start, stop, "PERSON", " ".join(text[start:stop].split()), LOOSE))
        free = stop
    return found


_PLACE_AFTER = re.compile(
    r"(?i) (?:international )?(?:air(?:port|lines)|universit|street|hospital|stadium|museum|school|avenue|bridge|"
    r"park\\b|beach)"
)


def _with_family(text: str, end: int) -> tuple[int, int]:
    """(end of the name, number of its words) where a given name ends at `end`."""
    words = 1
    for _ in range(3):
        match = _FAMILY.match(text, end, end + 64)
        if match is None or not match.group(1)[0].isupper():
            break
        word = match.group(1).lower().removesuffix("'s")
        if word in NOT_FAMILY or (match.group(1).isupper() and words > 1):
            break
        end = match.end() - (2 if match.group(1).endswith("'s") else 0)
        words += 1
        if match.group(1).endswith("'s"):
            break
    return end, words


def _in_a_name(text: str, start: int, end: int) -> bool:
    """Whether a given name alone is a part of something else's: "Santa Monica", "Victoria Street", "St Louis"."""
    following = re.match(r" {1,2}([A-Z][\w]*)", text[end : end + 32])
    leading = re.search(r"([A-Z][\w.]*) $", text[max(0, start - 24) : start])
    opens = leading is not None and leading.group(1).rstrip(".").lower() in (
        "san",
        "santa",
        "st",
        "saint",
        "fort",
        "port",
        "mount",
        "lake",
        "new",
        "north",
        "south",
        "east",
        "west",
    )
    closes = (
        following is not None
        and following.group(1).lower() in NOT_FAMILY
        and following.group(1).lower() not in NOT_NAMES - NOT_FAMILY
    )
    return opens or (closes and following is not None and following.group(1).lower() not in _SMALL)


_SMALL_TEXT = """
    i we you he she it they my your his her our their please can could would will is was are has have had do
    does did
"""
_SMALL = frozenset(_SMALL_TEXT.split())
