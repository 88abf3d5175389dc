"""What goes out of this process by itself: notices to people, spans and figures to whoever watches."""

from collections.abc import Callable

from clearway.adapters.notify.channels import Apprise, Webhook
from clearway.adapters.otel.providers import open_telemetry
from clearway.model.event import RecordedEvent
from clearway.operate.notices import Wants, enqueue
from clearway.operate.watching import counters, gauge_reader
from clearway.ports import NoticeChannel, Store, Telemetry, Tx
from clearway.project.notification_settings import NotificationSettings
from clearway.project.project import Project


def announcer(kinds: frozenset[str]) -> Callable[[Tx, RecordedEvent], None] | None:
    """Enqueues a notice for each event that some channel is told of; None where nobody is told of anything."""
    if not kinds:
        return None
    return lambda tx, event: enqueue(tx, event) if event.kind in kinds else None


def channels(settings: NotificationSettings) -> dict[str, tuple[Wants, NoticeChannel]]:
    """Name → what the channel is told of, and the channel."""
    found: dict[str, tuple[Wants, NoticeChannel]] = {}
    for name, channel in settings.channels.items():
        if channel.webhook is not None:
            hosts = settings.private_hosts
            found[name] = channel, Webhook(channel.webhook, channel.secret_variable or "", private_hosts=hosts)
        else:
            found[name] = channel, Apprise(channel.variable or "")
    return found


def telemetry_of(project: Project, store: Store) -> Telemetry | None:
    """As the project and OTEL_* say; None where nobody watches."""
    opened = open_telemetry(project.settings.telemetry, project.settings.name)
    if opened is not None:
        opened.begin_at_zero(counters(project.tools, project.skills))
        opened.read_gauges(gauge_reader(store, project.settings.environments))
    return opened
