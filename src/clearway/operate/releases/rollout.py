"""Which release is in force: promote, canary, shadow, and the one way back.

INVARIANT: what is in force in a (tenant, environment) is one row, moved by compare-and-set in the transaction that
records who moved it and why; every request reads that row in the transaction that stores its run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from clearway.model.errors import ClearwayError, Conflict, Invalid
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.release import Fate, Pointer, Release
from clearway.operate.releases.pointer import (
    check_seen,
    ended_canary,
    following,
    in_force,
    moved_meanwhile,
    revoked,
    shown,
)
from clearway.operate.releases.reading import line, resolve
from clearway.operate.releases.rollback import clear, going
from clearway.operate.releases.shelf import Shelf
from clearway.ports import Store, Tx
from clearway.rules.chain import rfc3339
from clearway.rules.releases.duties import Duty
from clearway.rules.releases.guard import Guard, Terms

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rollout:
    """One a process; it keeps no state. `unsigned`: environments where a release needs no signatures. `moved`: called
    once a move has committed, so that this process need not wait until it looks again."""

    store: Store
    shelf: Shelf
    unsigned: frozenset[str]
    moved: Callable[[Scope], None] = lambda _: None

    def status(self, scope: Scope, *, limit: int = 20) -> Json:
        """`{"active", "canary", "canary_share", "shadow", "generation", "guard", "moves": […]}`."""

        def work(tx: Tx) -> Json:
            pointer = tx.releases.pointer()
            moves = [
                {
                    "generation": m.generation,
                    "kind": m.kind,
                    "digest": m.digest,
                    "canary": m.canary,
                    "at": rfc3339(m.at),
                    "by": m.by,
                    "reason": m.reason,
                }
                for m in tx.releases.moves(limit=limit)
            ]
            return {**shown(pointer), "moves": moves}

        return self.store.read(scope, work)

    def promote(self, by: Principal, ref: str, reason: str, *, seen: int | None = None) -> Json:
        """Puts a release in force for new requests; a canary or shadow of before ends. `seen`, here and below: the
        generation that `by` has looked at; one that is another by now is a conflict. `unsigned` of the answer, here and
        of `canary`: the duties that nobody has signed for, in an environment that asks for no signatures.

        Errors: `Denied` (`not_an_owner`), `Conflict` (`unsigned`, `revoked`, `in_force`, `moved`), `NotFound`."""

        def move(tx: Tx, now: Pointer | None, release: Release) -> Pointer:
            if now is not None and now.digest == release.digest and now.canary is None:
                raise Conflict("The release is in force already.", code="in_force")
            return following(tx, now, by.subject, reason, digest=release.digest)

        return self._move(by, ref, reason, "promote", move, seen)

    def canary(
        self,
        by: Principal,
        ref: str,
        share: float,
        reason: str,
        terms: Terms | None = None,
        *,
        seen: int | None = None,
    ) -> Json:
        """Gives a share (0 < share < 1) of the requests to a second release, guarded on `terms`.

        Errors: as `promote`, `Invalid` (`share`, `route_shift`), `Conflict` (`no_release`)."""
        agreed = terms or Terms()
        if not 0 < agreed.route_shift < 1 or (agreed.promote_after is not None and agreed.promote_after < 1):
            raise Invalid(
                "The share of requests that may be routed otherwise lies between 0 and 1, and a number of requests is "
                "at least 1.",
                code="route_shift",
                remedy="Use --route-shift 0.02 --promote-after 2000.",
            )
        if not 0 < share < 1:
            raise Invalid("A canary's share lies between 0 and 1.", code="share", remedy="Use --share 0.1.")

        def move(tx: Tx, now: Pointer | None, release: Release) -> Pointer:
            kept = in_force(now, release)
            return replace(
                following(tx, now, by.subject, reason, digest=kept.digest),
                previous=kept.previous,
                canary=release.digest,
                canary_share=share,
                guard=Guard.begin(agreed).as_json(),
            )

        return self._move(by, ref, reason, "canary", move, seen)

    def shadow(self, by: Principal, ref: str, reason: str, *, seen: int | None = None) -> Json:
        """Lets a second release route and decide beside the live one, without effects; its differences are recorded.

        It needs no signatures, since it does nothing. Errors: as `canary`."""

        def move(tx: Tx, now: Pointer | None, release: Release) -> Pointer:
            kept = in_force(now, release)
            step = following(tx, now, by.subject, reason, digest=kept.digest)
            return replace(
                step,
                previous=kept.previous,
                canary=kept.canary,
                canary_share=kept.canary_share,
                guard=kept.guard,
                shadow=release.digest,
            )

        return self._move(by, ref, reason, "shadow", move, seen)

    def rollback(
        self, by: Principal, reason: str, *, to: str | None = None, runs: Fate = "leave", seen: int | None = None
    ) -> Json:
        """The one way back: ends a running canary, else returns to an earlier release. What waits under the release
        that goes is void: approvals become invalid, so that what still wants to run is decided and asked for anew;
        grants are revoked. Its runs under way are listed, and cancelled or held if so asked.

        For the incident and policy owners; signatures are not asked for, since the release was in force before.
        Errors: `Denied`, `NotFound`,
        `Conflict` (`revoked`, `nothing_before`, `never_in_force`, `no_incident_owner`, `moved`)."""
        said = self.shelf.said(by, reason, "reason")

        def work(tx: Tx) -> Json:
            self.shelf.require_owner(tx, by, "roll back", "incident", "policy")
            now = tx.releases.pointer()
            check_seen(tx, now, seen)
            if now is None:
                raise Conflict(
                    "Nothing was ever promoted here.",
                    code="nothing_before",
                    remedy="Stop what does harm instead: clearway kill engage …",
                )
            goes, target = going(tx, now, to)
            return self._roll_back(tx, now, goes, target, runs, by.subject, said)

        return self.store.write(by.scope, work)

    def retreat(self, tx: Tx, now: Pointer, *, by: str, reason: str) -> None:
        """A running canary's guard ends it, as `rollback` would."""
        if now.canary is not None:
            self._roll_back(tx, now, now.canary, now.digest, "leave", by, reason)

    def advance(self, tx: Tx, now: Pointer, *, by: str, reason: str) -> None:
        """A running canary's guard promotes it. Its signatures were checked when the canary began."""
        if now.canary is not None:
            pointer = following(tx, now, by, reason, digest=now.canary)
            self._commit(tx, now, pointer, "promote", by, reason, {"release": now.canary, **ended_canary(now, pointer)})

    def _roll_back(self, tx: Tx, now: Pointer, goes: str, target: str, runs: Fate, by: str, reason: str) -> Json:
        pointer = following(tx, now, by, reason, digest=target)
        if goes == now.canary:
            pointer = replace(pointer, previous=now.previous)
        facts = {"from": goes, "runs": runs, **ended_canary(now, pointer)}
        self._commit(tx, now, pointer, "rollback", by, reason, facts)
        return {**shown(pointer), "rolled_back": goes, **clear(tx, self.shelf, goes, runs, pointer, by)}

    def _unsigned(self, tx: Tx, by: Principal, release: Release) -> tuple[Duty, ...]:
        """The duties that nobody has signed for, where none has to be. Errors: `Conflict` (`unsigned`) elsewhere."""
        if by.scope.environment in self.unsigned:
            return self._told_beforehand(tx, by, release)
        missing = self.shelf.compare(tx, by.scope, release).missing
        if missing:
            needed = "; ".join(f"{duty.name} by {duty.group or 'nobody: name an owner'}" for duty in missing)
            raise Conflict(
                f"The release is not signed for what it changes: {needed}.",
                code="unsigned",
                remedy=f"They sign with: clearway release sign {release.digest[7:19]} --reason …",
            )

        return ()

    def _told_beforehand(self, tx: Tx, by: Principal, release: Release) -> tuple[Duty, ...]:
        """What elsewhere it would be refused for. One in force that is damaged, which cannot be compared with, is no
        reason to keep it."""
        try:
            return self.shelf.compare(tx, by.scope, release).missing
        except ClearwayError:
            return ()

    def _move(
        self,
        by: Principal,
        ref: str,
        reason: str,
        kind: str,
        move: Callable[[Tx, Pointer | None, Release], Pointer],
        seen: int | None,
    ) -> Json:
        said = self.shelf.said(by, reason, "reason")

        def work(tx: Tx) -> Json:
            release = resolve(tx, ref)
            self.shelf.require_owner(tx, by, f"{kind} a release" if kind == "promote" else f"start a {kind}")
            if release.revoked_at is not None:
                raise revoked()
            now = tx.releases.pointer()
            check_seen(tx, now, seen)
            pointer = replace(move(tx, now, release), reason=said)
            unsigned = () if kind == "shadow" else self._unsigned(tx, by, release)
            facts = {"release": release.digest, **ended_canary(now, pointer)}
            if unsigned:
                facts["unsigned"] = [duty.name for duty in unsigned]
            self._commit(tx, now, pointer, kind, by.subject, said, facts)
            return {**shown(pointer), "release": line(release), "unsigned": [duty.as_json() for duty in unsigned]}

        return self.store.write(by.scope, work)

    def _commit(
        self, tx: Tx, now: Pointer | None, pointer: Pointer, kind: str, by: str, reason: str, facts: Json
    ) -> None:
        if not tx.releases.move(pointer, kind=kind, from_generation=now.generation if now else 0):
            raise moved_meanwhile("Somebody else has just moved it.")
        tx.on_commit(lambda: self.moved(tx.scope))
        verb = {"promote": "promoted", "canary": "canary_started", "shadow": "shadow_started"}.get(kind, "rolled_back")
        payload = {
            **facts,
            "active": pointer.digest,
            "canary": pointer.canary,
            "share": pointer.canary_share,
            "generation": pointer.generation,
            "by": by,
            "reason": reason,
        }
        tx.audit.append([Event(f"release.{verb}", payload)])
