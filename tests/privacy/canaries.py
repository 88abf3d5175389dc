"""One unique value of every type, valid where the type has a checksum, and nobody's.

`NOTE` is a letter that holds them all in free text. `RECORD` holds them as fields. None of them looks like anything
else in a run, so a single one in what is stored or sent is a leak.
"""

import base64
import json
from typing import Any


def _segment(value: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


#: A field that a tool declares; no detector knows it.
DECLARED = "quagmire-falcon-7731"
#: Declared too, of kinds that are not looked for elsewhere unless somebody declares them: a trait, and a fraction.
DIAGNOSIS, SALARY = "Zubrowka syndrome", 83291.75
CANARIES = {
    "CARD": "4929681234598818",
    "IBAN": "DE75512108001245126199",
    "SSN": "536-22-8147",
    "EMAIL": "wilhelmina.ostrander@quillmoor.example",
    "PHONE": "+49 30 23125 7846",
    "IP": "93.184.77.219",
    "API_KEY": "ghp_9fKq2LxT7vRbW3nYcZ8mJp5sHd6aGe1uXo40",
    "JWT": f"{_segment({'alg': 'HS256'})}.{_segment({'sub': 'ostrander-4471'})}.dGhpcyBpcyBubyBzaWduYXR1cmUh",
    "PRIVATE_KEY": (
        "-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VwBCIEIDq7zXvYtW9pL1sKfGhJ2mNbVcXzQaWsEdRf\n"
        "-----END PRIVATE KEY-----"
    ),
    "PASSWORD": "Tr0ub4dor-&-Zephyr!9",
    "PERSON": "Beatrice Vantongeren",
    "ADDRESS": "4711 Quillfeather Street",
    "POLICY_NO": "PN-482913-77",
    "DECLARED": DECLARED,
    "DIAGNOSIS": DIAGNOSIS,
    "SALARY": str(SALARY),
}
PATTERNS = {"POLICY_NO": r"\bPN-[0-9]{6}-[0-9]{2}\b"}

NOTE = (
    f"My name is {CANARIES['PERSON']}, I live at {CANARIES['ADDRESS']}, write to {CANARIES['EMAIL']} or call "
    f"{CANARIES['PHONE']}. Card {CANARIES['CARD']}, IBAN {CANARIES['IBAN']}, SSN {CANARIES['SSN']}, from "
    f"{CANARIES['IP']}. My password: {CANARIES['PASSWORD']} and token {CANARIES['API_KEY']}, Bearer {CANARIES['JWT']}, "
    f"policy {CANARIES['POLICY_NO']}.\n{CANARIES['PRIVATE_KEY']}\n"
)
RECORD: dict[str, Any] = {
    "full_name": CANARIES["PERSON"],
    "street_address": CANARIES["ADDRESS"],
    "email": CANARIES["EMAIL"],
    "phone": CANARIES["PHONE"],
    "card_number": CANARIES["CARD"],
    "iban": CANARIES["IBAN"],
    "ssn": CANARIES["SSN"],
    "ip_address": CANARIES["IP"],
    "password": CANARIES["PASSWORD"],
    "api_key": CANARIES["API_KEY"],
    "access_token": CANARIES["JWT"],
    "private_key": CANARIES["PRIVATE_KEY"],
    "policy": CANARIES["POLICY_NO"],
}
#: Without spaces, for ids and names.
WORDS = tuple(CANARIES[name] for name in ("EMAIL", "CARD", "IBAN", "SSN", "IP", "API_KEY", "JWT", "POLICY_NO"))

#: What the scan looks for: of a key every line, since nothing else of it may be left either.
VALUES = tuple(line for value in CANARIES.values() for line in value.splitlines() if "PRIVATE KEY-----" not in line)
