"""An HTTP client that reaches public addresses only, whatever a name resolves to (threat 26).

INVARIANT: the address that was checked is the one that is connected to: the name is resolved once, here, and every
address of it has to be public. Redirects are not followed, and no proxy of the environment is used.
"""

import ipaddress
import socket
from collections.abc import Collection, Iterable
from typing import Any

import httpcore
import httpx

from clearway.model.errors import Invalid, Unavailable

#: Networks that lead to other networks' addresses inside of theirs: NAT64, 6to4, Teredo, IPv4-mapped and -compatible.
_TUNNELS = tuple(
    map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0/96", "::/96"))
)


def client(*, timeout_s: float = 10.0, private_hosts: Collection[str] = ()) -> httpx.Client:
    """`private_hosts`: names that may lie in a private network, since the project says so."""
    transport = httpx.HTTPTransport(trust_env=False)
    pool = transport._pool  # pyright: ignore[reportPrivateUsage] (httpx has no public way to a backend)
    pool._network_backend = _PublicOnly(frozenset(private_hosts))  # pyright: ignore[reportPrivateUsage]
    return httpx.Client(transport=transport, timeout=timeout_s, follow_redirects=False, trust_env=False)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet's."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if any(found in network for network in _TUNNELS if network.version == found.version):
        return False
    return found.is_global and not found.is_multicast


class _PublicOnly(httpcore.SyncBackend):
    def __init__(self, private_hosts: frozenset[str]) -> None:
        super().__init__()
        self._private_hosts = private_hosts

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        address = self._address(host, port)
        return super().connect_tcp(address, port, timeout, local_address, socket_options)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise _blocked()

    def _address(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unavailable(
                "The host's name could not be resolved.", code="unresolved", remedy="Look at the name, and at the DNS."
            ) from None
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or (host not in self._private_hosts and not all(map(is_public, addresses))):
            raise _blocked()
        return addresses[0]


def _blocked() -> Invalid:
    return Invalid(
        "The host lies in a private network, or on this machine.",
        code="private_address",
        remedy="Name it in private_hosts, where it is meant.",
    )
