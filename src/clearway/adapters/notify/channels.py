"""A channel of either kind. Implements `clearway.ports.NoticeChannel`."""

import json
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any

from clearway.model.errors import ConfigError, Invalid, Unavailable
from clearway.model.notice import Notice
from clearway.rules import webhooks

TIMEOUT_S = 10.0


class Webhook:
    """Posts notices, signed. `secret_variable` names the environment variable with the secret."""

    def __init__(
        self,
        url: str,
        secret_variable: str,
        *,
        private_hosts: Collection[str] = (),
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url, self._variable, self._environ, self._now = url, secret_variable, environ, now
        self._private_hosts = frozenset(private_hosts)

    def send(self, notice: Notice) -> None:
        body = json.dumps(asdict(notice), separators=(",", ":")).encode()
        headers = webhooks.sign(_of(self._environ, self._variable), notice.id, int(self._now()), body)
        status = self._post(body, {**headers, "content-type": "application/json"})
        if status in (408, 425, 429) or status >= 500:
            raise Unavailable(f"The webhook answered {status}.", code=f"status_{status}")
        if not 200 <= status < 300:
            raise Invalid(
                f"The webhook answered {status}.", code=f"status_{status}", remedy="See its address and secret."
            )

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            import httpx

            from clearway.adapters.notify.public_http import client
        except ImportError:
            raise ConfigError("Webhooks need httpx.", remedy="Install it: pip install 'clearway[server]'.") from None
        try:
            with client(timeout_s=TIMEOUT_S, private_hosts=self._private_hosts) as http:
                return http.post(self._url, content=body, headers=headers).status_code
        except httpx.InvalidURL:
            raise Invalid(
                "The webhook's address is malformed.", code="webhook_url", remedy="See clearway.toml."
            ) from None
        except httpx.HTTPError as error:
            what = type(error).__name__
            raise Unavailable(f"The webhook could not be reached ({what}).", code="unreachable") from None


class Apprise:
    """E-mail, Slack, Teams and whatever else Apprise knows; `variable` names the environment variable with its URL."""

    def __init__(self, variable: str, *, environ: Mapping[str, str] = os.environ) -> None:
        self._variable, self._environ = variable, environ

    def send(self, notice: Notice) -> None:
        try:
            import apprise
        except ImportError:
            raise ConfigError(
                "This way of telling people needs Apprise.", remedy="Install it: pip install 'clearway[server]'."
            ) from None
        way: Any = apprise.Apprise(asset=apprise.AppriseAsset(secure_logging=True, plugin_paths=[]))
        if not way.add(_of(self._environ, self._variable)):
            raise Invalid(
                f"{self._variable} holds no URL that Apprise knows.", code="apprise_url", remedy="Correct the variable."
            )
        # As text: no markup of anybody's is read (threat 9).
        body = f"{notice.text}\n\n{notice.link}"
        if not way.notify(title=notice.title, body=body, body_format=apprise.NotifyFormat.TEXT):
            raise Unavailable("The message could not be delivered.", code="not_delivered")


def _of(environ: Mapping[str, str], variable: str) -> str:
    value = environ.get(variable, "").strip()
    if not value:
        raise Invalid(
            f"The environment variable {variable} is not set.", code="not_set", remedy="Set it for the worker."
        )
    return value
