"""What is found in one text, and what is left alone."""

import pytest

from clearway.rules.find import Finder, Found, RunMemory

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
        "IBAN GB29 NWBK 6016 1331 9268 18",
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
