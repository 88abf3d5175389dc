"""What operators see and do about notices: how their delivery went, and one sent on trial.

A trial goes out from the process that is asked. A worker on another machine has variables and a network of its own.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from clearway.model.errors import ClearwayError, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.notice import Delivery, Sending
from clearway.operate.notices import Notices
from clearway.ports import Store, Tx
from clearway.rules.chain import rfc3339
from clearway.rules.names import did_you_mean
from clearway.rules.rights import require

Json = dict[str, Any]
#: Among so many of the newest deliveries, those that failed are looked for.
LOOK_BACK = 500
_AT_ONCE = 8

#: Code of a failure → why, in words. A code that is not here is the kind of an error of a library.
_WHY: Mapping[str, str] = {
    "not_set": "the environment variable that the channel names is not set",
    "apprise_url": "the variable holds no address that Apprise knows",
    "not_delivered": "the service took no message",
    "unreachable": "the webhook could not be reached",
    "unresolved": "the host's name could not be resolved",
    "webhook_url": "the webhook's address is malformed",
    "private_address": "the host lies in a private network and is not in private_hosts",
    "config": "what the channel needs is not installed: pip install 'clearway[server]'",
}


@dataclass(frozen=True, slots=True)
class NoticeDesk:
    """One a process."""

    store: Store
    notices: Notices

    def listed(self, scope: Scope, *, failed: bool, limit: int) -> Json:
        """Deliveries, newest first, and the channels that the project names. `failed`: only those that are not done,
        among the `LOOK_BACK` newest."""
        found = self.store.read(scope, lambda tx: tx.notices.newest(limit=LOOK_BACK if failed else limit))
        chosen = [one for one in found if not failed or one.state is not Delivery.SENT]
        channels = [
            {"channel": name, "kinds": list(wants.kinds), "groups": list(wants.groups)}
            for name, (wants, _) in self.notices.channels.items()
        ]
        return {"items": [_line(one) for one in chosen[:limit]], "next": None, "channels": channels}

    def try_out(self, by: Principal, channel: str | None) -> Json:
        """Sends a trial notice by one channel, or by each. What went wrong is told, not raised; it is recorded who did.

        Errors: `Denied`, `NotFound` (no such channel, or none at all)."""
        require(by, "notices")
        names = [channel] if channel is not None else list(self.notices.channels)
        self._check(names)
        with ThreadPoolExecutor(min(_AT_ONCE, len(names))) as pool:
            items = list(pool.map(partial(self._tried, by.scope), names))

        def work(tx: Tx) -> None:
            tx.audit.append([Event("notice.tried", {"by": by.name, **item}) for item in items])

        self.store.write(by.scope, work)
        return {"items": [{**item, "why": why(item["code"])} for item in items], "next": None}

    def _check(self, names: list[str]) -> None:
        known = self.notices.channels
        if not known:
            raise NotFound("The project names no channel.", remedy="See docs/how-to/notifications.md.")
        for name in names:
            if name not in known:
                raise NotFound(
                    "The project names no such channel.", remedy=did_you_mean(name, known) or "See [notifications]."
                )

    def _tried(self, scope: Scope, name: str) -> Json:
        code = ""
        try:
            self.notices.try_out(scope, name)
        except ClearwayError as error:
            code = error.code
        except Exception as error:  # a library of somebody's
            code = type(error).__name__
        return {"channel": name, "sent": not code, "code": code}


def why(code: str) -> str:
    """A failure's code in words; nothing where there is none."""
    if code.startswith("status_"):
        return f"the webhook answered {code.removeprefix('status_')}"
    return _WHY.get(code, f"an unexpected error ({code})" if code else "")


def _line(one: Sending) -> Json:
    return {
        "event": one.seq,
        "kind": one.kind,
        "channel": one.channel,
        "state": one.state.value,
        "attempts": one.attempts,
        "at": rfc3339(one.at),
        "code": one.code,
        "why": why(one.code),
    }
