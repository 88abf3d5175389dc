"""Stand-ins: pseudonyms that keep a field's form, for tools whose schema a `<CARD:1…>` would violate.

Deterministic per tenant, as tokens are, and reversible only as they are. Nothing is encrypted: a stand-in is made of
keyed bits. It bears a mark that no real value has (a card begins with 9 and has a wrong check digit, an IBAN has the
check digits 00, a phone the unassigned country code 999 …) or a keyed proof of 40 bits, mostly both: so it is known
again and is never tokenized itself. A form with room for neither keeps its token.
Sources: ISO/IEC 7812-1, ISO 13616-1, ITU-T E.164, RFC 2606 (`.invalid`), RFC 3849, RFC 1112 (240/4), RFC 9562.
"""

import re
import string
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from clearway.rules.find.checks import iban_length, luhn
from clearway.rules.shapes import fits

#: Type of the keyed proof. Its key is never rotated, so that older stand-ins stay known.
PROOF = "STAND_IN"
_BODY = "STAND_IN_BODY"
#: How often another one is tried where the first is taken by another value of the run, or passes its checksum.
ATTEMPTS = 8
_DAYS = (date(3000, 1, 1), date(8999, 12, 31))
_TOP, _LEAST_TOP, _INTEGER_PROOF = 1 << 53, 1 << 46, 1 << 24
_EMAIL = re.compile(r"s([a-z2-7]{13})([a-z2-7]{8})@stand-in\.invalid")
_DATE = re.compile(r"([3-8][0-9]{3}-[01][0-9]-[0-3][0-9])(?:T00:00:00(?:Z|[+-]00:00)?)?")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NANP = re.compile(r"1?[2-9][0-9]{2}55501[0-9]{2}")
_IP6 = "2001:db8:"
#: The shortest of all are social security numbers and addresses such as 240.0.0.0.
_SHORTEST = 9
#: 70 bits take no fewer letters. Of the other forms with letters only an IPv6 address may have fewer.
_SHORTEST_TEMPLATE = 15
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_ONE_OF_EACH = str.maketrans(dict.fromkeys(string.digits, "0") | dict.fromkeys(string.ascii_letters, "a"))
#: To the digits that `int` reads (RFC 4648, §7).
_AS_BASE32HEX = str.maketrans(_BASE32, "0123456789abcdefghijklmnopqrstuv")


class StandIns:
    """Those of one tenant. `token(value, type)`: as `Sealer.token` makes it there."""

    def __init__(self, token: Callable[[str, str], str]) -> None:
        self._token = token

    def make(self, type_name: str, value: str, written: str | int, schema: Mapping[str, Any], attempt: int = 0) -> Any:
        """A stand-in for a canonical `value`, of the form in which it was `written` and that `schema` asks for; None
        where there is none. A text, or a whole number for a whole number."""
        bits = self._number(f"{attempt}\0{type_name}\0{value}")
        if isinstance(written, int):
            return self._integer(bits, schema, is_card=type_name == "CARD")
        made = self._made(type_name, written, schema, bits)
        if made is None or made == written or not fits(schema, made) or not self.recognises(made, type_name):
            return None
        return made

    def recognises(self, text: str, type_name: str = "", *, proven: bool = False) -> bool:
        """Whether `text` is a stand-in of this tenant. `type_name`: as what it was found, where that is known.
        `proven`: a mark without a keyed proof is not enough."""
        if not _SHORTEST <= len(text) <= 320 or not text.isascii():
            return False
        compact = "".join(filter(str.isalnum, text))
        if _is_digits(compact):
            is_marked = not proven and _is_marked(text, compact, type_name)
            return is_marked or self._is_proven_in_digits(text, compact)
        if len(compact) < _SHORTEST_TEMPLATE and text[: len(_IP6)].lower() != _IP6:
            return False  # most names, and whatever else is short: none of the forms below is
        if match := _EMAIL.fullmatch(text):
            return self._proof("EMAIL", match[1], "a" * 8, _BASE32) == match[2]
        if _UUID.fullmatch(text.lower()):
            return self._proof("UUID", compact.lower()[:22], "a" * 10, "0123456789abcdef") == compact.lower()[22:]
        if text.lower().startswith(_IP6):
            return self._is_ip6(text)
        upper = compact.upper()
        if upper[2:4] == "00" and iban_length(upper[:2]) == len(upper):
            return upper.endswith(self._proof("IBAN", upper[:-5], upper[-5:]))
        if match := _DATE.fullmatch(text):
            return not proven and _is_day(match[1])
        return self._is_template(compact)

    # --- Making ---

    def _made(self, type_name: str, written: str, schema: Mapping[str, Any], bits: int) -> str | None:
        form = str(schema.get("format", ""))
        compact = "".join(filter(str.isalnum, written))
        if form in ("date", "date-time") or _ISO_DAY.match(written):
            day = _DAYS[0] + timedelta(days=bits % (_DAYS[1] - _DAYS[0]).days)
            return day.isoformat() + ("T00:00:00Z" if form == "date-time" else "")
        if form.startswith("uuid") or _UUID.fullmatch(written.lower()):
            return self._uuid(written, bits)
        if form in ("email", "idn-email") or type_name == "EMAIL":
            body = _spell("a" * 13, bits, _BASE32)
            return f"s{body}{self._proof('EMAIL', body, 'a' * 8, _BASE32)}@stand-in.invalid"
        if form in ("ipv4", "ipv6") or type_name == "IP":
            return self._ip(bits, v6=":" in written or form == "ipv6")
        if type_name == "CARD" and _is_digits(compact) and 13 <= len(compact) <= 19:
            return _laid_out(written, self._card(len(compact), bits))
        if type_name == "IBAN":
            head = f"{compact[:2].upper()}00{_spell(compact[4:-5].upper(), bits)}"
            return _laid_out(written, head + self._proof("IBAN", head, compact[-5:].upper()))
        if type_name == "SSN" and len(compact) == 9:
            return _laid_out(written, f"000{bits % 1_000_000:06}")
        if type_name == "PHONE":
            return self._phone(written, compact, schema, bits)
        return self._template(written, compact, bits)

    def _card(self, size: int, bits: int) -> str:
        body = "9" + _spell("0" * (size - 6), bits)
        known = body + self._proof("CARD", body, "0" * 4)
        return known + _wrong_check_digit(known)

    def _phone(self, written: str, compact: str, schema: Mapping[str, Any], bits: int) -> str | None:
        body = _spell("0" * 8, bits)
        unassigned = f"+999{body}{self._proof('PHONE', body, '0' * 4)}"
        if fits(schema, unassigned) and not schema.get("pattern"):
            return unassigned
        if _is_digits(compact) and len(compact) in (10, 11):
            # Numbers 555-0100 to 555-0199 are nobody's, in each area of North America.
            local = f"{2 + bits % 8}{bits // 8 % 100:02}55501{bits // 800 % 100:02}"
            return _laid_out(written, ("1" if len(compact) == 11 else "") + local)
        return unassigned

    def _uuid(self, written: str, bits: int) -> str:
        plain = re.sub(r"[^0-9a-f]", "", written.lower())
        version = plain[12] if len(plain) == 32 and plain[12] in "12345678" else "8"
        spelt = _spell("a" * 20, bits, "0123456789abcdef")
        body = f"{spelt[:12]}{version}{spelt[12:15]}8{spelt[15:20]}"
        whole = body + self._proof("UUID", body, "a" * 10, "0123456789abcdef")
        return "-".join((whole[:8], whole[8:12], whole[12:16], whole[16:20], whole[20:]))

    def _ip(self, bits: int, *, v6: bool) -> str:
        if not v6:
            return str(ip_address((240 << 24) + bits % (14 << 24)))
        body = _spell("a" * 14, bits, "0123456789abcdef")
        whole = "20010db8" + body + self._proof("IP", body, "a" * 10, "0123456789abcdef")
        return ip_address(int(whole, 16)).compressed

    def _integer(self, bits: int, schema: Mapping[str, Any], *, is_card: bool) -> int | None:
        span = integer_span(schema)
        if span is None:
            return None
        low, count = span
        for turn in range(ATTEMPTS):
            body = low + (bits + turn) % count
            made = body * _INTEGER_PROOF + self._small_proof(body)
            if not (is_card and luhn(str(made))):
                return made
        return None

    def _template(self, written: str, compact: str, bits: int) -> str | None:
        proof = _proof_length(compact)
        if not proof or not compact.isascii():
            return None
        body = _spell(compact[:-proof], bits)
        return _laid_out(written, body + self._proof("TEXT", body, compact[-proof:]))

    # --- Knowing again ---

    def _is_proven_in_digits(self, text: str, digits: str) -> bool:
        size = len(digits)
        is_like_card = 13 <= size <= 19 and digits[0] == "9" and digits[-1] == _wrong_check_digit(digits[:-1])
        if is_like_card and digits[-5:-1] == self._proof("CARD", digits[:-5], "0" * 4):
            return True
        if size == 15 and digits.startswith("999") and digits[11:] == self._proof("PHONE", digits[3:11], "0" * 4):
            return True
        if text == digits and digits[0] != "0" and len(digits) <= 16 and _LEAST_TOP <= int(digits) < _TOP:
            body, proof = divmod(int(digits), _INTEGER_PROOF)
            return proof == self._small_proof(body)
        return self._is_template(digits)

    def _is_template(self, compact: str) -> bool:
        proof = _proof_length(compact)
        return bool(proof) and compact[-proof:] == self._proof("TEXT", compact[:-proof], compact[-proof:])

    def _is_ip6(self, text: str) -> bool:
        try:
            whole = f"{int(ip_address(text)):032x}"
        except ValueError:
            return False
        return whole[22:] == self._proof("IP", whole[8:22], "a" * 10, "0123456789abcdef")

    # --- Keyed bits ---

    def _number(self, text: str) -> int:
        """160 bits."""
        first, second = (self._bits(f"{turn}\0{text}", _BODY) for turn in "01")
        return first << 80 | second

    def _proof(self, kind: str, body: str, layout: str, alphabet: str = "") -> str:
        return _spell(layout, self._bits(f"{kind}\0{body}", PROOF), alphabet)

    def _small_proof(self, body: int) -> int:
        return self._bits(f"INTEGER\0{body}", PROOF) % _INTEGER_PROOF

    def _bits(self, text: str, kind: str) -> int:
        """The 80 bits of a token."""
        return int(self._token(text, kind).rpartition(":1")[2].rstrip(">").translate(_AS_BASE32HEX), 32)


def integer_span(schema: Mapping[str, Any]) -> tuple[int, int] | None:
    """(first, how many) leading parts of the whole numbers that a schema lets stand in; None where they are too few.
    They lie near 2^53, the last whole number that every JSON reader keeps as it is."""
    low = max(int(schema.get("minimum", 0)), int(schema.get("exclusiveMinimum", -1)) + 1, _LEAST_TOP)
    high = min(int(schema.get("maximum", _TOP)), int(schema.get("exclusiveMaximum", _TOP)), _TOP) - 1
    if high >= 1 << 52:
        low = max(low, 1 << 52)
    first, last = low // _INTEGER_PROOF + 1, high // _INTEGER_PROOF - 1
    return None if "multipleOf" in schema or last - first < 1 << 21 else (first, last - first)


def as_written(stand_in: str, value: str) -> str:
    """A canonical value with the separators of its stand-in, which are those that the value was written with."""
    room = sum(map(str.isalnum, stand_in))
    compact = "".join(filter(str.isalnum, value))
    if len(compact) == room + 1 and _NANP.fullmatch("".join(filter(str.isalnum, stand_in))):
        compact = compact[1:]  # the country code 1 of North America
    return _laid_out(stand_in, compact) if len(compact) == room else value


def _spell(layout: str, number: int, alphabet: str = "") -> str:
    """Digits where `layout` has digits, letters of the same case where it has letters; or all of one `alphabet`."""
    out: list[str] = []
    for char in layout:
        letters = alphabet or _CLASSES.get(char) or _class_of(char)
        number, at = divmod(number, len(letters))
        out.append(letters[at])
    return "".join(out)


def _class_of(char: str) -> str:
    if char.isdigit():
        return "0123456789"
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if char.isupper() else "abcdefghijklmnopqrstuvwxyz"


_CLASSES = {char: _class_of(char) for char in string.digits + string.ascii_letters}


def _laid_out(written: str, chars: str) -> str:
    """`chars` with the separators of `written`."""
    rest = iter(chars)
    return "".join(next(rest, "") if char.isalnum() else char for char in written)


def _proof_length(compact: str) -> int:
    """How many of the last characters make 40 bits; 0 where fewer than 30 bits are left for the value."""
    if len(compact) < _SHORTEST_TEMPLATE or not compact.isascii():
        return 0
    return _room_for_proof(compact.translate(_ONE_OF_EACH))


@lru_cache(maxsize=4096)
def _room_for_proof(compact: str) -> int:
    """`_proof_length`, which hangs only on where digits are."""
    size, room = 0, 1
    while room < 1 << 40 and size < len(compact):
        size += 1
        room *= 10 if compact[-size].isdigit() else 26
    left = 1
    for char in compact[:-size]:
        left *= 10 if char.isdigit() else 26
        if left >= 1 << 30 and room >= 1 << 40:
            return size
    return 0


def _wrong_check_digit(digits: str) -> str:
    """Five off the one that Luhn asks for."""
    right = next(digit for digit in "0123456789" if luhn(digits + digit))
    return str((int(right) + 5) % 10)


def _is_digits(text: str) -> bool:
    return bool(text) and text.isascii() and text.isdigit()


def _is_day(text: str) -> bool:
    try:
        return _DAYS[0] <= date.fromisoformat(text) <= _DAYS[1]
    except ValueError:
        return False


def _is_marked(text: str, digits: str, type_name: str) -> bool:
    """Numbers that are nobody's."""
    if match := _DATE.fullmatch(text):
        return _is_day(match[1])
    if text.count(".") == 3:
        return _is_reserved_ip(text)
    if type_name in ("", "PHONE") and _NANP.fullmatch(digits):
        return True
    return type_name in ("", "SSN") and len(digits) == 9 and digits.startswith("000")


def _is_reserved_ip(text: str) -> bool:
    try:
        return 240 << 24 <= int(ip_address(text)) < 254 << 24
    except ValueError:
        return False
