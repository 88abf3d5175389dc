"""`[server]` and `[oidc]` of clearway.toml: how `clearway serve` is reached, and how people sign in.

::

    [server]    hosts = ["clearway.example.com"]       # names that it answers to, beside those of this machine
                proxies = ["10.0.0.5"]                 # addresses of proxies that end TLS in front of it
                rate = { count = 200, per_s = 10 }     # requests of one caller
                keys_decide = false                    # people approve signed in only, never by an API key
    [oidc]      issuer = "https://login.example.com"   client_id = "clearway"   tenant = "acme"
                secret_variable = "CLEARWAY_OIDC_SECRET"
                audience = "clearway"   algorithms = ["RS256"]   user_claim = "sub"   groups_claim = "groups"
    [oidc.users]         "sub-1234" = "dana"           # who of the declared users this is
    [oidc.roles.prod]    "ops-people" = ["operator"]   # group there → roles here, in one environment
    [oidc.groups]        "money-people" = ["finance"]  # group there → approver groups here
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from clearway.model.tool import RateLimit
from clearway.project.located import Table

#: Signatures of an identity provider that are taken. INVARIANT: never `none`, and none with a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
DEFAULT_SECRET_VARIABLE = "CLEARWAY_OIDC_SECRET"  # noqa: S105 (the name of a variable)
DEFAULT_RATE = RateLimit(200, 10.0)

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_LOOPBACK_ISSUER = re.compile(r"http://(127\.0\.0\.1|localhost)(:\d+)?(/.*)?", re.ASCII)

RolesByGroup = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`hosts`: names without port. `proxies`: IP addresses. `rate`: of one caller's requests. `keys_decide`: whether an
    API key of a person approves, too; whoever made it has seen it."""

    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    rate: RateLimit = DEFAULT_RATE
    keys_decide: bool = True


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`roles`: environment → the provider's group → roles. `groups`: the provider's group → approver groups.

    `users`: the value of `user_claim` → a declared user. Whoever is neither there nor given a role does not get in.
    """

    issuer: str
    client_id: str
    tenant: str
    audience: str
    secret_variable: str = DEFAULT_SECRET_VARIABLE
    algorithms: tuple[str, ...] = ("RS256",)
    user_claim: str = "sub"
    groups_claim: str = "groups"
    users: Mapping[str, str] = field(default_factory=dict[str, str])
    roles: Mapping[str, RolesByGroup] = field(default_factory=dict[str, RolesByGroup])
    groups: RolesByGroup = field(default_factory=dict[str, tuple[str, ...]])


def read_server(root: Table) -> ServerSettings:
    """`[server]`. Problems are noted."""
    table = root.table("server")
    hosts = table.texts("hosts", example='["clearway.example.com"]')
    if any(not _HOST.fullmatch(host) for host in hosts):
        table.wrong("hosts", "should hold host names in small letters, without port", 'Write ["clearway.example.com"].')
    proxies = table.texts("proxies", example='["10.0.0.5"]')
    rate = DEFAULT_RATE
    if "rate" in table.values:
        inner = table.table("rate")
        rate = RateLimit(
            inner.integer("count", DEFAULT_RATE.count, example=200),
            float(inner.number("per_s", DEFAULT_RATE.per_s, example=10)),
        )
        inner.finish()
    keys_decide = table.flag("keys_decide", True)
    table.finish()
    return ServerSettings(hosts, proxies, rate, keys_decide)


def read_oidc(root: Table, environments: tuple[str, ...], tenants: tuple[str, ...]) -> OidcSettings | None:
    """`[oidc]`; None where there is none. Problems are noted."""
    table = root.table("oidc")
    if "oidc" not in root.values:
        return None
    for key in ("issuer", "client_id"):
        if key not in table.values:
            table.wrong(None, f"has no {key}", f'Write {key} = "…".')
    issuer = table.text("issuer", "", example="https://login.example.com")
    if issuer and not (issuer.startswith("https://") or _LOOPBACK_ISSUER.fullmatch(issuer)):
        table.wrong("issuer", "should begin with https://", 'Write issuer = "https://login.example.com".')
    client_id = table.text("client_id", "", example="clearway")
    tenant = table.text("tenant", tenants[0], example=tenants[0])
    table.choice("tenant", tenant, tenants, "tenant")
    algorithms = table.texts("algorithms", ("RS256",), example='["RS256"]')
    if not algorithms or set(algorithms) - set(ALGORITHMS):
        table.wrong("algorithms", "should name signatures with a public key", f"Use some of: {', '.join(ALGORITHMS)}.")
        algorithms = ("RS256",)
    settings = OidcSettings(
        issuer,
        client_id,
        tenant,
        table.text("audience", client_id, example="clearway"),
        table.text("secret_variable", DEFAULT_SECRET_VARIABLE, example=DEFAULT_SECRET_VARIABLE),
        algorithms,
        table.text("user_claim", "sub", example="sub"),
        table.text("groups_claim", "groups", example="groups"),
        _users(table.table("users")),
        _roles(table.table("roles"), environments),
        _mapped(table.table("groups"), "finance"),
    )
    table.finish()
    return settings


def _users(table: Table) -> dict[str, str]:
    found = {name: table.text(name, "", example="dana") for name in table.values}
    if len(set(found.values())) != len(found):
        table.wrong(None, "names one declared user twice", "One person of the provider is one user.")
    return found


def _roles(table: Table, environments: tuple[str, ...]) -> dict[str, RolesByGroup]:
    found: dict[str, RolesByGroup] = {}
    for environment, inner in table.tables().items():
        table.choice(environment, environment, environments, "environment")
        found[environment] = _mapped(inner, "operator")
    return found


def _mapped(table: Table, example: str) -> RolesByGroup:
    return {name: table.texts(name, example=f'["{example}"]') for name in table.values}
