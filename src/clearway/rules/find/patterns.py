"""The detectors, and the one pass that learns which of them a text needs.

A detector's `trigger` is what the shared pass looks for; only then its own pattern goes over the text, and its check
says what each match is. To add one: a line in `DETECTORS`, and a row in the unit tests' tables.

Triggers are short: over a short text the shared pass takes as long as its automaton's states take to come from memory,
and a pattern that counts characters or spells names has a great many.
"""

import re
from collections.abc import Callable, Collection
from functools import lru_cache, partial
from typing import NamedTuple

from clearway.rules.find import (
    checks,
    embedded,
    ibans,
    labelled,
    numbers,
    papers,
    phones,
    places,
    prose,
    secrets,
    tables,
)
from clearway.rules.find.blobs import BLOB, HEX, HEX_BEGUN, NOT_A_WORD, as_blob, as_hex
from clearway.rules.find.found import CERTAIN, Found
from clearway.rules.find.regex import Pattern, Triggers, in_characters
from clearway.rules.find.values import plain_email

Check = Callable[[str, int, int], Found | list[Found] | None]


class Detector(NamedTuple):
    """`pattern` over UTF-8 bytes; its first group, where it has one, is what `check(text, start, end)` gets.

    INVARIANT: what `check` accepts has `trigger` in its text (the pattern itself, where there is none), and `also` and
    `telling` somewhere in the text. The shared pass looks for `also` too; for `telling` only where it is needed.
    """

    name: str
    pattern: bytes
    check: Check
    trigger: bytes | None = None
    also: bytes = b""
    telling: bytes = b""


_APART = re.compile(r"\s@|@\s")


def _email(text: str, start: int, end: int) -> Found | None:
    value = text[start:end]
    if _APART.search(value) and not any(char in "._-" or char.isdigit() for char in value.split("@", 1)[0].strip()):
        return None
    return Found(start, end, "EMAIL", plain_email(value), CERTAIN)


def _prefixed() -> list[Detector]:
    by_type: dict[str, list[str]] = {}
    for type_name, source in secrets.PREFIXED:
        by_type.setdefault(type_name, []).append(source)
    return [
        Detector(name.lower(), "|".join(sources).encode(), partial(secrets.prefixed, name), secrets.BEGUN.get(name))
        for name, sources in by_type.items()
    ]


_PA = rb"[0-9](?:[ ().\x2f-]{0,3}[0-9]){5,20}"
DETECTORS: tuple[Detector, ...] = (
    Detector("email", rb"(?:[A-Za-z0-9\x80-\xff][A-Za-z0-9\x80-\xff._%+'-]{0,63}|\x22[A-Za-z0-9 ._+-]{1,64}\x22)"
             rb"(?: @ |@[ \n]?| ?[(\[{] ?(?i:at) ?[)\]}] ?)"
             rb"(?:[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\x80-\xff-]{0,62})(?:\.| ?[(\[{] ?(?i:dot) ?[)\]}] ?)){1,8}"
             rb"[A-Za-z\x80-\xff]{2,24}", _email, rb"@|[(\[{] ?(?i:at) ?[)\]}]"),
    Detector("card", rb"[0-9](?:[ ._-]{0,2}[0-9]){11,40}", numbers.cards, rb"[0-9](?:[ ._-]{0,2}[0-9]){11}"),
    Detector("iban", rb"(?:\b|(?i:iban))[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,34}", ibans.ibans,
             rb"(?:\b|(?i:iban))[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9]{4}[ -]?[A-Za-z0-9]{4}"),
    Detector("ssn", rb"[0-9]{3}[- .][0-9]{2}[- .][0-9]{4}", numbers.ssn),
    Detector("ipv4", rb"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}", numbers.ip, rb"[0-9]\.[0-9]{1,3}\.[0-9]{1,"
                                                                                     rb"3}\.[0-9]"),
    Detector("ipv4_defanged", rb"[0-9]{1,3}[\[(]\.[)\]][0-9]{1,3}[\[(]?\.[)\]]?[0-9]{1,3}[\[(]?\.[)\]]?[0-9]{1,3}",
             numbers.ip_defanged, rb"[0-9][\[(]\.[)\]][0-9]"),
    Detector("ipv6", rb"(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:(?:\.[0-9]{1,3}){3})?", numbers.ip,
        rb"[0-9A-Fa-f]{3,4}:[0-9A-Fa-f]{0,4}:|(?i:ffff):[0-9]{1,3}\."),
    Detector("mac", rb"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}", numbers.mac),
    Detector("phone", rb"(?:\+\(?|\()?" + _PA + rb"(?: ?(?:x|ext\.? ?)[0-9]{1,6})?", phones.phones,
             phones.GROUPS, telling=phones.TELLING),
    Detector("phone_link", phones.LINK, phones.linked, phones.LINK_BEGUN),
    Detector("announced", papers.ANNOUNCED, papers.announced, papers.BEGUN),
    Detector("mrz", papers.MRZ, papers.machine_read, papers.MRZ_BEGUN),
    Detector("curp", papers.CURP, papers.curp, papers.CURP_BEGUN),
    Detector("degrees", papers.PLACE, papers.place, papers.PLACE_BEGUN),
    Detector("track", papers.TRACK, papers.track, papers.TRACK_BEGUN),
    Detector("iban_said", ibans.IBAN_SAID, ibans.said_iban, rb"(?i:iban)"),
    Detector("iban_apart", ibans.IBAN_APART, ibans.apart_iban, ibans.IBAN_APART_BEGUN),
    Detector("vcard", papers.VCARD, papers.vcard, rb"\n(?:FN|N|ADR)[:;]"),
    Detector("card_said", numbers.CARD_SAID, numbers.said_cards, numbers.CARD_SAID_BEGUN),
    Detector("dni", rb"\b(?:[0-9]{8}-?|[XYZxyz]-?[0-9]{7}-?)[A-Z]\b", numbers.formed_id(checks.dni)),
    Detector("codice_fiscale", rb"\b(?i:[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z])\b",
             numbers.formed_id(checks.codice_fiscale)),
    Detector("nir", rb"\b[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|"
                    rb"2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\b", numbers.formed_id(checks.nir)),
    Detector("cpf", rb"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b", numbers.formed_id(checks.cpf)),
    Detector("ahv", rb"\b756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}\b", numbers.formed_id(checks.ahv)),
    Detector("rijksregister", rb"\b[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}\b",
             numbers.formed_id(checks.rijksregister)),
    Detector("aadhaar", rb"\b[2-9][0-9]{3} [0-9]{4} [0-9]{4}\b", numbers.formed_id(checks.aadhaar)),
    Detector("personnummer", rb"\b[0-9]{6}[+-][0-9]{4}\b", numbers.formed_id(lambda value: checks.personnummer(value))),
    Detector("hetu", rb"\b[0-9]{6}[-+A][0-9]{3}[0-9A-FHJ-NPR-Y]\b", numbers.hetu),
    Detector("nino", rb"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b",
             numbers.formed_id(lambda value: len(value) == 9)),
    Detector("pan_india", rb"\b[A-Z]{3}[PCHFATBLJG][A-Z][0-9]{4}[A-Z]\b",
             numbers.formed_id(lambda value: len(value) == 10)),
    *_prefixed(),
    Detector("assigned", secrets.ASSIGNED.encode(), secrets.assigned, secrets.WORDS.encode()),
    Detector("cookie", secrets.COOKIE.encode(), secrets.cookie, rb"(?i:sess|sid|session|id|token)="),
    Detector("aws_secret", secrets.BEHIND_AWS_ID.encode(), secrets.aws_secret, rb"A[KS]IA[A-Z0-9]{4}"),
    Detector("code", secrets.CODE.encode(), secrets.code, secrets.CODE_BEGUN.encode()),
    Detector("bearer", secrets.BEARER.encode(), secrets.bearer, rb"(?i:bearer|basic|token)\s"),
    Detector("in_url", secrets.IN_URL.encode(), secrets.in_url, rb"://[^\s/@]{1,200}@"),
    Detector("blob", BLOB, as_blob, rb"[A-Za-z0-9+/_-]{16}", NOT_A_WORD),
    Detector("json", embedded.BEHIND, embedded.behind, embedded.BEHIND_BEGUN),
    Detector("labelled", labelled.LABELLED, labelled.labelled, labelled.LABEL),
    Detector("table", tables.TABLE, tables.table, tables.TABLE_BEGUN),
    Detector("hex", HEX, as_hex, HEX_BEGUN),
    Detector("introduced", prose.INTRODUCED, prose.introduced, prose.INTRODUCING),
    Detector("addressee", prose.ADDRESSEE, prose.addressee, prose.ADDRESSEE_END),
    Detector("born", prose.BORN, prose.born, prose.BIRTH),
    Detector("user_id", prose.USER_ID, prose.user_id, prose.USER_ID_BEGUN),
    Detector("handle", prose.HANDLE, prose.handle, rb"[._][A-Za-z]{2,20}[._]?[0-9]{2}"),
    Detector("zip", places.ZIP, places.place, rb"(?i:zip|code)"),
    Detector("street", places.STREET, places.place, rb"[0-9][A-Za-z]? [A-Z\x80-\xff]"),
    Detector("street_small", places.STREET_SMALL, places.place, rb"\s(?i:apt|suite|unit)"),
    Detector("continental", places.CONTINENTAL, places.place, places.CONTINENTAL_END),
    Detector("box", places.BOX, places.place),
    Detector("unit", places.UNIT, places.place),
)  # fmt: skip


class _Compiled(NamedTuple):
    triggers: Triggers
    #: By the trigger's place: the pattern, its check, the place of what else has to occur (its own, for nothing), and
    #: what has to occur besides.
    detectors: list[tuple[Pattern, Check, int, Pattern | None]]
    #: Where the trigger of the given names is.
    given: int


@lru_cache(maxsize=1)
def _compiled() -> _Compiled:
    sources = [detector.trigger or detector.pattern for detector in DETECTORS]
    detectors: list[tuple[Pattern, Check, int, Pattern | None]] = []
    for place, detector in enumerate(DETECTORS):
        if detector.also:
            sources.append(detector.also)
        also = len(sources) - 1 if detector.also else place
        telling = Pattern(detector.telling) if detector.telling else None
        detectors.append((Pattern(detector.pattern), detector.check, also, telling))
    sources.append(prose.GIVEN_NAME)
    return _Compiled(Triggers(sources), detectors, len(sources) - 1)


def trigger_pass(data: bytes) -> int:
    """How many detectors a text would need: the shared pass by itself, for benches."""
    return len(_compiled().triggers.hits(data))


def detect(text: str, data: bytes, *, names: bool = False, words: Collection[str] | None = None) -> list[Found]:
    """Everything that the detectors find in `text` (`data` is its UTF-8), overlaps too; `names`: given names also.
    `words`: the text's, where they are known."""
    triggers, detectors, given = _compiled()
    hits = triggers.hits(data)
    if not hits:
        return []
    matches: list[tuple[Check, int, int]] = []
    count = len(detectors)
    for number in hits:
        if number >= count:
            break
        pattern, check, also, telling = detectors[number]
        if also in hits and (telling is None or telling.occurs(data)):
            for start, end in pattern.spans(data):
                matches.append((check, start, end))
    if len(data) != len(text) and matches:
        places = in_characters(data, [place for _, start, end in matches for place in (start, end)])
        matches = [(check, places[start], places[end]) for check, start, end in matches]
    found = _checked(text, matches)
    if names and hits[-1] == given:
        found += prose.by_given_name(text, words)
    return found


def _checked(text: str, matches: list[tuple[Check, int, int]]) -> list[Found]:
    found: list[Found] = []
    for check, start, end in matches:
        one = check(text, start, end)
        if isinstance(one, list):
            found += one
        elif one is not None:
            found.append(one)
    return found
