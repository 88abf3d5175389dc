"""Checksums and number rules. Each takes a number without separators and says whether it can be one of its kind.

Sources: ISO/IEC 7812-1 (Luhn), ISO 13616-1 (IBAN, mod 97), ISO 7064, SSA (SSN), and the issuing countries' rules.
"""

from datetime import date
from functools import lru_cache

_IBAN = """
    AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DJ:27
    DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HN:28 HR:21 HU:28
    IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22
    MK:19 MN:20 MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 RU:33 SA:24
    SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20 YE:30
"""
_IBAN_LENGTHS = {pair[:2]: int(pair[3:]) for pair in _IBAN.split()}
#: A digit's byte → the digit sum of its double, again as a byte.
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


#: Brands that take almost any number.
WEAK_BRANDS = frozenset(("maestro", "visa13", "other"))


def luhn(digits: str) -> bool:
    data = digits.encode()
    plain = data[-1::-2]
    return (sum(plain) - 48 * len(plain) + sum(data[-2::-2].translate(_DOUBLED))) % 10 == 0


def card_brand(digits: str, *, weak: bool = True) -> str:
    """The brand by prefix and length, with the checksum; empty where it is no card.

    `WEAK_BRANDS` only where `weak`: one number in ten passes the checksum.
    """
    size = len(digits)
    if not 12 <= size <= 19 or digits.count(digits[0]) == size:
        return ""
    brand = _brand(int(digits[:4]), size) or "other"
    return brand if (weak or brand not in WEAK_BRANDS) and luhn(digits) else ""


@lru_cache(maxsize=16_384)
def _brand(head: int, size: int) -> str:
    two = head // 100
    for brand, fits, sizes in (
        ("visa", head // 1000 == 4, (16, 19)),
        ("visa13", head // 1000 == 4, (13,)),
        ("mastercard", 51 <= two <= 55 or 2221 <= head <= 2720, (16,)),
        ("amex", two in (34, 37), (15,)),
        ("discover", head == 6011 or two == 65 or 6440 <= head <= 6499, (16, 17, 18, 19)),
        ("diners", 3000 <= head <= 3059 or two in (36, 38, 39), (14, 16)),
        ("jcb", 3528 <= head <= 3589, (16, 17, 18, 19)),
        ("jcb", head in (2131, 1800), (15,)),
        ("unionpay", two == 62, (16, 17, 18, 19)),
        ("mir", 2200 <= head <= 2204, (16,)),
        ("maestro", two in (50, 56, 57, 58, 60, 61, 63, 64, 66, 67, 68, 69), tuple(range(12, 20))),
    ):
        if fits and size in sizes:
            return brand
    return ""


def iban_length(country: str) -> int:
    """0 where the country has none."""
    return _IBAN_LENGTHS.get(country, 0)


def iban(text: str) -> bool:
    """Capital letters and digits only."""
    if len(text) != _IBAN_LENGTHS.get(text[:2], 0):
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def ssn(digits: str) -> bool:
    """Also taxpayer numbers of people without an SSN (900 to 999)."""
    return (
        len(digits) == 9
        and digits[:3] not in ("000", "666")
        and digits[3:5] != "00"
        and digits[5:] != "0000"
        and digits not in ("123456789", "078051120")
        and len(set(digits)) > 1
    )


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum((ord(char) - 48) * weight for char, weight in zip(digits, weights, strict=False))


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def bsn(digits: str) -> bool:
    return len(digits) == 9 and digits != "0" * 9 and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def pesel(digits: str) -> bool:
    if len(digits) != 11 or _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10:
        return False
    century, month = divmod(int(digits[2:4]), 20)
    return _is_day((1900, 2000, 2100, 2200, 1800)[century] + int(digits[:2]), month, int(digits[4:6]))


def cpf(digits: str) -> bool:
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    first = _weighted(digits, tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = _weighted(digits, tuple(range(11, 1, -1))) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}"


def sin(digits: str) -> bool:
    return len(digits) == 9 and digits[0] not in "08" and luhn(digits)


def nhs(digits: str) -> bool:
    return len(digits) == 10 and _weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0 and len(set(digits)) > 1


def tfn(digits: str) -> bool:
    return len(digits) == 9 and _weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 and len(set(digits)) > 1


def steuer_id(digits: str) -> bool:
    """German tax number of a person: ISO 7064 mod 11,10."""
    if len(digits) != 11 or digits[0] == "0":
        return False
    product = 10
    for char in digits[:10]:
        total = (int(char) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def personnummer(digits: str) -> bool:
    """Swedish, ten digits; co-ordination numbers too."""
    day = int(digits[4:6])
    return len(digits) == 10 and luhn(digits) and _is_day(2000, int(digits[2:4]), day - 60 if day > 60 else day)


def rijksregister(digits: str) -> bool:
    """Belgian."""
    if len(digits) != 11:
        return False
    body, check = int(digits[:9]), int(digits[9:])
    return check in (97 - body % 97, 97 - (2_000_000_000 + body) % 97)


def ahv(digits: str) -> bool:
    """Swiss: an EAN-13 that starts with 756."""
    return len(digits) == 13 and digits.startswith("756") and _weighted(digits, (1, 3) * 6 + (1,)) % 10 == 0


#: Verhoeff's multiplication and permutation, a row of digits each.
_MULTIPLY = (
    "0123456789 1234067895 2340178956 3401289567 4012395678 5987604321 6598710432 7659821043 8765932104 9876543210"
)
_D5 = tuple(tuple(map(int, row)) for row in _MULTIPLY.split())
_PERMUTE = "0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258"
_P8 = tuple(tuple(map(int, row)) for row in _PERMUTE.split())


def aadhaar(digits: str) -> bool:
    """Indian: Verhoeff's checksum; never starts with 0 or 1."""
    if len(digits) != 12 or digits[0] in "01":
        return False
    check = 0
    for place, char in enumerate(reversed(digits)):
        check = _D5[check][_P8[place % 8][ord(char) - 48]]
    return check == 0


def dni(text: str) -> bool:
    """Spanish DNI and NIE, capital letters."""
    number = {"X": "0", "Y": "1", "Z": "2"}.get(text[0], text[0]) + text[1:-1]
    return len(text) == 9 and number.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def nir(text: str) -> bool:
    """French, 15 characters; 2A and 2B stand for Corsica."""
    body = text[:13].replace("2A", "19").replace("2B", "18")
    return len(text) == 15 and body.isdigit() and 97 - int(body) % 97 == int(text[13:])


_CF_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def codice_fiscale(text: str) -> bool:
    """Italian, 16 capital letters and digits."""
    total = 0
    for place, char in enumerate(text[:15]):
        value = int(char) if char.isdigit() else ord(char) - 65
        total += _CF_ODD[value] if place % 2 == 0 else value
    return len(text) == 16 and chr(65 + total % 26) == text[15]


def hetu(text: str) -> bool:
    """Finnish: ddmmyy, a sign for the century, three digits, a check character."""
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(text[:6] + text[7:10]) % 31] == text[10]


def medicare(digits: str) -> bool:
    """Australian: ten or eleven digits, the ninth is the check digit."""
    return len(digits) in (10, 11) and _weighted(digits[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(digits[8])


def aba(digits: str) -> bool:
    """A routing number of the United States."""
    return len(digits) == 9 and _weighted(digits, (3, 7, 1) * 3) % 10 == 0 and digits != "0" * 9


#: Those with the most banks.
_WITHOUT_IBAN = "US CA AU NZ JP CN HK SG IN KR TW TH MY ID PH VN ZA NG KE MX AR CL CO PE UY PA MA"


def country(code: str) -> bool:
    """Whether it is the code of a country with IBANs, or of one of the larger without."""
    return code in _COUNTRIES


_COUNTRIES = frozenset((*_IBAN_LENGTHS, *_WITHOUT_IBAN.split()))
