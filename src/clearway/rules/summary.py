"""The one line that people read about an action: rendered by us from the validated arguments, never by a model.

::

    Refund {amount_minor|money:currency} to account {account}     →  Refund $2,400.00 to account 9182
    Notify {people|list}                                          →  Notify amir, bo and 3 more

`{{` and `}}` are braces. Values are made visible (`rules.present`); a text that is more than one plain word stands in
quotes, so that it cannot pass for a part of the sentence (threat 6).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from clearway.model.errors import ConfigError
from clearway.rules.canonical import canonical
from clearway.rules.names import did_you_mean
from clearway.rules.present import visible

#: Longer values are cut in the summary; the arguments are shown whole below it.
MOST_CHARS = 120
_MOST_ITEMS = 10

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\|(money):([A-Za-z_][A-Za-z0-9_]*)|\|(list))?")
_PLAIN = re.compile(r"[\w@.:/+#<>-]{1,80}")

_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP"
    " CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR"
    " IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN"
    " NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP"
    " STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
#: ISO 4217 code → digits of the minor unit.
MINOR_DIGITS: Mapping[str, int] = {code: digits for digits, codes in _DIGITS.items() for code in codes.split()}


@dataclass(frozen=True, slots=True)
class Field:
    """`{name}`, `{name|money:currency}` or `{name|list}`."""

    name: str
    filter: str = ""
    currency: str = ""


@lru_cache(maxsize=1024)
def parse(template: str) -> tuple[str | Field, ...]:
    """The literal texts and fields of a template. Errors: `ConfigError` where it has none of the forms above."""
    parts: list[str | Field] = []
    for match in _PART.finditer(template):
        text, inner = match.group(), match.group(1)
        if text in ("{{", "}}"):
            parts.append(text[0])
        elif text in ("{", "}"):
            raise ConfigError(f'the template has a single "{text}".', remedy='Write "{{" or "}}" for a brace.')
        elif inner is None:
            parts.append(text)
        else:
            parts.append(_field(inner))
    return tuple(parts)


def check(template: str, names: Collection[str]) -> None:
    """Errors: `ConfigError` where the template is malformed or names an argument that is not among `names`."""
    for part in parse(template):
        if isinstance(part, Field):
            for name in (part.name, part.currency):
                if name and name not in names:
                    raise ConfigError(
                        f'the template names "{name}", which is not a parameter.', remedy=did_you_mean(name, names)
                    )


def render(template: str, arguments: Mapping[str, Any]) -> str:
    """The template over `arguments` (shown, that is tokenized, where people read it). One visible line."""
    return "".join(part if isinstance(part, str) else _shown(part, arguments) for part in parse(template))


def default_summary(tool: str, arguments: Mapping[str, Any]) -> str:
    """`tool(arg=…, …)`, for a tool that declares no summary."""
    inner = ", ".join(f"{visible(name)[0]}={show(value)}" for name, value in arguments.items())
    return f"{tool}({inner})"


def summarize(tool: str, template: str, arguments: Mapping[str, Any]) -> str:
    """`render`, or `default_summary` where the template is empty."""
    return render(template, arguments) if template else default_summary(tool, arguments)


def show(value: Any) -> str:
    """One value in a line: visible, cut at `MOST_CHARS`, in quotes unless it is one plain word."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and visible(value)[0] == value:
            return value
        return '"' + _cut(visible(value.replace("\\", "\\\\").replace('"', '\\"'))[0]) + '"'
    return _cut(visible(canonical(value).decode())[0])


def money(amount_minor: Any, currency: Any) -> str:
    """`$2,400.00`, `2,400.00 EUR`, `2,400 JPY`; what is no amount in a known currency is shown as it is."""
    if not _is_int(amount_minor):
        return f"{show(amount_minor)} {show(currency)}"
    digits = MINOR_DIGITS.get(currency) if isinstance(currency, str) else None
    if digits is None:
        return f"{amount_minor} minor units of {show(currency)}"
    whole, rest = divmod(abs(amount_minor), 10**digits)
    number = f"{whole:,}" + (f".{rest:0{digits}}" if digits else "")
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}${number}" if currency == "USD" else f"{sign}{number} {currency}"


def _field(inner: str) -> Field:
    match = _FIELD.fullmatch(inner.strip())
    if match is None:
        raise ConfigError(
            f'the template has "{{{visible(inner)[0]}}}", which is none of the forms.',
            remedy="Write {name}, {name|money:currency} or {name|list}.",
        )
    name, is_money, currency, is_list = match.groups()
    return Field(name, is_money or is_list or "", currency or "")


def _shown(field: Field, arguments: Mapping[str, Any]) -> str:
    value = arguments.get(field.name)
    if field.filter == "money":
        return money(value, arguments.get(field.currency))
    if field.filter == "list" and isinstance(value, list | tuple):
        return _listed(value)  # pyright: ignore[reportUnknownArgumentType]
    return show(value)


def _listed(items: Sequence[Any]) -> str:
    if not items:
        return "(none)"
    shown = ", ".join(show(item) for item in items[:_MOST_ITEMS])
    return shown + (f" and {len(items) - _MOST_ITEMS} more" if len(items) > _MOST_ITEMS else "")


def _cut(text: str) -> str:
    rest = len(text) - MOST_CHARS
    return text if rest <= 0 else f"{text[:MOST_CHARS]}… ({rest:,} more characters)"


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
