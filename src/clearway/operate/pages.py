"""Pages of lists: keyset paging, its cursors opaque to callers and checked when they come back."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, TypeVar

from clearway.model.errors import Invalid

T = TypeVar("T")
MOST_PER_PAGE = 500


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


def checked_limit(limit: int) -> int:
    """Errors: `Invalid` (`limit`)."""
    if not 1 <= limit <= MOST_PER_PAGE:
        raise Invalid(f"A page holds 1 to {MOST_PER_PAGE} rows.", code="limit", remedy="Use --limit 50.")
    return limit


def chosen(kind: Any, text: str | None, what: str) -> Any:
    """The member of an enumeration that a list is narrowed to; None: all. Errors: `Invalid` (`what`)."""
    if text is None or text == "all":
        return None
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise Invalid(f"There is no {what} of that name.", code=what, remedy=f"Use one of: {known}, all.") from None


def page_of(
    found: list[T], limit: int, show: Callable[[T], dict[str, Any]], key: Callable[[T], tuple[float, str]]
) -> dict[str, Any]:
    """Of `limit` + 1 rows that were looked up, a page and the cursor behind it, if there is more."""
    items, more = found[:limit], len(found) > limit
    return {"items": [show(item) for item in items], "next": cursor_of(key(items[-1])) if more else None}
