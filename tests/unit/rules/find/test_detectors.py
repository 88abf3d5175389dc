"""What is found in one text, and what is left alone."""

import json

import pytest

from clearway.rules.find import Finder, Found, RunMemory
from clearway.rules.find.normal import fold
from clearway.rules.find.patterns import DETECTORS
from clearway.rules.find.regex import Pattern, in_characters
from tests.unit.rules.find.tokens import token

FINDER = Finder()


def found(text: str) -> list[tuple[str, str]]:
    return [(one.type, text[one.start : one.end]) for one in FINDER.spans(text)]


@pytest.mark.parametrize(
    ("text", "type_name", "value"),
    [
        ("My card is 4111 1111 1111 1111.", "CARD", "4111 1111 1111 1111"),
        ("pay with 4111-1111-1111-1111 now", "CARD", "4111-1111-1111-1111"),
        ("amex 378282246310005", "CARD", "378282246310005"),
        ("my card 5 5 5 5 5 5 5 5 5 5 5 5 4 4 4 4", "CARD", "5 5 5 5 5 5 5 5 5 5 5 5 4 4 4 4"),
        ("maestro card 6759649826438453", "CARD", "6759649826438453"),
        ("503802053770 is my card", "CARD", "503802053770"),
        ("I was charged twice on 4047737215142", "CARD", "4047737215142"),
        ("P: 555 010 22", "PHONE", "555 010 22"),
        ("I can be reached at 555 010 22", "PHONE", "555 010 22"),
        ("IBAN GB29 NWBK 6016 1331 9268 19 please", "IBAN", "GB29 NWBK 6016 1331 9268 19"),
        ("to de89370400440532013000", "IBAN", "de89370400440532013000"),
        ("SSN 053-54-7547", "SSN", "053-54-7547"),
        ("social security 053547547", "SSN", "053547547"),
        ("write to Joe.Bloggs@Example.com!", "EMAIL", "Joe.Bloggs@Example.com"),
        ("?to=joe%40example.com&x=1", "EMAIL", "joe%40example.com"),
        ("joe (at) example.com", "EMAIL", "joe (at) example.com"),
        ("call (212) 555-0100 x12", "PHONE", "(212) 555-0100 x12"),
        ("+41 (0)69 979 80 58 is ours", "PHONE", "+41 (0)69 979 80 58"),
        ("my phone: 434 14 557", "PHONE", "434 14 557"),
        ("655 437 108 office", "PHONE", "655 437 108"),
        ("from 203.0.113.9:443", "IP", "203.0.113.9"),
        ("host 2001:db8::8a2e:370:7334", "IP", "2001:db8::8a2e:370:7334"),
        ("nic 00:1B:44:11:3A:B7 up", "MAC", "00:1B:44:11:3A:B7"),
        ("DNI 12345678Z", "NATIONAL_ID", "12345678Z"),
        ("CF RSSMRA85T10A562S", "NATIONAL_ID", "RSSMRA85T10A562S"),
        ("nir 2 55 08 14 168 025 38", "NATIONAL_ID", "2 55 08 14 168 025 38"),
        ("BSN: 111222333", "NATIONAL_ID", "111222333"),
        ("PESEL 44051401359", "NATIONAL_ID", "44051401359"),
        ("CPF 529.982.247-25", "NATIONAL_ID", "529.982.247-25"),
        ("Aadhaar 2341 2341 2346", "NATIONAL_ID", "2341 2341 2346"),
        ("NINO AB 12 34 56 C", "NATIONAL_ID", "AB 12 34 56 C"),
        ("my SIN is 130692544", "NATIONAL_ID", "130692544"),
        ("hetu 131052-308T", "NATIONAL_ID", "131052-308T"),
        ("AHV 756.9217.0769.85", "NATIONAL_ID", "756.9217.0769.85"),
        ("key AKIA" + "IOSFODNN7EXAMPLE", "API_KEY", "AKIA" + "IOSFODNN7EXAMPLE"),
        ("ghp_" + "a1B2" * 9, "API_KEY", "ghp_" + "a1B2" * 9),
        ("token: 9f86d081884c7d659a2feaa0c55ad015", "API_KEY", "9f86d081884c7d659a2feaa0c55ad015"),
        ("Authorization: Bearer abcDEF123456ghiJKL789", "API_KEY", "abcDEF123456ghiJKL789"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_123", "JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_123"),
        ("password=hunter2 and on", "PASSWORD", "hunter2"),
        ("postgres://app:s3cret@db/prod", "PASSWORD", "s3cret"),
        ("My name is Ottoline Quick", "PERSON", "Ottoline Quick"),
        ("Dear Ottoline,", "PERSON", "Ottoline"),
        ("Mr. Quick called", "PERSON", "Quick"),
        ("for my friend Ivan", "PERSON", "Ivan"),
        ("date of birth of April 12, 2001.", "DOB", "April 12, 2001"),
        ("my user ID is chen_lee_6825, and", "USERNAME", "chen_lee_6825"),
        ("I live at 742 Maple Street, Austin, TX 78701", "ADDRESS", "742 Maple Street, Austin, TX 78701"),
        ("My zip code is 76400", "ADDRESS", "76400"),
        ("P.O. Box 104", "ADDRESS", "P.O. Box 104"),
        ("card4111111111111111 and", "CARD", "4111111111111111"),
        ("mySSN053-54-7547", "SSN", "053-54-7547"),
        ("ibanDE89370400440532013000", "IBAN", "DE89370400440532013000"),
        ("IBAN:GB29-NWBK-6016-1331-9268-19", "IBAN", "GB29-NWBK-6016-1331-9268-19"),
        ("phone+12125560100", "PHONE", "+12125560100"),
        ("dob1951-03-04", "DOB", "1951-03-04"),
        ("geboren am 4. März 1951", "DOB", "4. März 1951"),
        ("née le 1er mars 1951", "DOB", "1er mars 1951"),
        ("nacido el 4 de marzo de 1951", "DOB", "4 de marzo de 1951"),
        ("mein Name ist Ottoline Müller-Quick und", "PERSON", "Ottoline Müller-Quick"),
        ("je m'appelle Ottoline Lefèvre", "PERSON", "Ottoline Lefèvre"),
        ("me llamo Íñigo Quick", "PERSON", "Íñigo Quick"),
    ],
)
def test_what_is_personal_is_found(text: str, type_name: str, value: str) -> None:
    assert (type_name, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "order 4111111111111112",
        "charged for order 503802053770",
        "the payment 503802053770 was declined",
        "503802053770 parts were shipped",
        "order 2125550100 for item 5551234567",
        "invoice 9182736455 of 2026-05-18",
        "2024-05-05T23:00:15 and 12:30:45",
        "total 1,234,567.89",
        "version 10.1.2.3 of the app",
        "std::vector a::b",
        "account GB29 NWBK 6016 1331 9268 18",
        "SSN 000-12-3456",
        "The password is incorrect. Reset your password: click below.",
        "api_key: $API_KEY",
        "password = ${SECRET}",
        "Thank you! Hello there. Dear Customer,",
        "Hi, I'm looking to cancel. I'd like a refund.",
        "my flight to San Diego in May will land at Victoria Station",
        "credit_card_4938634 and gift_card_7344518",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "550e8400-e29b-41d4-a716-446655440000",
        "127.0.0.1 and ::1",
        "<CARD:1abcdefghijklmnop> and <PERSON:1qrstuvwxyzabcde2>",
        "sku4111111111111111 and sku+12125560100",
        "associated053-54-75471",
        "call 555123, and the code sent to your phone is 123456, ref 8812345",
        "das heißt Auto, und der Name ist noch offen",
        "the renaissance of 4 mars 1951",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "\uff14" + "\uff11" * 15,
        "4111\u200b1111\u200b1111\u200b1111",
        "4111\u00ad1111\u00ad1111\u00ad1111",
        "4111\u20131111\u20131111\u20131111",
        "4111\u00a01111\u00a01111\u00a01111",
        "٤١١١١١١١١١١١١١١١",
        "4111%201111%201111%201111",
        "4111\\u00a01111\\u00a01111\\u00a01111",
    ],
)
def test_a_disguised_card_is_the_same_card(text: str) -> None:
    assert [(one.type, one.value, one.start, one.end) for one in FINDER.spans(text)] == [
        ("CARD", "4111111111111111", 0, len(text))
    ]


def test_a_run_of_numbers_gives_up_each_of_its_cards_and_phones() -> None:
    card, phone = "4111 1111 1111 1111", "212-555-0100"
    assert found(" ".join([card] * 7)) == [("CARD", card)] * 7
    assert found("17 2026 " + "9 " * 30 + card) == [("CARD", card)]
    assert found(" ".join([phone] * 5)) == [("PHONE", phone)] * 5
    assert found("+12125550100 203.0.113.9") == [("PHONE", "+12125550100"), ("IP", "203.0.113.9")]


#: Text, and what is found in it: each (type, value).
UNUSUAL: list[tuple[str, list[tuple[str, str]]]] = [
    ("last_name: Wombleford\nssn: 536228145\n", [("PERSON", "Wombleford"), ("SSN", "536228145")]),
    ("INFO first_name=Zed last_name=Quillfeather ip", [("PERSON", "Zed"), ("PERSON", "Quillfeather")]),
    ("?last_name=Womble%20Ford&ssn=536228145&x=1", [("PERSON", "Womble%20Ford"), ("SSN", "536228145")]),
    ("<last_name>Wombleford</last_name><ssn>536228145</ssn>", [("PERSON", "Wombleford"), ("SSN", "536228145")]),
    ("{'last_name': 'Wombleford', 'ssn': 536228145}", [("PERSON", "Wombleford"), ("SSN", "536228145")]),
    ("The street address: 85 Trg Revolucije 12, ok", [("ADDRESS", "85 Trg Revolucije 12")]),
    ('Here it is: {"account_number": "550066007700", "n": 1} ok', [("BANK", "550066007700")]),
    ("first_name,last_name,ssn\nZuzu,Quick,536228145", [
        ("PERSON", "Zuzu"), ("PERSON", "Quick"), ("SSN", "536228145")]),
    ('id;"last_name";dob\r\n1;"Quick; Jr";x\r\n2;Quillfeather;y', [("PERSON", "Quillfeather")]),
    ("name\temail\nZuzu Quillfeather\tzq@example.org", [("PERSON", "Zuzu Quillfeather"), ("EMAIL", "zq@example.org")]),
    ("As asked:\n| last_name | ssn |\n|---|---|\n| Quick | 536228145 |", [("PERSON", "Quick"), ("SSN", "536228145")]),
    ("BEGIN:VCARD\nFN:Zuzu Quick\nN:Quick;Zuzu;;;\nBDAY:19510304", [
        ("PERSON", "Zuzu Quick"), ("PERSON", "Quick;Zuzu"), ("DOB", "19510304")]),
    ('{"fields": [{"name": "last_name", "value": "Quick"}, {"key": "ssn", "value": "536228145"}]}', [
        ("PERSON", "Quick"), ("SSN", "536228145")]),
    ("From: Quentinia Wombleford <q@corp.example.org>", [
        ("PERSON", "Quentinia Wombleford"), ("EMAIL", "q@corp.example.org")]),
    ("Frau Dr. Quillfeather rief an", [("PERSON", "Quillfeather")]),
    ("Passwort: Sw0rdf1sh!", [("PASSWORD", "Sw0rdf1sh")]),
    ("mot de passe : Sw0rdf1sh", [("PASSWORD", "Sw0rdf1sh")]),
    ("la contraseña es Sw0rdf1sh", [("PASSWORD", "Sw0rdf1sh")]),
    ("Cookie: session=abc123def456ghi789jkl; x=1", [("API_KEY", "abc123def456ghi789jkl")]),
    ("AKIA" + "IOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", [
        ("API_KEY", "AKIA" + "IOSFODNN7EXAMPLE"), ("API_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")]),
    ("my PIN is 4821.", [("PIN", "4821")]),
    ("your one-time code is 482913", [("PIN", "482913")]),
    ("cvv 737 and", [("CARD_CODE", "737")]),
    ("pay to DE 89 37040044 05320130 00 please", [("IBAN", "DE 89 37040044 05320130 00")]),
    ("DE89/3704/0044/0532/0130/00", [("IBAN", "DE89/3704/0044/0532/0130/00")]),
    ("IBAN DE89 3704 0044\n0532 0130 00", [("IBAN", "DE89 3704 0044\n0532 0130 00")]),
    ("IBAN D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0", [("IBAN", "D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0")]),
    ("IBAN GB29 NWBK 6016 1331 9268 18", [("IBAN", "GB29 NWBK 6016 1331 9268 18")]),
    ("card 4111/1111/1111/1111", [("CARD", "4111/1111/1111/1111")]),
    ("card 4111\n1111\n1111\n1111", [("CARD", "4111\n1111\n1111\n1111")]),
    ("cc4111111111111111exp1227", [("CARD", "4111111111111111")]),
    ("%B4111111111111111^DOE/JANE^2712101?", [("CARD", "4111111111111111^DOE/JANE^2712101")]),
    ("card 4111&nbsp;1111&nbsp;1111&nbsp;1111", [("CARD", "4111&nbsp;1111&nbsp;1111&nbsp;1111")]),
    ("card 4\u03361\u0336" + "1\u0336" * 14, [("CARD", "4\u03361\u0336" + "1\u0336" * 14)]),
    ("jane.quill [at] corp [dot] com", [("EMAIL", "jane.quill [at] corp [dot] com")]),
    ("jane.quill @ corp.example.com", [("EMAIL", "jane.quill @ corp.example.com")]),
    ("jane.quill&#64;corp.example.com", [("EMAIL", "jane.quill&#64;corp.example.com")]),
    ("from 203[.]0[.]114[.]77", [("IP", "203[.]0[.]114[.]77")]),
    ("from ::ffff:203.0.114.77", [("IP", "::ffff:203.0.114.77")]),
    ("https://wa.me/491512345678", [("PHONE", "491512345678")]),
    ("Teléfono 30 9018 2055", [("PHONE", "30 9018 2055")]),
    ("тел. 30 9018 2055", [("PHONE", "30 9018 2055")]),
    ("电话 30 9018 2055", [("PHONE", "30 9018 2055")]),
    ("ph# 30 9018 2055", [("PHONE", "30 9018 2055")]),
    ("ssn536228145", [("SSN", "536228145")]),
    ("52998224725 cpf", [("NATIONAL_ID", "52998224725")]),
    ("n° sécu 1 51 03 75 116 123 45", [("NATIONAL_ID", "1 51 03 75 116 123 45")]),
    ("SIN 046 454 286", [("NATIONAL_ID", "046 454 286")]),
    ("Medicare 2123 45670 1", [("NATIONAL_ID", "2123 45670 1")]),
    ("CURP GODE561231HDFRRN04", [("NATIONAL_ID", "GODE561231HDFRRN04")]),
    ("passport C01X00T47", [("PASSPORT", "C01X00T47")]),
    ("Reisepass-Nr. C01X0006H", [("PASSPORT", "C01X0006H")]),
    ("driver's license D1234567", [("LICENSE", "D1234567")]),
    ("sort code 20-00-00 account 55779911", [("BANK", "20-00-00"), ("BANK", "55779911")]),
    ("routing 021000021 account 000123456789", [("BANK", "021000021"), ("BANK", "000123456789")]),
    ("BIC DEUTDEFF500", [("BANK", "DEUTDEFF500")]),
    ("IMEI 490154203237518", [("IMEI", "490154203237518")]),
    ("VIN 1HGCM82633A004352", [("PLATE", "1HGCM82633A004352")]),
    ("number plate B-MW 1234", [("PLATE", "B-MW 1234")]),
    ("she is at 52.520008, 13.404954", [("GEO", "52.520008, 13.404954")]),
    ("221B Baker Street, London NW1 6XE", [("ADDRESS", "221B Baker Street, London NW1 6XE")]),
    ("Keizersgracht 174-C, 1016 DW Amsterdam", [("ADDRESS", "Keizersgracht 174-C, 1016 DW Amsterdam")]),
    ("h 6a616e6540636f72702e6578616d706c652e6f7267", [("EMAIL", "6a616e6540636f72702e6578616d706c652e6f7267")]),
    ("NAAxADEAMQAxADEAMQAxADEAMQAxADEAMQAxADEAMQA=", [("CARD", "NAAxADEAMQAxADEAMQAxADEAMQAxADEAMQAxADEAMQA=")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), UNUSUAL)
def test_unusual_forms_are_found_whole_and_once(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected
    memory = RunMemory()
    once = FINDER.tokenize(text, memory, token)
    assert FINDER.tokenize(once, RunMemory(), token) == once


@pytest.mark.parametrize(("text", "expected"), UNUSUAL)
def test_unusual_forms_have_the_triggers_of_their_detectors(text: str, expected: list[tuple[str, str]]) -> None:
    """Where a trigger does not occur, its detector is not asked."""
    said = fold(text).text
    data = said.encode()
    for detector in DETECTORS:
        spans = list(Pattern(detector.pattern).spans(data))
        places = in_characters(data, [place for span in spans for place in span])
        if any(detector.check(said, places[start], places[end]) for start, end in spans):
            assert Pattern(detector.trigger or detector.pattern).occurs(data), detector.name


def test_a_machine_readable_line_is_covered_whole() -> None:
    lines = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
    assert found(lines) == [("PASSPORT", lines)]


def test_an_encrypted_token_of_five_parts_is_covered_whole() -> None:
    for token_text in (
        "eyJhbGciOiJSU0EifQ.OKOawDo13g.48V1_ALb6US.5eym8TW_c8S.XFBoMYUZod",
        "eyJhbGciOiJkaXIifQ..48V1_ALb6US.5e.XF",
    ):
        assert found(f"it is {token_text} ok") == [("JWT", token_text)]


@pytest.mark.parametrize(
    "text",
    [
        "address: unknown, phone: none, passport: 4 weeks, ssn: required",
        "first_name: str\nlast_name: Optional[str]\nfull_name = Optional(x)\nsurname: String",
        "first_name = CharField(max_length=30)",
        "The first name: please give your First Name: and the Last Name: here.",
        'i18n: {"first_name": "First name", "phone": "Phone number"}',
        "<label>Phone</label><address>see below</address><input name='last_name'>Required",
        "item,count\nHammer,4\nSaw,7",
        "last_name,count\nsee above,4",
        "Change my first name, last name, and so on\nPlease, Sir, and thanks",
        "Support Team <support@", "From: Clearway Security <",
        "GPIO pin 12, pin 4 and PIN diode", "the code 482913 was merged", "error code 500",
        "session=active&sid=7", "the password est vide",
        "passport control is at gate 12345678", "VIN number of the day", "BIC pens", "SWIFT LANGUAGE is fine",
        "the swift codes we wrote", "IMEI 490154203237517",
        "move it at 0.1234, 0.5678", "version is at 1.2, 3.4",
        "visa rules 2024/2025/2026/2027", "dates 2026\n2027\n2028\n2029",
        "see v1.2\n@pytest.mark.parametrize", "us @ example",
        "0x3f786850e387550fdab836ed7e6dc881de23001b", "a &amp; b &lt;c&gt; &#8212; &copy;",
        "DE00/3704/0044/0532/0130/00 and AB 12 345", "IBAN DE00 3704 0044 0532 0130 00",
        "born 99999999", "birth date: 12345678901", "ADR: none\nN: 4\nFN: off",
    ],
)  # fmt: skip
def test_what_only_looks_like_an_unusual_form_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_json_is_read_within_the_strings_of_json_with_the_places_of_its_values() -> None:
    text = json.dumps({"x": "\u00e9🙂", "last_name": 'Wömble"f🙂rd', "n": {"ssn": 536228145}})
    for times in range(5):
        inside = FINDER.spans(text)
        assert [(one.type, one.value) for one in inside] == [("PERSON", 'Wömble"f🙂rd'), ("SSN", "536228145")], times
        shown = FINDER.tokenize(text, RunMemory(), token)
        assert FINDER.tokenize(shown, RunMemory(), token) == shown
        value: object = shown
        for _ in range(times):
            value = json.loads(str(value))
            value = value["body"] if isinstance(value, dict) else value
        assert json.loads(str(value).replace(token("536228145", "SSN"), "1")) == {
            "x": "\u00e9🙂", "last_name": token('Wömble"f🙂rd', "PERSON"), "n": {"ssn": 1},
        }  # fmt: skip
        text = json.dumps({"body": text}) if times % 2 else json.dumps(text)


def test_what_is_written_in_base64_is_found_and_ordinary_words_are_not() -> None:
    assert found("x bWFpbCBtZSBhdCBqb2VAZXhhbXBsZS5jb20= y") == [("EMAIL", "bWFpbCBtZSBhdCBqb2VAZXhhbXBsZS5jb20=")]
    assert found("SGVsbG8sIHRoaXMgaXMgbm90aGluZw== update_reservation_passengers") == []


@pytest.mark.parametrize(
    "text", ["4 March 1951", "4. März 1951", "4 mars 1951", "4 de marzo de 1951", "4 maart 1951", "March 4th, 1951"]
)
def test_a_birthday_is_the_same_in_each_language(text: str) -> None:
    assert [(one.type, one.value) for one in FINDER.spans(f"born on {text}.")] == [("DOB", "1951-03-04")]


def test_a_private_key_is_found_whole_and_also_without_its_end() -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    block = f"{begin}\nMIIB\n{end}"
    assert found(f"a {block} b") == [("PRIVATE_KEY", block)]
    assert found(f"{begin}\nMIIB") == [("PRIVATE_KEY", f"{begin}\nMIIB")]


def test_own_patterns_find_and_allow_lists_let_through() -> None:
    finder = Finder(allow=["support@example.com"], own_patterns={"POLICY_NO": r"\bPN-\d{6}\b"})
    text = "PN-123456, support@example.com, Support@Example.com, joe@example.com"
    assert [(one.type, one.value) for one in finder.spans(text)] == [
        ("POLICY_NO", "PN-123456"),
        ("EMAIL", "joe@example.com"),
    ]


def test_a_finding_tells_its_place_and_never_its_value() -> None:
    assert "4111" not in repr(FINDER.spans("4111111111111111"))
    assert FINDER.spans("x 4111111111111111")[0] == Found(2, 18, "CARD", "4111111111111111")


def test_json_in_a_text_is_read_by_its_fields_also_where_it_is_cut_off() -> None:
    text = '{"user": {"firstName": "Zuzu", "card_number": 4242424242424242, "items": [{"name": "Lamp"}]}, "lastN'
    assert found(text) == [("PERSON", "Zuzu"), ("CARD", "4242424242424242")]


def test_a_run_learns_in_its_first_text_what_it_finds_in_the_next() -> None:
    memory = RunMemory()
    FINDER.spans('{"last_name": "Quillfeather", "dob": "1968-01-06"}', memory)
    text = "quillfeather, born in Ohio on January 6, 1968 or 01/06/1968"
    assert [(one.type, one.value) for one in FINDER.spans(text, memory)] == [
        ("PERSON", "Quillfeather"), ("DOB", "1968-01-06"), ("DOB", "1968-01-06"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"passengers": [{"first_name": "Zuzu"}, {"x": 1}], "n": 2}', ["Zuzu"]),
        ('{"emails": ["zuzu@example"]}', ["zuzu@example"]),
        ('{"passengers": [{"x": 1}, "Zuzu Ng"]}', ["Zuzu Ng"]),
        ('{"passengers": [ [ "Zuzu Ng" ] ]}', ["Zuzu Ng"]),
        ('{"name": "Zuzu Ng", "phone": "434 14 557"}', ["Zuzu Ng", "434 14 557"]),
        ('{"name": {"first_name": "Zuzu"}, "price": 3}', ["Zuzu"]),
        ('{"tags": ["a", "b"], "first_name": "Zuzu", "age": 7}', ["Zuzu", "7"]),
        ('["ssn", "x", {"ssn" : 53547547 , "note": "\\"ssn\\": 1"}]', ["53547547"]),
    ],
)
def test_json_in_a_text_is_read_as_it_is_built(text: str, expected: list[str]) -> None:
    assert [value for _, value in found(text)] == expected
