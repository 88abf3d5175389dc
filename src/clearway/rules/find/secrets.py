"""Secrets: keys with a known beginning, tokens after words that announce them, passwords in assignments and URLs."""

import math
import re
from collections import Counter

from clearway.rules.find.context import before
from clearway.rules.find.found import CERTAIN, LIKELY, Found
from clearway.rules.find.values import is_placeholder

_W = r"[A-Za-z0-9_-]"
#: (type, pattern). Bounded at the right by `_ends`, because re2 looks neither back nor ahead.
PREFIXED: tuple[tuple[str, str], ...] = (
    ("API_KEY", r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    ("API_KEY", r"\bgh[pousr]_[A-Za-z0-9]{36,255}"),
    ("API_KEY", r"\bgithub_pat_[A-Za-z0-9_]{22,255}"),
    ("API_KEY", rf"\bgl(?:pat|dt|ft|soat|rt|cbt|ptt|imt|agent|oas|ffct|wt)-{_W}{{20,100}}"),
    ("API_KEY", rf"\bGR1348941{_W}{{20,50}}"),
    ("API_KEY", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    ("API_KEY", r"\bxapp-[0-9]-[A-Za-z0-9-]{10,250}"),
    ("API_KEY", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,100}"),
    ("API_KEY", r"\b(?:sk|rk|pk|whsec)_(?:live_|test_|prod_)?[A-Za-z0-9]{16,247}"),
    ("API_KEY", rf"\bAIza{_W}{{35}}"),
    ("API_KEY", rf"\bya29\.{_W}{{20,300}}"),
    ("API_KEY", rf"\bGOCSPX-{_W}{{20,40}}"),
    ("API_KEY", rf"\bsk-(?:ant|proj|svcacct|or|lf)-{_W}{{16,300}}"),
    ("API_KEY", r"\bsk-[A-Za-z0-9]{32,64}"),
    ("API_KEY", r"\b(?:npm|hf|dop_v1|doo_v1|dor_v1|lin_api|shp(?:at|ca|pa|ss)|figd|nvapi|pplx|gsk|"
                r"r8)[_-][A-Za-z0-9_-]{20,120}"),
    ("API_KEY", rf"\bpypi-AgE[IN]{_W}{{50,500}}"),
    ("API_KEY", rf"\bSG\.{_W}{{16,32}}\.{_W}{{32,64}}"),
    ("API_KEY", r"\b(?:SK|AC)[0-9a-f]{32}"),
    ("API_KEY", rf"\b[0-9]{{8,10}}:AA{_W}{{33}}"),
    ("API_KEY", r"\b(?:hv[sbr]\.|s\.)[A-Za-z0-9_-]{24,200}"),
    ("API_KEY", r"\b(?:AKC|AP[0-9ABF])[A-Za-z0-9]{40,90}"),
    ("API_KEY", r"\bkey-[0-9a-f]{32}"),
    ("API_KEY", r"(?i:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,120}={0,2}"),
    # Signed (three parts), or encrypted (five, of which the second may be empty; RFC 7516).
    ("JWT", rf"\beyJ{_W}{{8,1000}}\.(?:{_W}{{4,1000}}{_W}*\.{_W}*(?:\.{_W}+\.{_W}+)?|\.{_W}{{8,1000}}\.{_W}+\.{_W}+)"),
    ("PRIVATE_KEY", r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[^-\x00]|-[^-\x00])*"
                    r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"),
)  # fmt: skip

#: What begins the long ones.
BEGUN = {"JWT": rb"\beyJ", "PRIVATE_KEY": rb"-----BEGIN "}

#: The words that announce a secret, and what stands between them and it.
WORDS = (
    r"(?i:pass ?word|passwd|passwort|kennwort|mot de passe|contrase(?:\xc3\xb1|n)a|senha|wachtwoord|"
    r"pass ?phrase|pass ?code|\bpwd|\bpw|secret|api[ _-]?key|access[ _-]?key|private[ _-]?key|"
    r"auth[ _-]?key|"
    r"(?:auth|access|api|refresh|bearer|session|secret|security|id)[ _-]?token|token|credentials?|session[ _-]?id|"
    r"artif(?:actory)?[ _-]?key|cloudant[ _-]?key|art-api|account[ _-]?key)"
)
ASSIGNED = (
    WORDS
    + r"[A-Za-z0-9_]{0,12}[\"'\]]{0,3}\s{0,3}(?:=>|:=|==?|:|\b(?:is|ist|est|es)\b)\s{0,3}[\"'`]{0,3}"
    + r"([^\s\"'`<>\x00]{4,512})"
)
BEARER = r"(?i:\b(?:bearer|basic|token))\s{1,3}([A-Za-z0-9._~+/-]{16,1000}={0,2})"
IN_URL = r"(?i:[a-z][a-z0-9+.-]{1,20})://[^\s/:@\"'<>\x00]{0,64}:([^\s/@\"'<>\x00]{1,256})@"

#: A session's cookie, and the secret half of a key of AWS right behind its id.
COOKIE = r"(?i:sess(?:ion)?(?:[_-]?id)?|\bsid|[._-]sid|remember[_-]token)=([A-Za-z0-9%._~+/-]{16,512})"
BEHIND_AWS_ID = r"A[KS]IA[A-Z0-9]{16}[^A-Za-z0-9/+]{1,8}(?:[A-Za-z_ ]{1,40}[^A-Za-z0-9/+]{1,8})?([A-Za-z0-9/+]{40})"
#: A PIN, a code for one time, a card's code, behind its name.
CODE = (
    r"(?i:\bpin(?:[ -]?code)?|\b[ct]vv2?|\bcvc2?|\botp|\bcsc|\bpass ?code|"
    r"\b(?:one[ -]time|verification|security|login|sms|2fa|two[ -]factor|authentication) "
    r"(?:pass ?code|password|code|pin))(?i: (?:number|no\.?|is|was|ist|es|est|code))*[ :=#]{1,3}([0-9]{3,8})\b"
)
#: What `CODE` has.
CODE_BEGUN = r"(?i:pin|vv2?|cvc2?|otp|csc|code|password|number|no\.?|is|was|ist|es|est)[ :=#]{1,3}[0-9]{3}"

_PASSWORD = re.compile(r"(?i)pass|pwd|\bpw|kennwort|contrase|senha|wachtwoord")
_TRAILING = ".,;:!?)]}\\"


def prefixed(type_name: str, text: str, start: int, end: int) -> Found | None:
    following = text[end : end + 1]
    if type_name == "API_KEY" and following and (following.isalnum() or following in "_-"):
        return None
    return Found(start, end, type_name, text[start:end], CERTAIN)


def assigned(text: str, start: int, end: int) -> Found | None:
    """`start` to `end` is what follows "password =" and the like."""
    announced = before(text, start)
    quoted = announced.endswith(('"', "'", "`"))
    value = text[start:end] if quoted else text[start:end].rstrip(_TRAILING)
    if len(value) < 4 or is_placeholder(value) or value.startswith(("$", "{", "(", "[")):
        return None
    head = announced.rstrip("\"'` \t")
    is_password = _PASSWORD.search(announced) is not None
    firm = head.endswith("=") or (quoted and head.endswith((":", "=>")))
    if not (_telling(value) if is_password else random_looking(value)) and not (
        firm and is_password and len(value) >= 6
    ):
        return None
    if firm and not quoted and re.match(r"[A-Za-z_.]+\(", value):
        return None
    return Found(start, start + len(value), "PASSWORD" if is_password else "API_KEY", value, LIKELY)


def cookie(text: str, start: int, end: int) -> Found | None:
    value = text[start:end].rstrip(".")
    return Found(start, start + len(value), "API_KEY", value, LIKELY) if random_looking(value) else None


def aws_secret(text: str, start: int, end: int) -> Found | None:
    if text[end : end + 1].isalnum() or not random_looking(text[start:end]):
        return None
    return Found(start, end, "API_KEY", text[start:end], CERTAIN)


_GOES_ON = re.compile(r"[-/]|\.\d")
_CARD_CODE = re.compile(r"(?i)[ct]vv|cvc|csc|security")


def code(text: str, start: int, end: int) -> Found | None:
    """`start` to `end` are the digits; a PIN has four to eight, a card's code three or four."""
    of_card = _CARD_CODE.search(before(text, start)) is not None
    if end - start not in (range(3, 5) if of_card else range(4, 9)) or _GOES_ON.match(text, end):
        return None
    return Found(start, end, "CARD_CODE" if of_card else "PIN", text[start:end], LIKELY)


def bearer(text: str, start: int, end: int) -> Found | None:
    value = text[start:end].rstrip(".")
    return Found(start, start + len(value), "API_KEY", value, LIKELY) if random_looking(value) else None


def in_url(text: str, start: int, end: int) -> Found | None:
    value = text[start:end]
    return None if is_placeholder(value) else Found(start, end, "PASSWORD", value, CERTAIN)


def _telling(value: str) -> bool:
    """A password, not the next word of a sentence: more than letters of one case."""
    kinds = (any(map(str.islower, value)), any(map(str.isupper, value[1:])), any(map(str.isdigit, value)),
             any(not char.isalnum() and char not in "-/'’" for char in value))  # fmt: skip
    return sum(kinds) >= 2 and len(value) >= 5


def random_looking(value: str) -> bool:
    """Long, of letters and digits, and no two characters predict a third: at least 3 bits a character (Shannon)."""
    if len(value) < 16 or "://" in value or not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return False
    counts = Counter(value[:256])
    size = min(len(value), 256)
    return -sum(count / size * math.log2(count / size) for count in counts.values()) >= 2.8
