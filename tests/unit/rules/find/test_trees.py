"""Whole JSON trees: what becomes of them, and what the run remembers."""

import json
from typing import Any

import pytest

from clearway.rules.find import Finder, RunMemory, known
from clearway.rules.find.canonical import canonical
from clearway.rules.find.regex import BadPattern
from clearway.rules.find.trees import TooDeep, Walk
from tests.unit.rules.find.tokens import token

FINDER = Finder()


def tokenize(value: Any, memory: RunMemory | None = None, **options: Any) -> Any:
    return FINDER.tokenize(value, memory or RunMemory(), token, **options)


@pytest.mark.parametrize(
    ("key", "value", "type_name"),
    [
        ("ssn", "053547547", "SSN"), ("ssn", 53547547, "SSN"), ("card_number", 4111111111111111, "CARD"),
        ("cardNumber", "4000 1234 1234 1234", "CARD"), ("first_name", "Zuzu", "PERSON"), ("LastName", "Ng", "PERSON"),
        ("contact-email", "a@b.co", "EMAIL"), ("workPhone", "434 14 557", "PHONE"), ("billing_zip", "02139", "ADDRESS"),
        ("streetAddress", "Frank Walks 3", "ADDRESS"), ("dob", "1968-01-06", "DOB"), ("newPassword", "a b c",
            "PASSWORD"),
        ("apiKey", "0123abcd", "API_KEY"), ("iban", "XX00 1234", "IBAN"), ("passport_no", "E50065724", "PASSPORT"),
        ("driver's license", "J74809866", "LICENSE"), ("license-plate", "7H535", "PLATE"), ("userName", "zuzu",
            "USERNAME"),
        ("user_id", "chen_lee_6825", "USERNAME"), ("latitude", 47.3768866, "GEO"), ("age", 31, "AGE"), ("religion",
            "Jain", "TRAIT"),
        ("routing_number", "045890408", "BANK"), ("clientIP", "10.9.8.7", "IP"), ("cvv", "123", "CARD_CODE"),
        ("emails", ["a@b.co"], "EMAIL"), ("accessToken", "Bearer abcdef0123456789", "API_KEY"),
        ("client_secret", "correct horse battery", "API_KEY"), ("Vorname", "Zuzu", "PERSON"),
        ("prénom", "Zuzu", "PERSON"), ("primer_apellido", "Ng", "PERSON"), ("Straße", "Hauptstr. 5", "ADDRESS"),
        ("Telefonnummer", "434 14 557", "PHONE"),
        ("geburtsDatum", "06.01.1968", "DOB"), ("Ausweisnummer", "L01X00T47", "PASSPORT"),
        ("contraseña", "hunter2x", "PASSWORD"), ("kontonummer", "DE89 3704 0044", "BANK"),
    ],
)  # fmt: skip
def test_a_field_says_what_its_value_is(key: str, value: Any, type_name: str) -> None:
    shown = tokenize({key: value})[key]
    assert (shown[0] if isinstance(shown, list) else shown).startswith(f"<{type_name}:1")


@pytest.mark.parametrize(
    "tree",
    [
        {"name": "Desk Lamp", "price": 12}, {"user_id": "123"}, {"user_id": "usr_01HX"},
        {"drive": "C:"}, {"position": 3}, {"state": "accepted", "status": "open"}, {"max_tokens": 4096}, {
            "next_page_token": "abc123def"},
        {"order_id": 2125550100}, {"created_at": "2024-05-05T23:00:15"}, {"password_required": True, "ssn": None}, {
            "email": ""},
        {"api_key": "see the vault"}, {"customerOrderId": "x"}, {"state": "North Carolina"},
        {"automobil": "VW 12345"}, {"nombre": 42}, {"nome": "Lampada"}, {"immobile": "12345"},
        {"name": "last_name", "value": ""}, [{"key": "colour", "value": "Blue"}], {"id": "email", "text": "required"},
        {"order": {"number": "12345678"}}, {"product": {"name": "Desk Lamp"}}, {"company": {"name": "Acme Corp"}},
        {"password": {"expires": "2026-01-01", "min_length": 8}}, {"owner": {"name": "team-payments"}},
        {"account": {"name": "Savings"}}, {"name": {"en": "Chair"}}, {"driver": {"version": "12.3.4"}},
        {"city": "Philadelphia", "country": "USA"}, {"account": "9182"}, {"a": [1, 2.5, None, False, "x"]}, [], {},
            "economy", 7,
    ],
)  # fmt: skip
def test_other_trees_come_back_themselves(tree: Any) -> None:
    assert tokenize(tree) is tree


def test_a_name_is_a_persons_by_its_neighbours_or_by_itself() -> None:
    assert tokenize({"name": "Zuzu Ng", "phone": "434 14 557"})["name"].startswith("<PERSON:1")
    assert tokenize({"name": "Emma Lamp"})["name"].startswith("<PERSON:1")
    assert tokenize({"name": "Zuzu Ng", "price": 3})["name"] == "Zuzu Ng"


def test_the_same_value_gets_the_same_token_however_it_is_written() -> None:
    shown = tokenize({"a": "4111 1111 1111 1111", "card": 4111111111111111, "b": "x 4111-1111-1111-1111", "m":
        "A@B.co a@b.CO",
                      "tel": "+1 (212) 555-0100", "t": "call 212-555-0100"})  # fmt: skip
    assert shown["a"] == shown["card"] == shown["b"].removeprefix("x ")
    assert len(set(shown["m"].split())) == 1
    assert shown["tel"] == shown["t"].removeprefix("call ")


def test_a_field_is_known_in_the_texts_of_its_own_tree_before_and_after_it() -> None:
    shown = tokenize(
        {"note": "Quillfeather wrote", "user": {"last_name": "Quillfeather"}, "log": ["to QUILLFEATHER's box"]}
    )
    name = shown["user"]["last_name"]
    assert shown["note"] == f"{name} wrote"
    assert shown["log"] == [f"to {name}'s box"]


def test_a_text_seen_before_is_looked_at_again_once_the_run_knows_more() -> None:
    memory = RunMemory()
    assert tokenize("from Quillfeather", memory) == "from Quillfeather"
    tokenize({"last_name": "Quillfeather"}, memory)
    assert tokenize("from Quillfeather", memory) == f"from {token('Quillfeather', 'PERSON')}"


def test_another_run_knows_nothing_of_it() -> None:
    tokenize({"last_name": "Quillfeather"})
    assert tokenize("from Quillfeather") == "from Quillfeather"


def test_names_that_are_also_words_count_with_a_capital_letter_only() -> None:
    memory = RunMemory()
    tokenize({"first_name": "Will", "last_name": "Brown"}, memory)
    assert tokenize("i will buy brown shoes", memory) == "i will buy brown shoes"
    assert tokenize("Mr Brown", memory) == f"Mr {token('Brown', 'PERSON')}"
    assert tokenize("will brown", memory) == f"{token('Will', 'PERSON')} {token('Brown', 'PERSON')}"


def test_an_airport_is_no_person() -> None:
    memory = RunMemory()
    tokenize({"first_name": "Mia"}, memory)
    assert tokenize({"origin": "MIA"}, memory) == {"origin": "MIA"}


def test_dictionary_keys_and_json_in_json_are_looked_through() -> None:
    shown = tokenize(
        {"a@b.co": 1, "A@B.CO": 2, "args": '{"email": "a@b.co", "inner": "{\\"ssn\\": \\"053-54-7547\\"}"}'}
    )
    email = token("a@b.co", "EMAIL")
    assert shown == {
        email: 1,
        f"{email}*": 2,
        "args": f'{{"email": "{email}", "inner": "{{\\"ssn\\": \\"{token("053547547", "SSN")}\\"}}"}}',
    }


def test_declared_fields_are_sensitive_as_a_whole_with_their_keys() -> None:
    shown = tokenize({"payer": {"ref": {"k1": 12345}}, "ref": "77123"}, declared=("payer.ref",))
    assert shown == {"payer": {"ref": {token("k1", "REF"): token("12345", "REF")}}, "ref": "77123"}


def test_a_known_number_is_found_as_a_number_too() -> None:
    memory = RunMemory()
    tokenize({"memberNo": 771234}, memory, declared=("memberNo",))
    assert tokenize({"x": 771234, "y": [771235]}, memory) == {"x": token("771234", "MEMBER_NO"), "y": [771235]}


def test_cities_are_found_where_they_are_asked_for() -> None:
    shown = Finder(ignore=()).tokenize({"city": "Philadelphia"}, RunMemory(), token)
    assert shown["city"].startswith("<LOCATION:1")


def test_learning_replaces_nothing_and_remembers() -> None:
    memory = RunMemory()
    FINDER.learn({"args": '{"last_name": "Quillfeather"}'}, memory)
    assert FINDER.scrub("Quillfeather!", memory, token) == f"{token('Quillfeather', 'PERSON')}!"


def test_a_tree_that_is_too_deep_is_refused() -> None:
    tree: Any = "x"
    for _ in range(300):
        tree = [tree]
    with pytest.raises(TooDeep):
        tokenize(tree)


def test_a_bad_own_pattern_is_refused_with_its_reason() -> None:
    for source in ("(", "(a)\\1", "a*"):
        with pytest.raises(BadPattern):
            Finder(own_patterns={"OWN": source})


def test_what_a_run_forgets_for_want_of_room_is_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room runs out in the midst of a tree, of which a part was remembered and a part is new."""
    monkeypatch.setattr(known, "CACHE_CHARS", 300)
    memory = RunMemory()
    first = tokenize(["write to zuzu@example.com"], memory)
    for number in range(30):
        tree = ["write to zuzu@example.com", f"{number} " + "and so on " * 12]
        assert tokenize(tree, memory) == [*first, tree[1]]


def test_what_did_not_change_is_not_copied() -> None:
    tree = {"a": {"b": ["x"]}, "c": [{"mail": "zuzu@example.com"}, {"d": "y"}]}
    shown = tokenize(tree)
    assert shown["a"] is tree["a"]
    assert shown["c"][1] is tree["c"][1]
    assert shown["c"][0] != tree["c"][0]


def test_a_name_that_is_learned_late_is_found_in_keys_and_leaves_that_were_looked_through_before() -> None:
    memory = RunMemory()
    tree = {"Quillfeather": "of Quillfeather", "other": ["Quillfeather & Co", "nothing"]}
    assert tokenize(tree, memory) is tree
    FINDER.learn({"last_name": "Quillfeather"}, memory)
    assert "Quillfeather" not in str(tokenize(tree, memory))


def chat(*texts: str) -> list[Any]:
    """Messages as they come in a request: parsed anew, so that none is the same object as before."""
    return json.loads(json.dumps([{"role": "user", "content": text} for text in texts]))


def test_what_a_conversation_told_late_is_found_in_messages_that_came_before() -> None:
    memory = RunMemory()
    texts = ["Quillfeather here, order 771234", "nothing to see", "mail zuzu@example.com", "and so on"]
    for turn in range(1, 5):
        shown = tokenize(chat(*texts[:turn]), memory)
        assert "Quillfeather" in str(shown)
    last = tokenize([*chat(*texts), {"role": "tool", "content": {"last_name": "Quillfeather"}}], memory)
    assert "Quillfeather" not in str(last)
    assert last == tokenize([*chat(*texts), {"role": "tool", "content": {"last_name": "Quillfeather"}}], memory)


def test_of_a_conversation_only_new_messages_are_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, texts = RunMemory(), [f"message {number} to zuzu@example.com" for number in range(6)]
    for turn in (1, 2, 3):
        tokenize(chat(*texts[:turn]), memory)
    met: list[Any] = []
    monkeypatch.setattr(Walk, "_object", lambda *arguments: met.append(arguments[1]))
    tokenize(chat(*texts[:4]), memory)
    assert met == chat(texts[3])


def test_a_message_with_another_kind_of_value_is_another_message() -> None:
    memory = RunMemory()
    FINDER.learn({"memberNo": 771234}, memory, ("memberNo",))
    values: list[Any] = [1, True, 1.0, "1", 771234, "771234", 771234.0, None]
    for value in [*values, *values]:
        shown = tokenize([{"x": "first"}, {"x": value}], memory)[1]["x"]
        expected = token("771234", "MEMBER_NO") if str(value) in ("771234", "771234.0") else value
        assert (type(shown), shown) == (type(expected), expected)


def test_a_number_that_is_learned_late_is_found_in_messages_that_came_before() -> None:
    memory, messages = RunMemory(), [{"x": "first"}, {"x": 771234}]
    for _ in range(3):
        assert tokenize(json.loads(json.dumps(messages)), memory) == messages
    FINDER.learn({"memberNo": 771234}, memory, ("memberNo",))
    assert tokenize(messages, memory) == [{"x": "first"}, {"x": token("771234", "MEMBER_NO")}]


@pytest.mark.parametrize("within", [lambda messages: messages, lambda messages: {"messages": messages}])
def test_a_number_that_a_later_message_of_the_same_tree_tells_is_found_in_one_that_came_before(within: Any) -> None:
    memory, before, tells = RunMemory(), [{"x": "first"}, {"x": 900123457}], {"account_number": "900123457"}
    for _ in range(2):
        assert tokenize(within(json.loads(json.dumps(before))), memory) == within(before)
    assert "900123457" not in json.dumps(tokenize(within([*before, tells]), memory))


def test_what_a_run_has_forgotten_is_not_known_again_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room runs out while a conversation is looked through, of which a text had been passed by."""
    memory = RunMemory()
    told = {"role": "user", "content": ["of Quillfeather", "told"]}
    tokenize("of Quillfeather", memory)
    tokenize(chat("first", "second"), memory)
    monkeypatch.setattr(known, "CACHE_CHARS", 1)
    tokenize([*chat("first"), told], memory)
    monkeypatch.undo()
    FINDER.learn({"last_name": "Quillfeather"}, memory)
    for _ in range(3):
        assert "Quillfeather" not in str(tokenize([*chat("first"), told], memory))


def test_declared_names_become_tokens_where_no_value_does() -> None:
    assert tokenize({"payer": {"DE-4711": None}}, declared=("payer",)) == {"payer": {token("DE-4711", "PAYER"): None}}


def test_a_date_of_birth_is_found_in_all_its_spellings_in_short_and_in_long_texts() -> None:
    spellings = ("1968-01-06", "January 6, 1968", "6 Jan 1968", "01/06/1968", "06.01.1968")
    for padding in ("", "and so on " * 500):
        memory = RunMemory()
        FINDER.learn([{"dob": "1968-01-06"}, {"dob": "1955-02-03"}, {"dob": "1977-02-03"}], memory)
        for spelling in spellings:
            assert spelling not in tokenize(f"on {spelling} they came. {padding}", memory)


@pytest.mark.parametrize(
    ("day", "spellings"),
    [
        ("1968-01-06", ("1968-01-06", "January 6, 1968", "Jan 6, 1968", "January 6th, 1968", "6 January 1968",
                        "6 Jan 1968", "01/06/1968", "1/6/1968", "06/01/1968", "06.01.1968")),
        ("1971-11-01", ("November 1st, 1971", "1/11/1971", "1.11.1971", "1 November 1971", "11/01/1971", "01.11.1971")),
        ("1971-11-11", ("November 11th, 1971",)),
        ("1971-11-12", ("November 12th, 1971", "12/11/1971", "11/12/1971")),
        ("1971-11-13", ("November 13th, 1971", "13.11.1971")),
        ("1971-11-21", ("November 21st, 1971",)),
        ("1971-11-22", ("November 22nd, 1971", "11/22/1971")),
        ("1971-12-23", ("December 23rd, 1971", "Dec 23, 1971", "23 Dec 1971")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("padding", ["", " and so on" * 500])
def test_a_date_of_birth_in_another_spelling_is_the_same_date(
    day: str, spellings: tuple[str, ...], padding: str
) -> None:
    memory = RunMemory()
    field = tokenize({"dob": day}, memory)["dob"]
    for spelling in spellings:
        assert tokenize(f"on {spelling} they came{padding}", memory) == f"on {field} they came{padding}"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("1968-1-6", "1968-01-06"), ("1968/01/06", "1968-01-06"), ("January 6, 1968", "1968-01-06"),
        ("6 Jan 1968", "1968-01-06"), ("Jan. 6th 1968", "1968-01-06"), ("6th of January, 1968", "1968-01-06"),
        ("19680106", "1968-01-06"), ("6-Jan-1968", "1968-01-06"), ("06JAN1968", "1968-01-06"),
        ("22nd December 1971", "1971-12-22"), ("DECEMBER 3RD, 1971", "1971-12-03"), ("1 May 2001", "2001-05-01"),
    ],
)  # fmt: skip
def test_a_date_that_is_told_in_words_is_the_same_as_in_digits(written: str, day: str) -> None:
    assert tokenize({"dob": written}) == {"dob": token(day, "DOB")}
    assert tokenize(f"born {written}") == f"born {token(day, 'DOB')}"


@pytest.mark.parametrize("value", ["!?!?!?", "+49-(0)30", "a-b-c", "Ünal-Öz", "xy" * 100])
def test_a_known_value_of_any_make_is_found_again(value: str) -> None:
    memory = RunMemory()
    tokenize({"password": value}, memory)
    assert value not in tokenize({"said": f"it is {value} now"}, memory)["said"]
    assert value not in tokenize(f"or ({value})", memory)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("diagnosis", "Zubrowka syndrome"), ("gender", "nonbinary"), ("religion", "Jainism"), ("age", "thirty-one"),
        ("pin", "rex7731a"), ("passcode", "4471"), ("cvv", "73 71"), ("expiry", "1227-08"), ("latitude", "47.3768866"),
        ("city", "Quillmoor"), ("address", "Quillmoor"), ("secret_word", "falcon"), ("salary", 83291.75),
        ("bonus", -912.5), ("member", 7391), ("member", "7391"), ("limit", 5000.0),
    ],
)  # fmt: skip
def test_what_is_declared_is_found_wherever_it_comes_back_however_common_its_type_is(field: str, value: Any) -> None:
    memory, written = RunMemory(), str(value)
    shown = tokenize({field: value}, memory, declared=(field,))[field]
    echo = {
        "copy": value,
        "list": [value],
        "text": f"it is {written}, they say",
        "upper": written.upper(),
        "n": {"k": value},
    }
    again = tokenize(echo, memory, declared=(field,))
    assert written.lower() not in json.dumps(again).lower()
    assert (again["copy"], again["list"], again["n"]["k"]) == (shown, [shown], shown)


@pytest.mark.parametrize(
    ("tree", "value", "type_name"),
    [
        ({"name": {"first": "Zuzu", "en": "Chair"}}, "Zuzu", "PERSON"),
        ({"customer": {"name": "Zuzu Quill", "plan": "gold"}}, "Zuzu Quill", "PERSON"),
        ({"passengers": [{"n": 1}, {"name": "Zuzu Quill"}]}, "Zuzu Quill", "PERSON"),
        ({"phone": {"home": "434 14 557", "type": "home"}}, "434 14 557", "PHONE"),
        ({"home_address": {"line1": "Keizersgracht 174-C", "note": "Ring 2 times"}}, "Keizersgracht 174-C", "ADDRESS"),
        ({"passport": {"number": "E50065724"}}, "E50065724", "PASSPORT"),
        ({"debit_card": {"number": "4000 1234 1234 1234", "type": "visa"}}, "4000 1234 1234 1234", "CARD"),
        ([{"name": "last_name", "value": "Quillfeather"}, {"name": "size", "value": "L"}], "Quillfeather", "PERSON"),
        ({"columns": ["n", "first_name"], "rows": [[1, "Quentinia"]]}, "Quentinia", "PERSON"),
        ({"dob": {"day": 4, "year": "1951"}}, "1951", "DOB"),
        ({"fields": [{"key": "ssn", "value": "053-54-7547"}]}, "053-54-7547", "SSN"),
        ({"bank": {"account": "045890408", "name": "Big Bank"}}, "045890408", "BANK"),
    ],
)
def test_a_field_also_answers_to_the_name_of_the_object_around_it(tree: Any, value: str, type_name: str) -> None:
    written = json.dumps(tree).replace(value, token(canonical(type_name, value), type_name))
    for given in (tree, {"a": [{"x": 1}, tree]}):
        memory = RunMemory()
        for _ in range(3):
            assert written in json.dumps(tokenize(json.loads(json.dumps(given)), memory))


@pytest.mark.parametrize("written", ["1951-03-04", "March 4, 1951", "04 March 1951", "4 Mar 1951", "04.03.1951"])
def test_a_declared_date_is_found_in_its_other_spellings(written: str) -> None:
    memory = RunMemory()
    shown = tokenize({"when": "1951-03-04"}, memory, declared=("when",))["when"]
    assert tokenize(f"on {written} it was", memory) == f"on {shown} it was"


@pytest.mark.parametrize("written", ["83,291.75", "83.291,75", "83291.75"])
def test_a_declared_number_is_found_as_people_write_it(written: str) -> None:
    memory = RunMemory()
    shown = tokenize({"salary": 83291.75}, memory, declared=("salary",))["salary"]
    assert tokenize(f"earns {written} a year", memory) == f"earns {shown} a year"


def test_a_number_is_the_same_with_and_without_a_fraction_of_nothing() -> None:
    memory = RunMemory()
    shown = tokenize({"limit": 5000}, memory, declared=("limit",))["limit"]
    assert tokenize([5000.0, 5000, 5000.5, 500], memory) == [shown, shown, 5000.5, 500]


def test_a_long_declared_text_is_found_again_whole_and_in_pieces() -> None:
    memory = RunMemory()
    sentences = [
        f"On day {day} the patient spoke of a burning {day * 7} degrees in the left knee." for day in range(30)
    ]
    record = " ".join([*sentences, "x" * 700, "Quillmoor"])
    tokenize({"history": record}, memory, declared=("history",))
    for echo in (record, record.upper(), " ".join(sentences[3:5]), "He wrote: " + sentences[7]):
        shown = tokenize({"said": echo}, memory)["said"].lower()
        assert not any(sentence.lower() in shown for sentence in sentences)
        assert "xxxx" not in shown


def test_the_names_of_a_declared_object_are_found_where_they_come_back() -> None:
    memory = RunMemory()
    box = tokenize({"box": {"Quentinia Wombleford": {"n": 1}}}, memory, declared=("box",))["box"]
    assert tokenize(["Quentinia Wombleford", {"who": "for Quentinia Wombleford"}], memory) == [
        token("Quentinia Wombleford", "BOX"), {"who": f"for {token('Quentinia Wombleford', 'BOX')}"},
    ]  # fmt: skip
    assert list(box) == [token("Quentinia Wombleford", "BOX")]


def test_a_declared_yes_or_no_becomes_a_token_and_every_other_one_stays() -> None:
    memory = RunMemory()
    declared = ("hiv", "answers")
    assert tokenize({"hiv": True, "ok": True, "answers": [False, True]}, memory, declared=declared) == {
        "hiv": token("true", "HIV"), "ok": True, "answers": [token("false", "ANSWERS"), token("true", "ANSWERS")],
    }  # fmt: skip
    assert tokenize({"ok": True, "text": "true"}, memory) == {"ok": True, "text": "true"}


@pytest.mark.parametrize("answer", ["yes", "No", "unknown", "None"])
def test_an_answer_that_is_everywhere_is_replaced_in_its_field_only(answer: str) -> None:
    memory = RunMemory()
    assert tokenize({"consent": answer}, memory, declared=("consent",))["consent"].startswith("<CONSENT:1")
    assert tokenize(f"{answer}, it is done", memory) == f"{answer}, it is done"


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("pin", "rex7731a", "77-31fluffy"), ("cvv", "1a2b3", "1c2d3"), ("ssn", "ab1234", "cd1234"),
        ("plate", "\u0410123\u0412\u0421", "\u041c123\u041e\u041e"), ("phone", "1-800-FLOWERS", "1-800-HOTELS"),
        ("mac", "zz-aa", "yy-aa"),
    ],
)  # fmt: skip
def test_two_values_never_share_a_token(field: str, one: str, other: str) -> None:
    shown = [tokenize({field: value}, declared=(field,))[field] for value in (one, other)]
    assert shown[0] != shown[1]
