"""Releases as they are stored, found and shown."""

from typing import Any

from clearway.model.errors import Conflict, Invalid, NotFound
from clearway.model.release import Bundle, Pointer, Release
from clearway.ports import Tx
from clearway.rules.chain import rfc3339
from clearway.rules.present import visible
from clearway.rules.releases import bundles
from clearway.rules.two_people import people

Json = dict[str, Any]

LONGEST_NOTE = 2_000


def resolve(tx: Tx, ref: str) -> Release:
    """By digest, or by eight or more of its first hex digits. Errors: `NotFound`, `Invalid` (`release`)."""
    start = ref if ref.startswith("sha256:") else f"sha256:{ref}"
    hexes = start.removeprefix("sha256:")
    if len(hexes) < 8 or not set(hexes) <= set("0123456789abcdef"):
        raise Invalid(
            "A release is named by its digest, or eight or more of its first digits.",
            code="release",
            remedy="See `clearway release list`.",
        )
    matches = tx.releases.find(start)
    if not matches:
        raise NotFound("There is no such release.", remedy="See `clearway release list`.")
    if len(matches) > 1:
        raise Invalid("Several releases begin like that.", code="release", remedy="Give more digits.")
    return matches[0]


def found(tx: Tx, digest: str) -> Release:
    """Errors: `NotFound`."""
    release = tx.releases.get(digest)
    if release is None:
        raise NotFound("There is no such release.", remedy="See `clearway release list`.")
    return release


def read(release: Release) -> Bundle:
    """INVARIANT: what was stored under a digest is what was put there, whoever can write the table.

    Errors: `Conflict` (`release_damaged`)."""
    whole = release.bundle.encode()
    if bundles.digest_of(whole) != release.digest:
        raise Conflict(
            "The stored bundle is not what its digest says.",
            code="release_damaged",
            remedy="Take the bundle in again from an export, and find out who changed the store.",
        )
    return bundles.read(whole)


def line(release: Release) -> Json:
    """A release in a list."""
    return {
        "digest": release.digest,
        "project": release.project,
        "created_at": rfc3339(release.created_at),
        "created_by": release.created_by,
        "note": release.note,
        "revoked": None
        if release.revoked_at is None
        else {
            "at": rfc3339(release.revoked_at),
            "by": release.revoked_by,
            "reason": release.revoked_reason,
            "reinstate_votes": list(people(release.reinstate_votes)),
        },
    }


def said_as(text: str, what: str) -> str:
    """A person's words, as they can be stored. Errors: `Invalid` where there are none."""
    if not text.strip():
        raise Invalid(f"This needs a {what}.", code=what, remedy=f"Say it with --{what}.")
    return visible(text)[0][:LONGEST_NOTE]


def place_of(digest: str, pointer: Pointer | None) -> str:
    """`active`, `canary`, `shadow`, or nothing."""
    if pointer is None:
        return ""
    places: dict[str | None, str] = {pointer.shadow: "shadow", pointer.canary: "canary", pointer.digest: "active"}
    return places.get(digest, "")
