"""`[privacy]` and `[retention]` of `clearway.toml`.

::

    [privacy]                allow = ["support@acme.example"]     ignore = ["LOCATION", "IP"]
    [privacy.patterns]       POLICY_NO = '\\bPN-[0-9]{6}\\b'                   # RE2 syntax; the type that tokens get
    [privacy.reveal]         privacy_officer = ["*"]              finance = ["CARD", "IBAN"]
    [privacy.tenants.acme]   allow = ["Acme House"]               # beside those above; patterns and reveal likewise
    [retention]              transcripts_days = 400               payloads_days = 30      vault_days = 90
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from clearway.ports import Sealer
from clearway.project.located import Table
from clearway.rules.find import Finder
from clearway.rules.find.finder import COARSE
from clearway.rules.find.regex import BadPattern, own_pattern
from clearway.rules.redact import Redaction

_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,47}", re.ASCII)
_EXAMPLE_PATTERN = "Write, for instance, POLICY_NO = '\\bPN-[0-9]{6}\\b'."
EVERY_TYPE = "*"


@dataclass(frozen=True, slots=True)
class PrivacyRules:
    """What one tenant minds. `ignore`: types that are not wanted. `reveal`: role or group → types, `*` for all."""

    allow: tuple[str, ...] = ()
    ignore: tuple[str, ...] = tuple(sorted(COARSE))
    patterns: Mapping[str, str] = field(default_factory=dict[str, str])
    reveal: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def finder(self) -> Finder:
        return Finder(self.allow, self.patterns, self.ignore)


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """`tenants`: of those that have settings of their own, with the project's merged in."""

    project: PrivacyRules = PrivacyRules()
    tenants: Mapping[str, PrivacyRules] = field(default_factory=dict[str, PrivacyRules])

    def of(self, tenant: str) -> PrivacyRules:
        return self.tenants.get(tenant, self.project)

    def of_anybody(self) -> PrivacyRules:
        """For bytes that tell no tenant: what any tenant may show is no finding in them, and only what the whole
        project minds by own patterns is one."""
        every = (self.project, *self.tenants.values())
        return PrivacyRules(
            allow=tuple(dict.fromkeys(text for rules in every for text in rules.allow)),
            ignore=tuple(sorted({kind for rules in every for kind in rules.ignore})),
            patterns=self.project.patterns,
        )

    def redaction(self, sealer: Sealer, tenants: Iterable[str]) -> Redaction:
        """Finding and rights to reveal of the whole project."""
        finders = {tenant: rules.finder() for tenant, rules in self.tenants.items()}
        return Redaction(sealer, self.project.finder(), finders, {tenant: self.of(tenant).reveal for tenant in tenants})


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """Days after a run's end (for `vault`: since a value was last met); None keeps for ever."""

    transcripts_days: float | None = None
    payloads_days: float | None = None
    vault_days: float | None = None

    def days(self) -> dict[str, float]:
        """Kind of data → days, of those that are set."""
        every = {"transcripts": self.transcripts_days, "payloads": self.payloads_days, "vault": self.vault_days}
        return {kind: days for kind, days in every.items() if days is not None}


def read_privacy(root: Table, tenants: tuple[str, ...]) -> PrivacySettings:
    """Problems are noted in `root.problems`."""
    table = root.table("privacy")
    project = _rules(table, PrivacyRules())
    own = table.table("tenants")
    found: dict[str, PrivacyRules] = {}
    for name, tenant in own.tables().items():
        if own.choice(name, name, tenants, "tenant"):
            found[name] = _rules(tenant, project)
            tenant.finish()
    table.finish()
    return PrivacySettings(project, found)


def read_retention(root: Table) -> RetentionSettings:
    """Errors: as `read_privacy`."""
    table = root.table("retention")
    found = RetentionSettings(
        transcripts_days=table.number("transcripts_days", None, example=400),
        payloads_days=table.number("payloads_days", None, example=30),
        vault_days=table.number("vault_days", None, example=90),
    )
    transcripts, payloads = found.transcripts_days, found.payloads_days
    if transcripts is not None and (payloads is None or payloads > transcripts):
        # Erasure finds a person's sealed copies by what the transcripts show.
        table.wrong("transcripts_days", "is shorter than payloads_days", "Keep payloads no longer: payloads_days = 30.")
    if found.vault_days is not None and found.vault_days < 1:
        table.wrong("vault_days", "should be at least 1", "Write vault_days = 90.")
    table.finish()
    return found


def _rules(table: Table, outer: PrivacyRules) -> PrivacyRules:
    allow = table.texts("allow", example='["support@acme.example"]')
    ignore = table.texts("ignore", outer.ignore, example='["LOCATION"]')
    if any(not _TYPE.fullmatch(name) for name in ignore):
        table.wrong("ignore", "holds something that is no type", 'Write ignore = ["LOCATION", "IP"].')
        ignore = outer.ignore
    return PrivacyRules(
        allow=(*outer.allow, *allow),
        ignore=ignore,
        patterns={**outer.patterns, **_patterns(table.table("patterns"))},
        reveal={**outer.reveal, **_reveal(table.table("reveal"))},
    )


def _patterns(table: Table) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in table.values:
        source = table.text(name, "", example="\\bPN-[0-9]{6}\\b")
        if not _TYPE.fullmatch(name):
            table.wrong(name, "should be capital letters, digits and _", _EXAMPLE_PATTERN)
        elif source:
            try:
                own_pattern(source)
                found[name] = source
            except BadPattern as error:
                table.wrong(name, f"is not usable: {str(error).rstrip('.')}", _EXAMPLE_PATTERN)
    return found


def _reveal(table: Table) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in table.values:
        types = table.texts(name, example='["CARD", "IBAN"]')
        if any(kind != EVERY_TYPE and not _TYPE.fullmatch(kind) for kind in types):
            table.wrong(name, "holds something that is no type", f'Write {name} = ["CARD", "IBAN"], or ["*"].')
        else:
            found[name] = types
    return found
