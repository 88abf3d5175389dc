"""Reads an amount and an account out of what was asked, by rule: the same text always gives the same request.

Also what the skills that move money have in common: checking the account.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from clearway import Invalid

_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP"}
_WORDS = {"dollar": "USD", "euro": "EUR", "pound": "GBP"}
_NUMBER = r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{2}))?(?![\d.,]*\d)"
_BEFORE = re.compile(rf"(-)?([$€£])\s?{_NUMBER}", re.ASCII)
_AFTER = re.compile(rf"(-)?(?<![\d.,$€£]){_NUMBER}\s?(USD|EUR|GBP|dollar|euro|pound)s?\b", re.IGNORECASE | re.ASCII)
_ACCOUNT = re.compile(r"\baccount\s+(?:number\s+|no\.?\s+)?#?(\d{3,12})\b", re.IGNORECASE | re.ASCII)
_REFERENCE = re.compile(r"\b(?:ticket|reference|ref)\.?\s+([A-Z]{1,6}-\d{1,12})\b", re.IGNORECASE | re.ASCII)

T = TypeVar("T")

_REMEDY = 'Say it as in "Refund $2,400 to account 9182", or give it with --input.'


def account_in(text: str) -> str:
    """`Invalid` unless the text names exactly one account."""
    return _only({match[1] for match in _ACCOUNT.finditer(text)}, "account")


def money_in(text: str, currency: str | None = None) -> tuple[int, str]:
    """The amount in minor units, negative where it has a minus, and its currency.

    `Invalid` unless the text names exactly one amount in dollars, euros or pounds, in `currency` where that is given.
    """
    found = {_money(sign, whole, cents, _SIGNS[mark]) for sign, mark, whole, cents in _BEFORE.findall(text)}
    for sign, whole, cents, word in _AFTER.findall(text):
        found.add(_money(sign, whole, cents, _WORDS.get(word.lower()) or word.upper()))
    amount_minor, said = _only(found, "amount")
    if currency not in (None, said):
        raise Invalid("The text and the input name different currencies.", code="amount_unclear", remedy=_REMEDY)
    return amount_minor, said


def reference_in(text: str) -> str | None:
    """A ticket such as `ticket CS-1042`, if the text names one."""
    match = _REFERENCE.search(text)
    return match[1].upper() if match else None


def check_account(found: Mapping[str, Any], currency: str | None) -> None:
    """`Invalid` where the account is closed, or kept in another currency than the request's."""
    if found["status"] == "closed":
        raise Invalid("The account is closed.", code="account_closed", remedy="Ask finance for a bank transfer.")
    if currency is not None and currency != found["currency"]:
        raise Invalid(
            f"The account is kept in {found['currency']}, not {currency}.",
            code="currency_mismatch",
            remedy="Ask for an amount in the account's currency.",
        )


def _money(sign: str, whole: str, cents: str, currency: str) -> tuple[int, str]:
    amount_minor = int(whole.replace(",", "")) * 100 + int(cents or 0)
    return (-amount_minor if sign else amount_minor), currency


def _only(found: set[T], what: str) -> T:
    if len(found) != 1:
        count = "no" if not found else "more than one"
        raise Invalid(f"The request names {count} {what}.", code=f"{what}_unclear", remedy=_REMEDY)
    return found.pop()
