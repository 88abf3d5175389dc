"""Tells people what waits for them and what went wrong: links only, by the channels that the project names.

The event that a notice is about enqueues its sending in its own transaction, on the engine that carries runs out, so
that no crash loses it; what fails is tried again with growing pauses. INVARIANT: a notice holds ids, kinds, names of
tools and groups, and a link, never an argument, a result or anybody's words.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from clearway.model.errors import ClearwayError
from clearway.model.event import RecordedEvent
from clearway.model.identity import Scope
from clearway.model.notice import Delivery, Notice, Sending
from clearway.model.run_ref import RunRef
from clearway.ports import NoticeChannel, Store, Tx
from clearway.rules.chain import rfc3339

MARK = "ntc_"
#: `kind` of a notice that is about no event.
TRIAL = "trial"
MOST_ATTEMPTS = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 1800.0


class Wants(Protocol):
    """What a channel is told of."""

    @property
    def kinds(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...


def is_notice(ref: RunRef) -> bool:
    """Whether a pass is of a notice rather than of a run."""
    return ref.run_id.startswith(MARK)


def enqueue(tx: Tx, event: RecordedEvent) -> None:
    """Called for each event that some channel is told of, in the transaction that records it."""
    tx.wake(f"{MARK}{event.seq}", _wake_id(tx.scope, event.seq, 0))


@dataclass(frozen=True, slots=True)
class Notices:
    """Sends. `channels`: name → (what it is told of, the way). `link`: of the console, without a slash at its end."""

    store: Store
    channels: Mapping[str, tuple[Wants, NoticeChannel]]
    link: str

    async def handle_pass(self, ref: RunRef, pass_id: str) -> None:
        """One attempt by each channel that has not sent it yet. Errors: `Unavailable` of the store."""
        seq = int(ref.run_id.removeprefix(MARK))
        event, earlier = await self.store.aread(ref.scope, lambda tx: (_event(tx, seq), tx.notices.of_event(seq)))
        if event is None:
            return
        done = {sending.channel: sending for sending in earlier}
        for name, (wants, way) in self.channels.items():
            before = done.get(name)
            if _is_told(wants, event) and (before is None or before.state is Delivery.PENDING):
                await self._attempt(ref.scope, event, name, way, before)

    async def _attempt(
        self, scope: Scope, event: RecordedEvent, name: str, way: NoticeChannel, before: Sending | None
    ) -> None:
        notice = notice_of(event, scope, self.link)
        attempts = (before.attempts if before else 0) + 1
        code, again = "", False
        try:
            await asyncio.to_thread(way.send, notice)
        except ClearwayError as error:
            code, again = error.code, error.retryable
        except Exception as error:  # a library of somebody's
            code, again = type(error).__name__, True
        state = (
            Delivery.SENT if not code else Delivery.PENDING if again and attempts < MOST_ATTEMPTS else Delivery.GIVEN_UP
        )

        def work(tx: Tx) -> None:
            tx.notices.put(Sending(event.seq, name, event.kind, state, attempts, tx.now, code))
            if state is Delivery.PENDING:
                pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempts - 1))
                tx.wake(f"{MARK}{event.seq}", f"{_wake_id(scope, event.seq, attempts)}.{name}", delay_s=pause)

        await self.store.awrite(scope, work)

    def try_out(self, scope: Scope, name: str) -> None:
        """Sends a trial notice by one channel, each under an id of its own. Errors: those of the channel."""
        _, way = self.channels[name]
        at = rfc3339(self.store.read(scope, lambda tx: tx.now))
        title = f"Clearway {scope.tenant}/{scope.environment}: a trial"
        id_ = f"trial.{secrets.token_hex(8)}"
        way.send(Notice(id_, TRIAL, at, scope.tenant, scope.environment, title, "Nothing happened.", self.link))


def notice_of(event: RecordedEvent, scope: Scope, link: str) -> Notice:
    """What is said of an event."""
    payload = event.payload or {}
    title, text, path = _words(event, payload)
    return Notice(
        id=f"{scope.tenant}.{scope.environment}.{event.seq}",
        kind=event.kind,
        at=event.at,
        tenant=scope.tenant,
        environment=scope.environment,
        title=f"Clearway {scope.tenant}/{scope.environment}: {title}",
        text=text,
        link=f"{link}{path}",
    )


def _words(event: RecordedEvent, payload: Mapping[str, Any]) -> tuple[str, str, str]:
    approval, run = payload.get("approval"), event.run_id
    match event.kind.partition(".")[0]:
        case "approval":
            said = {"requested": "waits for you", "escalated": "still waits", "expired": "has expired"}
            word = said.get(event.kind.partition(".")[2], "changed")
            tool, impact = payload.get("tool", "an action"), payload.get("impact", "")
            text = f"An approval {word}: {tool}{f' ({impact})' if impact else ''}. Sign in to see and decide."
            return f"an approval {word}", text, f"/inbox/{approval}"
        case "action":
            return "an effect is in doubt", f"{payload.get('tool')}: it is not known whether it happened.", "/unknowns"
        case "run":
            status = str(payload.get("status"))
            return f"a run {status}", f"A run of {payload.get('skill')} ended: {status}.", f"/runs/{run}"
        case "kill_switch":
            word = event.kind.partition(".")[2]
            return f"a kill switch was {word}", f"{payload.get('kind')} {payload.get('id')}: {word}.", "/switches"
        case _:
            word = event.kind.partition(".")[2].replace("_", " ")
            return f"a release was {word}", f"A release was {word}.", "/releases"


def _is_told(wants: Wants, event: RecordedEvent) -> bool:
    if event.kind not in wants.kinds:
        return False
    payload = event.payload or {}
    if event.kind == "run.finished" and payload.get("status") not in ("failed", "refused"):
        return False
    if not wants.groups or not event.kind.startswith("approval."):
        return True
    asked = {str(factor[0]) for factor in payload.get("factors", ())} | {str(payload.get("to", ""))}
    return bool(asked & set(wants.groups))


def _event(tx: Tx, seq: int) -> RecordedEvent | None:
    found = tx.audit.read(after=seq - 1, limit=1)
    return found[0] if found and found[0].seq == seq else None


def _wake_id(scope: Scope, seq: int, attempts: int) -> str:
    return f"ntc.{scope.tenant}.{scope.environment}.{seq}.{attempts}"
