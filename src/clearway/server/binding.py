"""Where a server may listen. INVARIANT: off this machine only with authentication, and with TLS or a declared proxy."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from clearway.app import Clearway
from clearway.model.errors import Invalid
from clearway.server.site import Options


@dataclass(frozen=True, slots=True)
class Binding:
    """`host`: an IP address, or `localhost`. `certificate` and `private_key`: PEM files."""

    host: str = "127.0.0.1"
    port: int = 8080
    certificate: Path | None = None
    private_key: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def check(binding: Binding, app: Clearway) -> None:
    """Errors: `Invalid` (`bind`, `tls`)."""
    settings = app.project.settings
    if (binding.certificate is None) != (binding.private_key is None):
        raise Invalid(
            "TLS takes a certificate and its private key.", code="tls", remedy="Give both --cert and --key-file."
        )
    if binding.is_local:
        return
    if binding.certificate is None and not settings.server.proxies:
        raise Invalid(
            "Off this machine the server takes TLS, or a declared proxy that ends it.",
            code="bind",
            remedy="Give --cert and --key-file, or name the proxy in [server] proxies; or listen on 127.0.0.1.",
        )
    if not settings.server.hosts:
        raise Invalid(
            "Off this machine the server has to know its names.",
            code="bind",
            remedy='Write [server] and hosts = ["clearway.example.com"] into clearway.toml.',
        )
    if settings.oidc is None and not _has_keys(app):
        raise Invalid(
            "Off this machine the server takes authentication, and there is none: no API key, no [oidc].",
            code="bind",
            remedy="Make a key first: clearway keys create SUBJECT --first --env prod.",
        )


def options_of(binding: Binding, app: Clearway) -> Options:
    """How a server that listens there stands in the network."""
    names, port = app.project.settings.server.hosts, binding.port
    proxied = bool(app.project.settings.server.proxies and names) and binding.certificate is None
    secure = binding.certificate is not None or proxied
    scheme, usual = ("https", 443) if secure else ("http", 80)
    own = {"127.0.0.1", "localhost", "[::1]"} if binding.is_local else {_bracketed(binding.host)}
    hosts = {f"{name}:{port}" for name in (*own, *names)} | set(names)
    hosts |= own if port == usual else set[str]()
    name = names[0] if names else _bracketed(binding.host)
    origin = f"{scheme}://{name}" if port == usual or proxied else f"{scheme}://{name}:{port}"
    return Options(frozenset(hosts), origin, local=binding.is_local and not names)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _has_keys(app: Clearway) -> bool:
    settings = app.project.settings
    return any(
        any(key.revoked_at is None and key.expires_at > now for key in keys)
        for tenant in settings.tenants
        for environment in settings.environments
        for keys, now in [app.store.read(app.scope(tenant, environment), lambda tx: (tx.keys.list(), tx.now))]
    )
