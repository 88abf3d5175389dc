"""`[notifications]` of clearway.toml: who is told of what, and by which way.

::

    [notifications]      link = "https://clearway.example.com"   # where notices lead
                         private_hosts = ["hooks.internal"]      # may lie in a private network; no other host may
    [notifications.channels.finance]                             # by e-mail, Slack, … : an Apprise URL
    variable = "CLEARWAY_NOTIFY_FINANCE"                         # it holds secrets, so it stands in the environment
    groups = ["finance"]                                         # only approvals that ask these groups
    [notifications.channels.pager]
    webhook = "https://hooks.example.com/clearway"               # signed (Standard Webhooks)
    secret_variable = "CLEARWAY_WEBHOOK_SECRET"
    kinds = ["action.in_doubt", "kill_switch.engaged"]
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from clearway.project.located import Table

DEFAULT_LINK = "http://127.0.0.1:8620"
#: What somebody is told of. INVARIANT: the payloads of these kinds are looked at for ids and groups only.
KINDS = (
    "approval.requested",
    "approval.escalated",
    "approval.expired",
    "action.in_doubt",
    "run.finished",
    "run.code_missing",
    "kill_switch.engaged",
    "kill_switch.released",
    "release.promoted",
    "release.rolled_back",
    "release.revoked",
)
DEFAULT_KINDS = ("approval.requested", "approval.escalated")

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,127}", re.ASCII)
_LINK = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Channel:
    """`webhook` with `secret_variable`, or `variable` with an Apprise URL. `groups`: of approvals; empty: any."""

    name: str
    kinds: tuple[str, ...] = DEFAULT_KINDS
    groups: tuple[str, ...] = ()
    webhook: str | None = None
    secret_variable: str | None = None
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    link: str = DEFAULT_LINK
    private_hosts: tuple[str, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=dict[str, Channel])

    @property
    def kinds(self) -> frozenset[str]:
        """What any channel is told of."""
        return frozenset(kind for channel in self.channels.values() for kind in channel.kinds)


def read_notifications(root: Table) -> NotificationSettings:
    """Problems are noted."""
    table = root.table("notifications")
    link = table.text("link", DEFAULT_LINK, example="https://clearway.example.com").rstrip("/")
    if not _LINK.fullmatch(link):
        table.wrong("link", "should be the address of the console", 'Write "https://clearway.example.com".')
    hosts = table.texts("private_hosts", example='["hooks.internal"]')
    channels = {name: _channel(name, each) for name, each in table.table("channels").tables().items()}
    table.finish()
    return NotificationSettings(link, hosts, channels)


def _channel(name: str, table: Table) -> Channel:
    if not _NAME.fullmatch(name):
        table.wrong(None, "is not a well-formed name", "Use small letters, digits, - and _.")
    kinds = table.texts("kinds", DEFAULT_KINDS, example='["approval.requested"]')
    for kind in kinds:
        table.choice("kinds", kind, KINDS, "kind of event")
    groups = table.texts("groups", example='["finance"]')
    webhook = table.text("webhook", None, example="https://hooks.example.com/clearway")
    secret, variable = _variable(table, "secret_variable"), _variable(table, "variable")
    if webhook is not None and not webhook.startswith(("https://", "http://")):
        table.wrong("webhook", "should begin with https://", 'Write "https://hooks.example.com/clearway".')
    if (webhook is None) == (variable is None):
        table.wrong(None, "needs either a webhook or a variable", 'Write webhook = "https://…" or variable = "NAME".')
    elif webhook is not None and secret is None:
        table.wrong(None, "names no secret_variable", 'Write secret_variable = "CLEARWAY_WEBHOOK_SECRET".')
    table.finish()
    return Channel(name, kinds, groups, webhook, secret, variable)


def _variable(table: Table, key: str) -> str | None:
    name = table.text(key, None, example="CLEARWAY_NOTIFY_FINANCE")
    if name is not None and not _VARIABLE.fullmatch(name):
        table.wrong(key, "should be the name of an environment variable", f'Write {key} = "CLEARWAY_NOTIFY_FINANCE".')
        return None
    return name
