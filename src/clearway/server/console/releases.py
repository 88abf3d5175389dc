"""Releases: what is in force, all there are, one of them, and what may be done with it."""

import hashlib
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from clearway.model.errors import NotFound
from clearway.model.release import Bundle
from clearway.operate.releases.history import shown
from clearway.operate.releases.reading import line, read
from clearway.operate.releases.shelf import Shelf
from clearway.operate.releases.standing import Standing, Standings, live
from clearway.ports import Tx
from clearway.rules.chain import rfc3339
from clearway.rules.releases.bundles import router_line
from clearway.rules.releases.guard import ROUTE_SHIFT
from clearway.server.admission import Called, Caller, GuardedRoute
from clearway.server.console.pages import page
from clearway.server.routes.releases import numbered
from clearway.server.routes.runs import Cursor

router = APIRouter(prefix="/releases", route_class=GuardedRoute, include_in_schema=False)

AT = "/releases"
PAGE = 20
MOST_MOVES = 50
#: Act → the word for it. `rollback` has a page of its own.
ACTS = {
    "promote": "Promote",
    "canary": "Start a canary",
    "shadow": "Let it shadow",
    "revoke": "Revoke",
    "reinstate": "Reinstate",
}
_KINDS = {"policies": "Policies", "prompts": "Prompts", "routes": "Routes"}


@router.get("")
def found(caller: Called, cursor: Cursor = None) -> Response:
    """What is in force here, all releases with what they are signed for, and how the pointer moved."""

    def work(tx: Tx) -> dict[str, Any]:
        standings = standings_of(caller)
        return {
            "live": live(tx),
            "found": standings.page(tx, limit=PAGE, cursor=cursor),
            "moves": [shown(move) for move in tx.releases.moves(limit=MOST_MOVES)],
            "may_roll_back": standings.may(tx, caller.principal, "rollback"),
        }

    return page(caller, "releases.html", at=AT, title="Releases", most=MOST_MOVES, **read_in(caller, work))


@router.get("/moves/{generation}")
def move(caller: Called, generation: str) -> Response:
    """One move of what is in force: when it was acknowledged, and what it ended and voided."""
    record = caller.operations.release_move(numbered(generation))
    return page(caller, "release_move.html", at=AT, title=f"Move {record['generation']}", move=record)


@router.get("/{ref}")
def one(caller: Called, ref: str) -> Response:
    """What it contains, who has signed it and who has to, how it differs from the one in force, what may be done."""

    def work(tx: Tx) -> dict[str, Any]:
        standing = standings_of(caller).one(tx, caller.principal, ref)
        return {
            **_told(standing),
            "now": live(tx),
            "signatures": _signatures(caller.site.app.shelf, tx, standing.release.digest),
            "contents": _contents(read(standing.release)),
        }

    return page(caller, "release.html", at=AT, title="Release", words=ACTS, **read_in(caller, work))


@router.get("/{ref}/{act}")
def acting(caller: Called, ref: str, act: str, seen: str = "") -> Response:
    """One act on one screen: what it does, with the reason and the confirmation. For those who have the right to it."""
    if act not in ACTS:
        raise NotFound("There is no such page.", remedy="See the release's own page.")

    def work(tx: Tx) -> dict[str, Any]:
        standings = standings_of(caller)
        standings.require(tx, caller.principal, act)
        return {**_told(standings.one(tx, caller.principal, ref)), "now": live(tx), **seen_before(tx, seen)}

    return page(
        caller,
        "release_act.html",
        at=AT,
        title=ACTS[act],
        act=act,
        word=ACTS[act],
        route_shift=ROUTE_SHIFT,
        **read_in(caller, work),
    )


def standings_of(caller: Caller) -> Standings:
    app = caller.site.app
    return Standings(app.shelf, app.rollout.unsigned)


def read_in(caller: Caller, work: Callable[[Tx], dict[str, Any]]) -> dict[str, Any]:
    return caller.site.app.store.read(caller.principal.scope, work)


def seen_before(tx: Tx, seen: str) -> dict[str, Any]:
    """`since`: the generation that the page was opened at; `moved`: the last move, where that is another one."""
    last = next(iter(tx.releases.moves(limit=1)), None)
    generation = last.generation if last else 0
    since = numbered(seen) if seen else generation
    return {"since": since, "moved": shown(last) if last and since != generation else None}


def _signatures(shelf: Shelf, tx: Tx, digest: str) -> list[dict[str, Any]]:
    """Each with whether it holds, and what its signer saw the release compared with."""
    genuine = shelf.genuine(tx, digest)
    return [
        {
            "duty": each.duty,
            "by": each.subject,
            "at": rfc3339(each.at),
            "genuine": each in genuine,
            "seen": seen.digest if (seen := shelf.signing.seen(tx, each)) else None,
        }
        for each in tx.releases.signatures(digest)
    ]


def _told(standing: Standing) -> dict[str, Any]:
    return {
        "release": line(standing.release),
        "place": standing.place,
        "acts": standing.acts,
        "generation": standing.generation,
        "unsigned_ok": standing.unsigned_ok,
        "duties": [duty.as_json() for duty in standing.compared.duties],
        "missing": [duty.as_json() for duty in standing.compared.missing],
        "changes": [(change.kind, change.name, change.verb) for change in standing.compared.changes.items],
        "why_not_sign": standing.why_not_sign,
        "to_sign": standing.to_sign,
    }


def _contents(bundle: Bundle) -> dict[str, Any]:
    """What it is made of, each text with the digest that it has by itself."""
    groups: dict[str, list[dict[str, str]]] = {}
    for path, text in sorted(bundle.files.items()):
        title = _KINDS.get(path.partition("/")[0], "Ownership")
        digest = hashlib.sha256(text.encode()).hexdigest()
        groups.setdefault(title, []).append({"path": path, "text": text, "digest": digest})
    return {
        "texts": groups,
        "settings": dict(bundle.settings),
        "tools": bundle.tools,
        "skills": bundle.skills,
        "code": bundle.code,
        "router": router_line(bundle.router),
    }
