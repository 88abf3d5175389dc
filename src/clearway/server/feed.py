"""The events of a scope as they are recorded, for any number of listeners in this process.

One look a scope at the chain's head, however many listen; what is new is kept in a short ring that they share. Who is
further behind, as after a break, reads its own events from the store. INVARIANT: a listener gets each event that it
asked for once, in order, from behind the one it names.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from clearway.model.errors import Unavailable
from clearway.model.event import RecordedEvent
from clearway.model.identity import Scope
from clearway.ports import Store, Tx

LOOK_EVERY_S = 0.2
#: Events of a scope that are kept for those who are a little behind.
KEPT = 1_024
_PAGE = 500


@dataclass(slots=True)
class _Channel:
    """`floor`: every event behind it, up to `head`, is in `ring`."""

    head: int = -1
    floor: int = -1
    ring: deque[RecordedEvent] = field(default_factory=lambda: deque[RecordedEvent](maxlen=KEPT))
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: int = 0
    task: asyncio.Task[None] | None = None

    def publish(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def add(self, head: int, events: list[RecordedEvent]) -> None:
        if self.head < 0 or not events:  # the first look, or a chain without these events: nothing is in the ring
            self.ring.clear()
            self.floor = head
        self.ring.extend(events)
        self.head = events[-1].seq if events else head
        if len(self.ring) == KEPT:
            self.floor = max(self.floor, self.ring[0].seq - 1)
        self.publish()


class Feed:
    """One a process; used on one event loop."""

    def __init__(self, store: Store, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._store, self._look_every_s = store, look_every_s
        self._channels: dict[Scope, _Channel] = {}
        self._closed = False

    async def follow(
        self, scope: Scope, *, after: int, run_id: str | None = None, beat_s: float = 15.0
    ) -> AsyncIterator[list[RecordedEvent]]:
        """Events behind number `after`, of one run or all; an empty list every `beat_s` seconds without news.

        Ends when the feed is closed."""
        channel = self._join(scope)
        try:
            while not self._closed:
                changed = channel.changed
                after, found = await self._news(channel, scope, after, run_id)
                if found:
                    yield found
                elif after >= channel.head and not self._closed and not await _within(changed, beat_s):
                    yield []
        finally:
            self._leave(scope, channel)

    def close(self) -> None:
        """Ends every `follow` soon. On the loop's thread."""
        self._closed = True
        for channel in self._channels.values():
            channel.publish()

    async def _news(
        self, channel: _Channel, scope: Scope, after: int, run_id: str | None
    ) -> tuple[int, list[RecordedEvent]]:
        """(number up to which the listener has everything, events of its own that it lacked)."""
        if 0 <= channel.floor <= after:
            found = [e for e in channel.ring if e.seq > after and (run_id is None or e.run_id == run_id)]
            return max(after, channel.head), found

        def work(tx: Tx) -> tuple[int, list[RecordedEvent]]:
            return tx.audit.head()[0], tx.audit.read(after=after, limit=_PAGE, run_id=run_id)

        head, found = await self._store.aread(scope, work)
        return (found[-1].seq if len(found) == _PAGE else max(head, after)), found

    def _join(self, scope: Scope) -> _Channel:
        channel = self._channels.setdefault(scope, _Channel())
        channel.listeners += 1
        if channel.task is None:
            channel.task = asyncio.get_running_loop().create_task(self._look(scope, channel))
        return channel

    def _leave(self, scope: Scope, channel: _Channel) -> None:
        channel.listeners -= 1
        if channel.listeners == 0:
            self._channels.pop(scope, None)
            if channel.task is not None:
                channel.task.cancel()

    async def _look(self, scope: Scope, channel: _Channel) -> None:
        def work(tx: Tx) -> tuple[int, list[RecordedEvent]]:
            head = tx.audit.head()[0]
            new = tx.audit.read(after=channel.head, limit=_PAGE) if 0 <= channel.head < head else []
            return head, new

        while not self._closed:
            # A store that is away for a moment ends nobody's stream.
            with contextlib.suppress(Unavailable):
                head, new = await self._store.aread(scope, work)
                if head != channel.head:
                    channel.add(head, new)
            await asyncio.sleep(self._look_every_s)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
