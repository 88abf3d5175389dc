"""Strict JSON in, canonical JSON out, and the digests made of it (RFC 8785, RFC 8259).

INVARIANT: what the policy sees, what a person is shown, what is fingerprinted and what runs is the
same canonical value. `rfc8785` refuses NaN, lone surrogates and integers from 2^53; so do we.
"""

import hashlib
import json
from typing import Any, NoReturn

import rfc8785

from clearway.model.errors import Invalid

#: A JSON value in memory. Money is integer minor units: a double is exact for few decimal fractions.
Json = None | bool | int | float | str | list[Any] | dict[str, Any]

MAX_DEPTH = 32
MAX_BYTES = 1_048_576


def parse_json(text: str | bytes, *, what: str = "JSON", most_bytes: int = MAX_BYTES) -> Json:
    """Parses strictly: duplicate keys, NaN, Infinity, over `most_bytes` and over 32 levels are errors.

    Errors: `Invalid` with code `json`; the message never echoes the input.
    """
    if len(text) > most_bytes:
        raise Invalid(f"{what} is larger than {most_bytes} bytes.", code="json", remedy="Send less.")
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constants)
    except Invalid as error:
        raise Invalid(f"{what}: {error.message}", code="json", remedy=error.remedy) from None
    except RecursionError:
        raise Invalid(f"{what} is nested too deeply.", code="json", remedy="Flatten it.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Invalid(
            f"{what} is not valid JSON at {place}: {error.msg}.",
            code="json",
            remedy='Write, for instance, {"account": "9182"}.',
        ) from None
    except UnicodeDecodeError:
        raise Invalid(f"{what} is not UTF-8.", code="json", remedy="Encode it as UTF-8.") from None
    if _depth(value) > MAX_DEPTH:
        raise Invalid(f"{what} is nested over {MAX_DEPTH} levels deep.", code="json", remedy="Flatten it.")
    return value


def canonical(value: Json) -> bytes:
    """RFC 8785 bytes of `value`. Errors: `Invalid` (`not_canonical`) where there are none."""
    try:
        return rfc8785.dumps(value)
    except UnicodeError:
        raise not_unicode() from None
    except (rfc8785.CanonicalizationError, RecursionError, TypeError) as error:
        if isinstance(error.__cause__, UnicodeError):
            raise not_unicode() from None
        raise Invalid(
            "A value has no canonical JSON form.",
            code="not_canonical",
            remedy="Use strings, booleans, lists, objects and integers below 2^53; write larger ids as strings.",
        ) from None


def not_unicode() -> Invalid:
    """What is wrong with a text that has no UTF-8: JSON's escapes make such, and words typed in another encoding."""
    return Invalid(
        "A text holds half of a surrogate pair (U+D800 to U+DFFF), which is no character.",
        code="not_canonical",
        remedy=r"Send whole characters: in UTF-8, or in JSON with both \u escapes of the pair.",
    )


def digest(domain: str, value: Json) -> str:
    """`sha256:` + hex of SHA-256(domain ‖ 0x00 ‖ JCS(value)); `domain` keeps kinds of digests apart."""
    return "sha256:" + hashlib.sha256(domain.encode() + b"\0" + canonical(value)).hexdigest()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("an object names a key twice.", code="json", remedy="Name each key once.")
    return found


def _no_constants(name: str) -> NoReturn:
    raise Invalid(f"{name} is not JSON.", code="json", remedy="Use a number or null.")


def _depth(value: Json) -> int:
    deepest, todo = 0, [(value, 1)]
    while todo:
        item, level = todo.pop()
        deepest = max(deepest, level)
        if isinstance(item, dict):
            todo.extend((child, level + 1) for child in item.values())
        elif isinstance(item, list):
            todo.extend((child, level + 1) for child in item)
    return deepest
