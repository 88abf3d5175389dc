"""Summaries: rendered from the arguments by us, so that they say what runs."""

from typing import Any

import pytest

from clearway.model.errors import ConfigError
from clearway.rules.summary import check, default_summary, money, render, show, summarize


@pytest.mark.parametrize(
    ("amount_minor", "currency", "shown"),
    [
        (240000, "USD", "$2,400.00"),
        (5, "USD", "$0.05"),
        (-2500, "USD", "-$25.00"),
        (240000, "EUR", "2,400.00 EUR"),
        (2400, "JPY", "2,400 JPY"),
        (1234567, "KWD", "1,234.567 KWD"),
        (12345, "CLF", "1.2345 CLF"),
        (240000, "usd", "240000 minor units of usd"),
        (240000, "ZZZ", "240000 minor units of ZZZ"),
        (240000, None, "240000 minor units of null"),
        ("<AMOUNT:1a>", "USD", "<AMOUNT:1a> USD"),
        (True, "USD", "true USD"),
    ],
)
def test_money_is_shown_with_the_digits_of_its_currency(amount_minor: Any, currency: Any, shown: str) -> None:
    assert money(amount_minor, currency) == shown


def test_t06_the_summary_says_what_the_arguments_say() -> None:
    template = "Refund {amount_minor|money:currency} to account {account}"
    arguments = {"account": "9182", "amount_minor": 500000, "currency": "USD", "memo": "refund $5"}
    assert render(template, arguments) == "Refund $5,000.00 to account 9182"


def test_t06_a_value_cannot_pass_for_a_part_of_the_sentence() -> None:
    assert render("Pay {to}", {"to": "Ada (approved by finance)"}) == 'Pay "Ada (approved by finance)"'
    assert render("Pay {to}", {"to": 'Ada" now'}) == 'Pay "Ada\\" now"'


def test_t07_a_value_is_shown_visibly() -> None:
    assert render("Pay {to}", {"to": "a\u202eb\n\x1b[2J"}) == 'Pay "a\\u{202E}b\\n\\u{1B}[2J"'


def test_t10_a_long_value_is_cut_with_the_count_of_what_is_missing() -> None:
    assert render("{x}", {"x": "y " * 5000}).endswith('… (9,880 more characters)"')


@pytest.mark.parametrize(
    ("template", "arguments", "shown"),
    [
        ("{people|list}", {"people": ["amir", "bo"]}, "amir, bo"),
        ("{people|list}", {"people": []}, "(none)"),
        ("{people|list}", {"people": [str(n) for n in range(12)]}, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
        ("{people|list}", {"people": "amir"}, "amir"),
        ("{a} and {b}", {"a": None, "b": False}, "null and false"),
        ("{{{a}}}", {"a": 1}, "{1}"),
        ("{ a }", {"a": {"z": 1, "b": [True]}}, '{"b":[true],"z":1}'),
        ("{a}", {}, "null"),
    ],
)
def test_fields_are_filled(template: str, arguments: dict[str, Any], shown: str) -> None:
    assert render(template, arguments) == shown


@pytest.mark.parametrize("template", ["{", "}", "{}", "{a|b}", "{a|money}", "{a|money:}", "{a.b}", "{a!r}", "{a:>9}"])
def test_other_forms_are_refused_with_what_to_write(template: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(template, ["a", "b"])
    assert caught.value.remedy


def test_a_name_that_is_no_parameter_is_refused() -> None:
    with pytest.raises(ConfigError, match='names "acount"'):
        check("{acount}", ["account"])
    with pytest.raises(ConfigError, match='names "curency"'):
        check("{amount|money:curency}", ["amount", "currency"])


def test_without_a_template_the_call_itself_is_shown() -> None:
    assert (
        default_summary("refund", {"account": "9182", "memo": "thank you"}) == 'refund(account=9182, memo="thank you")'
    )
    assert summarize("refund", "", {}) == "refund()"
    assert summarize("refund", "Refund", {}) == "Refund"


def test_show_puts_all_but_plain_words_in_quotes() -> None:
    assert [show(value) for value in ("a@b.example", "", "a b", 3, -1)] == ["a@b.example", '""', '"a b"', "3", "-1"]
