"""Opening a token on the page where it stands: with a reason, recorded with who, why and where, and shown this once.

The operation behind it is the one of `POST /v1/privacy/reveal`; what is added is the place. A page offers a button
where the reader's roles open that type of token, and only what stands on a page is opened there. The answer is a part
of the page, which nothing stores: a reload is without it.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from clearway.model.errors import NotFound
from clearway.ports import Tx
from clearway.rules.redact import tokens_in
from clearway.server.admission import Called, Caller, GuardedRoute
from clearway.server.console.marks import Openable, type_of
from clearway.server.console.pages import fragment
from clearway.server.shapes import Reveal

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)


@router.post("/inbox/{approval_id}/open")
def at_approval(caller: Called, approval_id: str, body: Reveal) -> Response:
    """The value behind a token that stands in an approval."""
    return _opened(caller, body, f"approval {approval_id}", caller.operations.approval(approval_id))


@router.post("/runs/{run_id}/open")
def at_run(caller: Called, run_id: str, body: Reveal) -> Response:
    """The value behind a token that stands in a run's record."""
    return _opened(caller, body, f"run {run_id}", caller.operations.run(run_id))


@router.post("/ledger/{key}/open")
def at_ledger(caller: Called, key: str, body: Reveal) -> Response:
    """The value behind a token that stands in a ledger row, or in what is recorded of it."""
    row = caller.operations.ledger_entry(key)
    return _opened(caller, body, f"ledger {key}", [row, recorded(caller, row["run_id"], row["step"])])


def recorded(caller: Caller, run_id: str, step: str) -> list[dict[str, Any]]:
    """The events of one step."""
    found = caller.site.app.store.read(caller.principal.scope, lambda tx: tx.audit.read(run_id=run_id))
    return [
        {"seq": event.seq, "at": event.at, "kind": event.kind, "payload": event.payload}
        for event in found
        if event.step_id == step
    ]


def openable(caller: Caller, *shown: Any) -> Openable:
    """What of a page's tokens and stand-ins the reader's roles open. Nothing is opened by looking."""
    app, who = caller.site.app, caller.principal
    redaction = app.vaults.redaction
    tokens = {token for token in tokens_in(list(shown)) if redaction.may_open(who, type_of(token))}
    types: Mapping[str, str] = {}
    if any(spec.format_keeping for spec in app.project.tools.values()):
        types = _types(caller, {text for text in _leaves(shown) if redaction.is_stand_in(text, who.scope)})
    return Openable(frozenset(tokens), {text: kind for text, kind in types.items() if redaction.may_open(who, kind)})


def _opened(caller: Caller, body: Reveal, at: str, shown: Any) -> Response:
    if body.token not in tokens_in(shown, {body.token}):
        raise NotFound(
            "That token does not stand here.", code="token_unknown", remedy="Open it on a page that shows it."
        )
    found = caller.operations.reveal(body.token, body.reason, at=at)
    return fragment("opened.html", value=found["value"])


def _types(caller: Caller, stand_ins: Collection[str]) -> Mapping[str, str]:
    def work(tx: Tx) -> dict[str, str]:
        return {text: rows[0].type for text in sorted(stand_ins) if (rows := tx.vault.find(text))}

    return caller.site.app.store.read(caller.principal.scope, work)


def _leaves(shown: Any) -> Iterator[str]:
    """The texts and whole numbers of a JSON tree."""
    pending: list[Any] = [shown]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, int) and not isinstance(one, bool):
            yield str(one)
        elif isinstance(one, Mapping):
            pending += one.values()
        elif isinstance(one, list | tuple):
            pending += one
