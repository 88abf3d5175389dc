"""How a release stands in one tenant and environment, and what somebody could do with it: for pages, before they ask.

What is said here is advice. The acts themselves check everything again, in the transaction that moves something.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clearway.model.errors import ClearwayError
from clearway.model.identity import Principal
from clearway.model.release import Pointer, Release
from clearway.operate.pages import cursor_of, page_after
from clearway.operate.releases.pointer import MOST_MOVES
from clearway.operate.releases.reading import line, place_of, resolve
from clearway.operate.releases.shelf import Comparison, Shelf
from clearway.ports import Tx
from clearway.rules.chain import rfc3339
from clearway.rules.two_people import people

Json = dict[str, Any]

#: What may be done with one release, in the order in which it is offered.
ACTS = ("promote", "canary", "shadow", "rollback", "revoke", "reinstate")
_TAKING_BACK = frozenset({"rollback", "revoke", "reinstate"})


@dataclass(frozen=True, slots=True)
class Standing:
    """One release, one caller. `place`: active, canary, shadow, earlier, revoked, or nothing. `acts`: those that the
    caller has the right to, each with why it cannot be done now, or nothing. `why_not_sign`: why the caller does not
    sign, or nothing; `to_sign`: the duties that are the caller's."""

    release: Release
    place: str
    compared: Comparison
    generation: int
    unsigned_ok: bool
    acts: Mapping[str, str] = field(default_factory=dict[str, str])
    why_not_sign: str = ""
    to_sign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standings:
    """One a process; it keeps no state. `unsigned`: environments where a release needs no signatures."""

    shelf: Shelf
    unsigned: frozenset[str]

    def page(self, tx: Tx, *, limit: int, cursor: str | None) -> Json:
        """`{"items": [{…, "place", "duties"}], "next"}`, newest first. `duties`: what a release has to be signed for
        before it may follow the one in force; empty for the one in force, and for revoked ones."""
        rows = tx.releases.list(limit=limit + 1, before=page_after(cursor))
        items, more = rows[:limit], len(rows) > limit
        places = Places.of(tx)
        last = items[-1] if more else None
        return {
            "items": [self._line(tx, row, places) for row in items],
            "next": cursor_of((last.created_at, last.digest)) if last else None,
        }

    def one(self, tx: Tx, by: Principal, ref: str) -> Standing:
        """Errors: `NotFound`, `Invalid` (`release`), `Conflict` (`release_damaged`)."""
        release, places = resolve(tx, ref), Places.of(tx)
        compared = self.shelf.compare(tx, by.scope, release)
        standing = Standing(
            release,
            places.of_release(release),
            compared,
            places.pointer.generation if places.pointer else 0,
            by.scope.environment in self.unsigned,
        )
        acts = {act: _why_not(act, standing, places, by) for act in ACTS if self.may(tx, by, act)}
        mine = self.shelf.duties_of(by, compared)
        return replace(
            standing,
            acts={act: why for act, why in acts.items() if why is not None},
            why_not_sign=_why_not_sign(by, release, mine),
            to_sign=mine,
        )

    def may(self, tx: Tx, by: Principal, act: str) -> bool:
        """Whether `by` has the right to the act, whatever the release."""
        return self.shelf.seems_owner(tx, by, *_duties_of(act))

    def require(self, tx: Tx, by: Principal, act: str) -> None:
        """Errors: `Denied` (`not_an_owner`)."""
        said = {"rollback": "roll back", "canary": "start a canary", "shadow": "start a shadow"}
        self.shelf.require_owner(tx, by, said.get(act, f"{act} a release"), *_duties_of(act))

    def _line(self, tx: Tx, row: Release, places: "Places") -> Json:
        place = places.of_release(row)
        whole: Json = {**line(row), "place": place, "duties": [], "damaged": False}
        if place in ("active", "revoked"):
            return whole
        try:
            met = self.shelf.standing(tx, tx.scope, row.digest)
        except ClearwayError:
            return {**whole, "damaged": True}
        return {**whole, "duties": [duty.as_json() for duty in met]}


@dataclass(frozen=True, slots=True)
class Places:
    """Which release stands where. `earlier`: those that were in force here once."""

    pointer: Pointer | None
    earlier: frozenset[str]

    @classmethod
    def of(cls, tx: Tx) -> "Places":
        return cls(tx.releases.pointer(), frozenset(move.digest for move in tx.releases.moves(limit=MOST_MOVES)))

    def of_release(self, release: Release) -> str:
        """`active`, `canary`, `shadow`, `revoked`, `earlier`, or nothing."""
        at = place_of(release.digest, self.pointer)
        if at:
            return at
        if release.revoked_at is not None:
            return "revoked"
        return "earlier" if release.digest in self.earlier else ""


def live(tx: Tx) -> Json:
    """The release that is in force, by whom, since when and why; `digest` is None where nothing was promoted.

    By the last promotion or rollback: a canary or shadow that began since leaves it in force."""
    pointer = tx.releases.pointer()
    if pointer is None:
        return {"digest": None, "generation": 0}
    since = None
    for move in tx.releases.moves(limit=MOST_MOVES):
        if move.digest != pointer.digest:
            break
        since = move
    release = tx.releases.get(pointer.digest)
    return {
        "digest": pointer.digest,
        "note": release.note if release else "",
        "generation": pointer.generation,
        "since": rfc3339(since.at if since else pointer.moved_at),
        "by": since.by if since else pointer.moved_by,
        "reason": since.reason if since else pointer.reason,
        "move": since.generation if since else pointer.generation,
        "canary": pointer.canary,
        "canary_share": pointer.canary_share,
        "shadow": pointer.shadow,
        "previous": pointer.previous,
    }


def _duties_of(act: str) -> tuple[str, ...]:
    return ("incident", "policy") if act in _TAKING_BACK else ()


def _why_not(act: str, standing: Standing, places: Places, by: Principal) -> str | None:
    """Why an act cannot be done now; nothing where it can; None where it is not to be offered at all."""
    release, pointer = standing.release, places.pointer
    revoked = release.revoked_at is not None
    if act in ("revoke", "reinstate"):
        return _why_not_revoke(release, standing, by) if revoked == (act == "reinstate") else None
    if act == "rollback":
        return None if standing.place != "earlier" else ""
    if revoked or standing.place == "active" or (act == "shadow" and standing.place == "shadow"):
        return None
    if act != "promote" and standing.place == "canary":
        return None
    if act != "promote" and pointer is None:
        return "Nothing is in force here to compare with."
    missing = standing.compared.missing
    if act != "shadow" and missing and not standing.unsigned_ok:
        return "It is not signed for what it changes."
    return ""


def _why_not_revoke(release: Release, standing: Standing, by: Principal) -> str:
    if release.revoked_at is None:
        return "It is in force: roll back first." if standing.place in ("active", "canary") else ""
    if by.kind != "user" or by.may_be(people(release.reinstate_votes)):
        return "A second person has to reinstate it too."
    return ""


def _why_not_sign(by: Principal, release: Release, mine: tuple[str, ...]) -> str:
    if by.kind != "user":
        return "Only people sign."
    if by.may_be((release.created_by,)):
        return "You cut it: the author's own signature does not count."
    if release.revoked_at is not None:
        return "It is revoked."
    return "" if mine else "None of the groups that have to sign is yours."
