"""The pointer that says which release is in force: what each move makes of it, and what it shows."""

from typing import Any

from clearway.model.errors import Conflict
from clearway.model.release import Pointer, Release
from clearway.ports import Tx
from clearway.rules.chain import rfc3339
from clearway.rules.releases.guard import Guard

Json = dict[str, Any]
MOST_MOVES = 1_000


def following(tx: Tx, now: Pointer | None, by: str, reason: str, *, digest: str) -> Pointer:
    """The pointer behind `now`, with `digest` in force and neither canary nor shadow."""
    generation = (now.generation if now else 0) + 1
    previous = now.digest if now and now.digest != digest else (now.previous if now else None)
    return Pointer(digest, previous, generation, tx.now, by, reason)


def shown(pointer: Pointer | None) -> Json:
    """A pointer as JSON; without one, all is None and the generation 0."""
    return {
        "active": pointer.digest if pointer else None,
        "previous": pointer.previous if pointer else None,
        "canary": pointer.canary if pointer else None,
        "canary_share": pointer.canary_share if pointer else 0.0,
        "shadow": pointer.shadow if pointer else None,
        "generation": pointer.generation if pointer else 0,
        "moved_at": rfc3339(pointer.moved_at) if pointer else None,
        "moved_by": pointer.moved_by if pointer else None,
        "reason": pointer.reason if pointer else "",
        "guard": pointer.guard if pointer else None,
    }


def ended_canary(before: Pointer | None, after: Pointer) -> Json:
    """What the log keeps of a canary that a move ends: its share and its evidence. Empty where none ends."""
    if before is None or before.canary is None or before.canary == after.canary:
        return {}
    guard = Guard.read(before.guard) if before.guard else None
    evidence = {each.name: round(each.log_e, 4) for each in guard.measures()} if guard else {}
    return {
        "ended_canary": {
            "release": before.canary,
            "share": before.canary_share,
            "requests": guard.routes.n if guard else 0,
            "log_e": evidence,
        }
    }


def check_seen(tx: Tx, now: Pointer | None, seen: int | None) -> None:
    """Errors: `Conflict` (`moved`) where what is in force is another generation than `seen`; None: any will do."""
    generation = now.generation if now else 0
    if seen is None or seen == generation:
        return
    last = next(iter(tx.releases.moves(limit=1)), None)
    by = f": {last.kind} by {last.by} (move {last.generation})" if last else ""
    raise moved_meanwhile(f"What is in force was moved since you looked{by}.")


def in_force(now: Pointer | None, release: Release) -> Pointer:
    """What `release` may be tried beside. Errors: `Conflict` (`no_release`, `in_force`)."""
    if now is None:
        raise Conflict(
            "Nothing is in force here to compare with.", code="no_release", remedy="First: clearway release promote."
        )
    if now.digest == release.digest:
        raise Conflict("The release is in force already.", code="in_force")
    return now


def moved_meanwhile(message: str) -> Conflict:
    return Conflict(message, code="moved", remedy="Look again, then decide: see `clearway release status`.")


def revoked() -> Conflict:
    return Conflict(
        "The release is revoked.",
        code="revoked",
        remedy="Two people take that back first: clearway release reinstate … --reason …",
    )
