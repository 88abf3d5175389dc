"""Cursors of keyset paging: opaque to callers, checked when they come back."""

import base64
import binascii
import json

from clearway.model.errors import Invalid


def cursor_of(key: tuple[float, str]) -> str:
    """The cursor that stands behind the row with this sort key."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def page_after(cursor: str | None) -> tuple[float, str] | None:
    """The sort key in a cursor. Errors: `Invalid` (`cursor`)."""
    if cursor is None:
        return None
    try:
        at, name = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return float(at), str(name)
    except (ValueError, TypeError, binascii.Error):
        raise Invalid(
            "The cursor is not one of ours.", code="cursor", remedy="Use `next` of the page before."
        ) from None
