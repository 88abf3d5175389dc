"""`clearway.toml` without its people (those are in `principals.py`).

::

    [project]       name = "acme-support"
    [store]         url = "sqlite:///.clearway/clearway.db"     # or postgresql://…; relative to the project
    [environments]  list = ["dev", "staging", "prod"]
    [tenants]       list = ["acme"]
    [keyring]       path = ".clearway/keyring.json"
    [approvals]     grant_factors = "finance:1, security:1"     separation_of_duties = { dev = false }
    [limits]        system = { count = 1000, per_s = 60 }       tenant = { count = 100, per_s = 60 }
    [limits.skills.desk]  count = 10  per_s = 60                [limits.tools.refund]  count = 5  per_s = 60
    [models.providers.local] base_url = "http://127.0.0.1:8000/v1"   see `model_settings.py`
    [privacy], [retention]  see `privacy.py`         [routing]  see `routing_settings.py`
    [limits.budgets]      run = { steps = 100, tokens = 200000, cost_usd = 2.5 }    tenant_day = { cost_usd = 50 }
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from clearway.model.decision import Factor
from clearway.model.errors import ConfigError
from clearway.model.telemetry import TelemetrySettings
from clearway.model.tool import RateLimit
from clearway.project.located import Table
from clearway.project.model_settings import ModelSettings, read_models
from clearway.project.notification_settings import NotificationSettings, read_notifications
from clearway.project.privacy import PrivacySettings, RetentionSettings, read_privacy, read_retention
from clearway.project.routing_settings import RoutingSettings, read_routing
from clearway.project.server_settings import OidcSettings, ServerSettings, read_oidc, read_server
from clearway.project.telemetry_settings import read_telemetry
from clearway.rules import obligations

DEFAULT_ENVIRONMENTS = ("dev", "staging", "prod")
DEFAULT_TENANTS = ("default",)
REQUIRE, WARN = "require", "warn"
DEFAULT_STORE_URL = "sqlite:///.clearway/clearway.db"
DEFAULT_KEYRING = ".clearway/keyring.json"

#: The one environment in which people may approve what they asked for, where the project says so.
LENIENT_ENVIRONMENT = "dev"

_SCOPE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_STORE_FORMS = 'Write url = "sqlite:///.clearway/clearway.db" or "postgresql://user@host/database".'


@dataclass(frozen=True, slots=True)
class Budget:
    """Most that may be used; None: no limit. `cost_usd` is in dollars."""

    steps: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Rate limits beside those that tools and skills declare, and budgets of a run and of a tenant a day."""

    system: RateLimit | None = None
    tenant: RateLimit | None = None
    skills: Mapping[str, RateLimit] = field(default_factory=dict[str, RateLimit])
    tools: Mapping[str, RateLimit] = field(default_factory=dict[str, RateLimit])
    run_budget: Budget = Budget()
    tenant_day_budget: Budget = Budget()


@dataclass(frozen=True, slots=True)
class Settings:
    """`store_url` names an absolute file, or a Postgres database. `grant_factors`: who has to agree to a grant.

    `lenient_environments`: where separation of duties is off; `dev` or nothing. `row_security`: what becomes of a
    Postgres role that row-level security does not hold for, `require` or `warn`.
    """

    name: str
    store_url: str
    environments: tuple[str, ...] = DEFAULT_ENVIRONMENTS
    tenants: tuple[str, ...] = DEFAULT_TENANTS
    keyring: Path = Path(DEFAULT_KEYRING)
    limits: LimitSettings = LimitSettings()
    grant_factors: tuple[Factor, ...] = ()
    lenient_environments: frozenset[str] = frozenset()
    row_security: str = REQUIRE
    server: ServerSettings = field(default_factory=ServerSettings)
    oidc: OidcSettings | None = None
    models: ModelSettings = field(default_factory=ModelSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    routing: RoutingSettings = field(default_factory=RoutingSettings)
    notifications: NotificationSettings = field(default_factory=NotificationSettings)


def read_settings(root: Table, folder: Path, store_url: str | None) -> Settings:
    """`store_url` goes before that of the file. Problems are noted in `root.problems`."""
    project, environments, tenants = root.table("project"), root.table("environments"), root.table("tenants")
    store, keyring, limits, approvals = (root.table(key) for key in ("store", "keyring", "limits", "approvals"))
    name = _project_name(project)
    scopes = _scope_names(environments, DEFAULT_ENVIRONMENTS, "prod")
    named = _scope_names(tenants, DEFAULT_TENANTS, "acme")
    settings = Settings(
        name=name,
        store_url=_store_url(store, folder, store_url),
        environments=scopes,
        tenants=named,
        keyring=folder / keyring.text("path", DEFAULT_KEYRING, example=DEFAULT_KEYRING),
        limits=_limits(limits),
        grant_factors=_grant_factors(approvals),
        lenient_environments=_lenient(approvals, scopes),
        row_security=_row_security(store),
        server=read_server(root),
        notifications=read_notifications(root),
        telemetry=read_telemetry(root),
        oidc=read_oidc(root, scopes, named),
        models=read_models(root, folder),
        privacy=read_privacy(root, named),
        retention=read_retention(root),
        routing=read_routing(root),
    )
    for table in (project, environments, tenants, store, keyring, approvals):
        table.finish()
    return settings


def read_behaviour(root: Table, folder: Path, here: Settings) -> Settings:
    """`here` with what a release pins: limits, models and routing. Problems are noted in `root.problems`."""
    return replace(
        here, limits=_limits(root.table("limits")), models=read_models(root, folder), routing=read_routing(root)
    )


def parse_factors(text: str) -> tuple[Factor, ...]:
    """`finance:2, security` → two of finance, one of security; as in `@approvers`. Errors: `ConfigError`, no place."""
    try:
        rule = obligations.parse({"obligation": obligations.REQUIRE_APPROVAL, "approvers": text})
    except ConfigError:
        rule = None
    if rule is None:
        raise ConfigError("is not a list of different groups", remedy='Write "finance:2, security:1".')
    return rule.factors


def resolve_store_url(url: str, folder: Path) -> str:
    """`url`, made absolute where it is SQLite. Errors: `ConfigError`, which never repeats the URL (passwords)."""
    if url.startswith(("postgresql://", "postgresql+psycopg://")) and len(url.partition("://")[2]) > 0:
        return url
    if not url.startswith("sqlite:///"):
        raise ConfigError("should begin with sqlite:/// or postgresql://", remedy=_STORE_FORMS)
    path = url.removeprefix("sqlite:///")
    if not path or path == ":memory:" or "?" in path or path.endswith("/"):
        raise ConfigError("should name a file: a store in memory loses what was approved", remedy=_STORE_FORMS)
    return f"sqlite:///{(folder.resolve() / path).as_posix()}"


def _project_name(project: Table) -> str:
    name = project.text("name", "", example="acme-support")
    if "name" not in project.values:
        project.wrong(None, "has no name", 'Write [project] and name = "acme-support".')
    elif name and not _SCOPE_NAME.fullmatch(name):
        project.wrong("name", "should be small letters, digits, - and _", 'Write name = "acme-support".')
    return name


def _scope_names(table: Table, default: tuple[str, ...], example: str) -> tuple[str, ...]:
    names = table.texts("list", default, example=f'["{example}"]')
    if any(not _SCOPE_NAME.fullmatch(name) for name in names):
        table.wrong("list", "should hold names of small letters, digits, - and _", f'Write list = ["{example}"].')
        return default
    if not names:
        table.wrong("list", "is empty", f'Write list = ["{example}"].')
        return default
    return names


def _row_security(store: Table) -> str:
    word = store.text("row_security", REQUIRE, example=REQUIRE)
    if word not in (REQUIRE, WARN):
        store.wrong("row_security", "is neither require nor warn", 'Write row_security = "require".')
    return word


def _store_url(store: Table, folder: Path, override: str | None) -> str:
    declared = store.text("url", DEFAULT_STORE_URL, example=DEFAULT_STORE_URL)
    try:
        resolved = resolve_store_url(declared, folder)
    except ConfigError as error:
        store.wrong("url", error.message, error.remedy)
        resolved = ""
    if override is None:
        return resolved
    try:
        return resolve_store_url(override, folder)
    except ConfigError as error:
        raise ConfigError(
            f"The store's URL (--store, CLEARWAY_STORE_URL) {error.message}.",
            remedy=error.remedy.replace("Write url =", "Write"),
        ) from None


def _limits(limits: Table) -> LimitSettings:
    budgets = limits.table("budgets")
    found = LimitSettings(
        system=_rate(limits, "system"),
        tenant=_rate(limits, "tenant"),
        skills=_rates(limits.table("skills")),
        tools=_rates(limits.table("tools")),
        run_budget=_budget(budgets.table("run")),
        tenant_day_budget=_budget(budgets.table("tenant_day")),
    )
    limits.finish()
    budgets.finish()
    return found


def _rates(table: Table) -> dict[str, RateLimit]:
    found = {name: _rate(table, name) for name in table.values}
    return {name: rate for name, rate in found.items() if rate is not None}


def _rate(parent: Table, key: str) -> RateLimit | None:
    table = parent.table(key)
    if key not in parent.values:
        return None
    count, per_s = table.integer("count", None, example=10), table.number("per_s", None, example=60)
    for name in ("count", "per_s"):
        if name not in table.values:
            table.wrong(None, f"has no {name}", f"Write {key} = {{ count = 10, per_s = 60 }}.")
    table.finish()
    return RateLimit(count, float(per_s)) if count is not None and per_s is not None else None


def _budget(table: Table) -> Budget:
    budget = Budget(
        table.integer("steps", None, example=100),
        table.integer("tokens", None, example=200_000),
        table.number("cost_usd", None, example=2.5),
    )
    table.finish()
    return budget


def _grant_factors(approvals: Table) -> tuple[Factor, ...]:
    text = approvals.text("grant_factors", None, example="finance:1, security:1")
    if text is None:
        return ()
    try:
        return parse_factors(text)
    except ConfigError as error:
        approvals.wrong("grant_factors", error.message, error.remedy)
        return ()


def _lenient(approvals: Table, environments: tuple[str, ...]) -> frozenset[str]:
    if approvals.values.get("separation_of_duties") is True:
        approvals.known.add("separation_of_duties")
        return frozenset()
    table = approvals.table("separation_of_duties")
    for environment in table.values:
        table.known.add(environment)
        is_on = table.values[environment]
        if not isinstance(is_on, bool):
            table.wrong(environment, "should be true or false", "Write { dev = false }.")
        elif environment not in environments:
            table.choice(environment, environment, environments, "environment")
        elif not is_on and environment != LENIENT_ENVIRONMENT:
            table.wrong(environment, f"may be off in {LENIENT_ENVIRONMENT} only", "Remove it.")
    return frozenset(name for name, is_on in table.values.items() if is_on is False)
