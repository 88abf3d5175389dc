"""Values that people type: JSON, checked strictly."""

from typing import Any

from clearway.model.errors import Invalid
from clearway.rules.canonical import parse_json


def json_object(text: str, option: str) -> dict[str, Any]:
    """Errors: `Invalid` (`json`) where it is no JSON object, names a key twice, or holds NaN."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(f"{option} is not UTF-8.", code="json", remedy="Encode it as UTF-8.") from None
    value = parse_json(text, what=option)
    if not isinstance(value, dict):
        raise Invalid(
            f"{option} is not a JSON object.", code="json", remedy='Write, for instance, {"account": "9182"}.'
        )
    return value
