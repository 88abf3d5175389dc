"""Beside the road: opening a token, erasing a person, rotating keys. Each act is authorised and recorded.

What erasure reaches, and what it cannot: docs/explanation/privacy.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from clearway.model.errors import Conflict, Denied, Invalid, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.vault import StoredKey, VaultRow
from clearway.ports import Store, Tx
from clearway.rules.find.found import is_token
from clearway.rules.present import visible
from clearway.rules.rights import require
from clearway.runtime.vault import Vaults, binding

Json = dict[str, Any]
#: Many people share such a value: that it is met beside somebody else does not say that it is the same person's.
SHARED_TYPES = frozenset(
    ("PERSON", "ADDRESS", "LOCATION", "GEO", "DOB", "AGE", "TRAIT", "IP", "CARD_EXPIRY", "CARD_CODE", "PIN", "PASSWORD")
)
_PAGE = 500
_MOST_NAMED = 20


@dataclass(slots=True)
class _Found:
    """What an erasure is about to reach."""

    keys: list[str] = field(default_factory=list[str])
    values: int = 0
    runs: list[str] = field(default_factory=list[str])
    elsewhere: list[VaultRow] = field(default_factory=list[VaultRow])
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Privacy:
    """One a process; it keeps no state."""

    store: Store
    vaults: Vaults

    def reveal(self, token: str, by: Principal, reason: str, *, at: str = "") -> Json:
        """The value behind a token. Who may: `[privacy.reveal]`; an attempt by somebody else is recorded too. `at`: on
        which page it was asked for, where it was one.

        Errors: `Invalid` (`token`, `reason`), `NotFound` (`token_unknown`), `Denied` (`reveal_denied`), `Erased`."""
        _check_reason(reason)
        if not is_token(token) and not self.vaults.redaction.is_stand_in(token, by.scope):
            raise Invalid("That is no token.", code="token", remedy="Copy it whole, as <CARD:1…>, in quotes.")

        def work(tx: Tx) -> Json | Denied:
            rows = tx.vault.find(token)
            if not rows or not self.vaults.is_clear(tx, rows):
                raise NotFound(
                    "No value is filed for that token here.",
                    code="token_unknown",
                    remedy="Check tenant and environment; its retention may be over.",
                )
            row = rows[0]
            may = self.vaults.redaction.may_open(by, row.type)
            value = self.vaults.value(tx, row) if may else ""
            said = visible(self._said(by.scope, reason, (value, row.type)))[0]
            payload: Json = {"token": token, "type": row.type, "subject": row.subject, "by": by.name, "reason": said}
            payload |= {"at": at} if at else {}
            tx.audit.append([Event("vault.opened" if may else "vault.refused", {**payload, "for": "reveal"})])
            if not may:
                return Denied(
                    f"{by.name} may not open tokens of type {row.type} here.",
                    code="reveal_denied",
                    remedy="Roles and groups that may are declared in clearway.toml under [privacy.reveal]: "
                    "restart after a change.",
                )
            return {"token": token, "type": row.type, "value": value, "subject": row.subject or None}

        found = self.store.write(by.scope, work)
        if isinstance(found, Denied):
            raise found  # outside, so that the attempt stays written
        return found

    def erase(self, subject: str, by: Principal, reason: str, *, dry_run: bool = False) -> Json:
        """Shreds the data keys of a person and of every run that has to do with them, and forgets the values of their
        tokens wherever else they are filed. Again, it finds nothing. `dry_run` counts only.

        Errors: `Denied`, `Invalid` (`subject`, `reason`), `Conflict` (`runs_under_way`: nothing was erased)."""
        require(by, "erase")
        _check_reason(reason)
        token = self.vaults.redaction.subject_token(subject, by.scope)
        if not token:
            raise Invalid("No person is named.", code="subject", remedy="Name one as your tools do: --subject cus_42.")

        def work(tx: Tx) -> Json:
            found = self._find(tx, token)
            counts = {
                "subject": token,
                "keys": len(found.keys),
                "runs": len(found.runs),
                "values": found.values + len(found.elsewhere),
                "kept_with_others": found.kept,
            }
            under_way = tx.vault.unfinished(found.runs)
            if dry_run:
                return {**counts, "erased": False, "under_way": under_way}
            if under_way:
                raise Conflict(
                    f"Nothing was erased: {len(under_way)} runs of this person are under way "
                    f"({', '.join(under_way[:_MOST_NAMED])}).",
                    code="runs_under_way",
                    remedy="Wait for them, or cancel them with `clearway runs cancel`.",
                )
            tx.vault.shred([*found.keys, *found.runs], tx.now)
            tx.vault.forget(found.elsewhere)
            if any(counts[name] for name in ("keys", "runs", "values")):
                said = visible(self._said(by.scope, reason, (subject, "SUBJECT")))[0]
                tx.audit.append([Event("subject.erased", {**counts, "by": by.name, "reason": said})])
            return {**counts, "erased": True, "under_way": []}

        if dry_run:
            return self.store.read(by.scope, work)
        done = self.store.write(by.scope, work)
        self.store.scour()
        return done

    def rotate(self, by: Principal, purpose: Literal["seal", "token"], *, only_rewrap: bool = False) -> Json:
        """`seal`: a new key-encryption key, and every data key wrapped anew under it, in every tenant. `token`: new
        tokens from now on; each filed value is filed under its new token too. Broken off, it goes on with
        `only_rewrap`. Errors: `Denied`, `Unavailable` (`keyring`), `KeyringMismatch` (nothing was made)."""
        require(by, "rotate")
        key_id = "" if only_rewrap else self._make_key(purpose)
        renew = self._rewrap if purpose == "seal" else self._alias
        done: Json = {"purpose": purpose, "key_id": key_id, "renewed": 0}
        for scope in self.store.scopes():
            renewed = self._over_all_keys(scope, renew)
            payload = {"purpose": purpose, "key_id": key_id, "renewed": renewed, "by": by.name}
            self.store.write(scope, lambda tx, payload=payload: tx.audit.append([Event("keys.rotated", payload)]))
            done["renewed"] += renewed
        return done

    def _make_key(self, purpose: Literal["seal", "token"]) -> str:
        # The file first: a store that knew a key which then was not written could not be opened again. Where this ends
        # in between, whoever opens the store next notes the key.
        sealer = self.vaults.redaction.sealer
        key_id = sealer.rotate(purpose, self.store.recognise)
        self.store.recognise(sealer.checks())
        return key_id

    def _find(self, tx: Tx, subject: str) -> _Found:
        found = _Found([key.key_id for key in tx.vault.keys_of(subject) if key.wrapped is not None])
        own = [row for row in tx.vault.under(found.keys) if row.sealed is not None]
        found.values = len(own)
        linking, linking_unknown = set[str](), set[str]()
        for row in own:
            others = [o for o in tx.vault.find(row.token) if o.key_id not in found.keys and o.sealed is not None]
            theirs = [other for other in others if other.subject not in ("", subject)]
            if row.type not in SHARED_TYPES:
                linking.add(row.token)
                found.elsewhere += others
                continue
            found.elsewhere += [other for other in others if other.subject in ("", subject)]
            found.kept += len(theirs)
            if not theirs:
                linking_unknown.add(row.token)
        runs = {run_id for run_id in tx.vault.runs_of(subject) if _is_live(tx.vault.key(run_id))}
        for run_id, held in tx.vault.runs_with(linking | linking_unknown):
            key = tx.vault.key(run_id)
            if _is_live(key) and (held & linking or key is None or not key.owner):
                runs.add(run_id)
        found.runs = sorted(runs)
        found.elsewhere = [row for row in found.elsewhere if row.key_id not in runs]
        found.values += sum(row.sealed is not None for row in tx.vault.under(found.runs))
        return found

    def _over_all_keys(self, scope: Scope, renew: Any) -> int:
        """Key by key, page by page, each page in a transaction of its own."""
        after, renewed = "", 0
        while True:
            keys, changed = self.store.write(scope, lambda tx, after=after: _page(tx, after, renew))
            renewed += changed
            if len(keys) < _PAGE:
                return renewed
            after = keys[-1].key_id

    def _rewrap(self, tx: Tx, key: StoredKey) -> int:
        fresh = self.vaults.redaction.sealer.rewrap(key, tx.scope)
        return int(fresh is not key and tx.vault.rewrap(fresh))

    def _alias(self, tx: Tx, key: StoredKey) -> int:
        sealer = self.vaults.redaction.sealer
        opened = sealer.open_key(key, tx.scope)
        rows: list[VaultRow] = []
        for row in tx.vault.under([key.key_id]):
            if row.sealed is None or row.alias_of is not None or not is_token(row.token):
                continue  # stand-ins stay known: their proof is made with a key that no rotation changes
            value = str(opened.unseal(row.sealed, binding(row.token, row.type, row.subject)))
            token = sealer.token(value, row.type, tx.scope)
            if token != row.token:
                sealed = opened.seal(value, binding(token, row.type, row.subject))
                rows.append(replace(row, token=token, sealed=sealed, alias_of=row.token))
        tx.vault.file(rows)
        return len(rows)

    def _said(self, scope: Scope, reason: str, known: tuple[str, str]) -> str:
        masker = self.vaults.redaction.masker(scope)
        masker.know(*known)
        return masker.scrub(reason)


def _is_live(key: StoredKey | None) -> bool:
    """Also of a run that is older than data keys: it has none, and its sealed texts can still be emptied."""
    return key is None or key.wrapped is not None


def _page(tx: Tx, after: str, renew: Any) -> tuple[Sequence[StoredKey], int]:
    keys = tx.vault.run_keys(after=after, limit=_PAGE)
    return keys, sum(renew(tx, key) for key in keys)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("This needs a reason.", code="reason", remedy="Say why with --reason.")
