"""What waits for a person, in the order in which it should be looked at, and what was asked of the tool before.

Order: what expires within `SOON_S`, the next to expire first; then by impact, the most dangerous first, and within
one by expiry. A cursor names the last row and its part of that order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clearway.model.approval import Approval, Vote
from clearway.model.errors import Invalid
from clearway.model.identity import Principal
from clearway.operate.pages import cursor_of, page_after
from clearway.operate.records import approval_line
from clearway.ports import Tx
from clearway.rules.chain import rfc3339
from clearway.rules.rights import gives_rights
from clearway.rules.voting import BREAK_GLASS, excluded_reason, fill, is_heard, memberships

Json = dict[str, Any]
#: What expires within this comes first, whatever it is.
SOON_S = 600.0
#: Parts of the order behind the first one. A new kind of impact belongs in here.
IMPACTS = ("external", "internal_write", "read")
#: Rows that one page looks at, for somebody of whom few wait.
MOST_LOOKED_AT = 1_000
#: Earlier approvals of the same tool among which those of the same targets are looked for.
LOOK_BACK = 40
SHOWN_BEFORE = 6
#: Of one tool, on one page.
MOST_TOGETHER = 20
_CHUNK = 200
#: So many people more than one that an approval's votes have to be read.
_ALONE = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands in the order; `part` 0 is what expires soon."""

    part: int
    at: float
    id: str


def waiting(
    tx: Tx, person: Principal, *, everyone: bool, limit: int, cursor: str | None, tool: str | None = None
) -> Json:
    """Pending approvals that `person` may decide, or with `everyone` all, perhaps of one tool: `{"items", "next",
    "left"}`.

    `left`: how many wait in all. `next` may come with few items, or none: one page looks at `MOST_LOOKED_AT` rows."""
    place = _place(cursor)
    items: list[Json] = []
    looked = 0
    last = place
    for part in range(place.part if place else 0, len(IMPACTS) + 1):
        after = (place.at, place.id) if place and place.part == part else None
        while looked < MOST_LOOKED_AT:
            found = _part(tx, part, after)
            for approval in found:
                looked += 1
                last = Place(part, approval.expires_at, approval.approval_id)
                if tool in (None, approval.tool) and (everyone or may_decide(tx, approval, person)):
                    asks = [{"group": factor.group, "needed": factor.n} for factor in approval.factors]
                    shown = {"soon": part == 0, "presented": approval.presented, "asks": asks}
                    items.append({**approval_line(approval), **shown})
                if len(items) == limit or looked == MOST_LOOKED_AT:
                    return {"items": items, "next": _cursor(last), "left": tx.reports.waiting_count(tx.now)}
            if len(found) < _CHUNK:
                break
            after = (found[-1].expires_at, found[-1].approval_id)
    return {"items": items, "next": None, "left": tx.reports.waiting_count(tx.now)}


def batch(tx: Tx, person: Principal, tool: str) -> Json:
    """What waits for `person` of one tool and can be decided together: `{"items", "alone", "totals"}`.

    `alone`: how many of the tool's have to be looked at by themselves, since they cannot be undone, hold text that
    may deceive, or rest on nobody's word. `totals`: argument → sum, of whole numbers that all of them have."""
    found = [item for item in waiting(tx, person, everyone=False, limit=MOST_TOGETHER, cursor=None, tool=tool)["items"]]
    items = [
        {**item, "presented_digest": approval.presented_digest}
        for item in found
        if _goes_together(item["presented"]) and (approval := tx.approvals.get(item["approval_id"])) is not None
    ]
    return {"items": items, "alone": len(found) - len(items), "totals": _totals(items)}


def _goes_together(presented: Json) -> bool:
    origins: Json = presented.get("origins") or {}
    vouched = all(one["trust"] != "untrusted" or not one.get("consequential") for one in origins.values())
    return vouched and not presented.get("irreversible") and not presented.get("warnings")


def _totals(items: Sequence[Json]) -> dict[str, int]:
    each: list[Json] = [item["presented"]["arguments"] for item in items]
    names = [name for name in (each[0] if each else {}) if all(type(one.get(name)) is int for one in each)]
    return {name: sum(one[name] for one in each) for name in names}


def may_decide(tx: Tx, approval: Approval, person: Principal) -> bool:
    """Whether a vote of `person` would count now, as far as can be told without casting it."""
    return not why_not(approval, person, _votes(tx, approval))


def why_not(approval: Approval, person: Principal, votes: Sequence[Vote]) -> str:
    """In words, why `person` cannot decide this, or an empty string. Only told beforehand: `Decisions` decides."""
    if person.kind != "user":
        return "Only people decide."
    if gives_rights(person):
        return "An admin does not approve: whoever gives rights does not use them."
    if excluded_reason(approval, person):
        return "You asked for this, or edited it: somebody else has to decide."
    if is_heard(person, votes):
        return "You have voted already."
    groups = memberships(person, approval.excluded, votes)
    given = fill(approval.factors, votes)
    if any(f.group in groups and given[f.group] < f.n for f in approval.factors):
        return ""
    asked = ", ".join(f"{f.n} of {f.group}" for f in approval.factors)
    return f"It asks for {asked}; you are not among them."


def can_break_glass(approval: Approval, person: Principal, votes: Sequence[Vote]) -> bool:
    """Whether `person` may stand in for all approvers here, told beforehand as `why_not` is."""
    may = person.kind == "user" and BREAK_GLASS in person.roles and not gives_rights(person)
    return may and not is_heard(person, votes) and not excluded_reason(approval, person)


def before(tx: Tx, approval: Approval) -> list[Json]:
    """What was asked of the same tool before, on the same targets first, and what became of it."""
    found = tx.reports.asked_before(approval.tool, approval.requested_at, limit=LOOK_BACK)
    own = _targets(approval)
    same = [one for one in found if own & _targets(one)]
    chosen = [*same, *(one for one in found if one not in same)][:SHOWN_BEFORE]
    return [_told(tx, one, bool(own & _targets(one))) for one in chosen]


def _told(tx: Tx, approval: Approval, same: bool) -> Json:
    votes = tx.approvals.votes(approval.approval_id)
    step = next((e for e in tx.ledger.of_run(approval.run_id) if e.step_id == approval.step_id), None)
    return {
        **approval_line(approval),
        "same_targets": same,
        "user": approval.presented.get("user"),
        "deciders": [f"by {vote.subject}" for vote in votes],
        "comments": [vote.comment for vote in votes if vote.comment],
        "outcome": None if step is None else step.state.value,
        "at": rfc3339(approval.requested_at),
    }


def _targets(approval: Approval) -> frozenset[str]:
    named: list[Any] = approval.presented.get("targets") or []
    return frozenset(one if isinstance(one, str) else f"{one.get('kind')}:{one.get('id')}" for one in named)


def _votes(tx: Tx, approval: Approval) -> list[Vote]:
    # Where one person is enough, the first vote ends it: a pending one has none.
    return tx.approvals.votes(approval.approval_id) if sum(f.n for f in approval.factors) > _ALONE else []


def _part(tx: Tx, part: int, after: tuple[float, str] | None) -> list[Approval]:
    if part == 0:
        return tx.reports.waiting(since=tx.now, until=tx.now + SOON_S, after=after, limit=_CHUNK)
    return tx.reports.waiting(since=tx.now + SOON_S, impact=IMPACTS[part - 1], after=after, limit=_CHUNK)


def _cursor(place: Place | None) -> str | None:
    return None if place is None else cursor_of((place.at, f"{place.part}:{place.id}"))


def _place(cursor: str | None) -> Place | None:
    found = page_after(cursor)
    if found is None:
        return None
    part, _, name = found[1].partition(":")
    if not (part.isdecimal() and int(part) <= len(IMPACTS)):
        raise Invalid("The cursor is not one of ours.", code="cursor", remedy="Use `next` of the page before.")
    return Place(int(part), found[0], name)
