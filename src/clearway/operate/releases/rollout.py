"""Which release is in force: promote, canary, shadow, and the one way back.

INVARIANT: what is in force in a (tenant, environment) is one row, moved by compare-and-set in the transaction that
records who moved it and why; every request reads that row in the transaction that stores its run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from clearway.model.approval import ApprovalState
from clearway.model.errors import Conflict, Invalid, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.release import Pointer, Release
from clearway.model.run import Run
from clearway.operate.releases.reading import found, line, resolve
from clearway.operate.releases.shelf import Shelf
from clearway.ports import Store, Tx
from clearway.rules.chain import rfc3339
from clearway.rules.releases.guard import Guard, Terms

Json = dict[str, Any]
#: What a rollback does to the runs under way of the release that goes. `hold`: each further effect of theirs waits for
#: the incident owner's group too, whatever policy allows.
Fate = Literal["leave", "cancel", "hold"]

MOST_MOVES = 1_000


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
        generation that `by` has looked at; one that is another by now is a conflict.

        Errors: `Denied` (`not_an_owner`), `Conflict` (`unsigned`, `revoked`, `in_force`, `moved`), `NotFound`."""

        def move(tx: Tx, now: Pointer | None, release: Release) -> Pointer:
            if now is not None and now.digest == release.digest and now.canary is None:
                raise Conflict("The release is in force already.", code="in_force")
            self._check_signed(tx, by, release)
            return _next(tx, now, by.subject, reason, digest=release.digest)

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
            kept = _in_force(now, release)
            self._check_signed(tx, by, release)
            return replace(
                _next(tx, now, by.subject, reason, digest=kept.digest),
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
            kept = _in_force(now, release)
            step = _next(tx, now, by.subject, reason, digest=kept.digest)
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
            _check_seen(tx, now, seen)
            if now is None:
                raise Conflict("Nothing was ever promoted here.", code="nothing_before")
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
            pointer = _next(tx, now, by, reason, digest=now.canary)
            self._commit(tx, now, pointer, "promote", by, reason, {"release": now.canary, **ended_canary(now, pointer)})

    def _roll_back(self, tx: Tx, now: Pointer, goes: str, target: str, runs: Fate, by: str, reason: str) -> Json:
        pointer = _next(tx, now, by, reason, digest=target)
        if goes == now.canary:
            pointer = replace(pointer, previous=now.previous)
        facts = {"from": goes, "runs": runs, **ended_canary(now, pointer)}
        self._commit(tx, now, pointer, "rollback", by, reason, facts)
        return {**shown(pointer), "rolled_back": goes, **self._settle(tx, goes, runs, pointer, by)}

    def _settle(self, tx: Tx, goes: str, runs: Fate, pointer: Pointer, by: str) -> Json:
        """Voids what waits under the release that goes. All of it in the transaction of the move."""
        under_way = tx.runs.of_release(goes)
        held_for = self._incident_group(tx, pointer) if runs == "hold" else None
        voided = sum(self._void(tx, run, pointer, runs, held_for) for run in under_way)
        if held_for is not None:
            held = {"for": held_for, "release": goes, "by": by, "reason": pointer.reason}
            tx.audit.append([Event("run.held", held, run.run_id) for run in under_way])
        grants = [g for g in tx.grants.list(limit=10_000) if g.release == goes and g.state == "active"]
        for grant in grants:
            tx.grants.revoke(grant.grant_id)
        if under_way or grants:
            payload = {
                "release": goes,
                "runs": [run.run_id for run in under_way],
                "fate": runs,
                "held_for": held_for,
                "approvals_voided": voided,
                "grants_revoked": [grant.grant_id for grant in grants],
                "by": by,
            }
            tx.audit.append([Event("release.cleared", payload)])
        return {
            "runs": [{"run_id": run.run_id, "skill": run.skill, "status": run.status.value} for run in under_way],
            "fate": runs,
            "held_for": held_for,
            "approvals_voided": voided,
            "grants_revoked": len(grants),
        }

    def _incident_group(self, tx: Tx, pointer: Pointer) -> str:
        """As the release that is in force now says: the one that goes does not name who looks after its runs."""
        group = self.shelf.incident_group(tx, pointer.digest)
        if group is None:
            raise Conflict(
                "The release that would be in force names no incident owner who could be asked.",
                code="no_incident_owner",
                remedy="Roll back with --runs leave or --runs cancel.",
            )
        return group

    def _void(self, tx: Tx, run: Run, pointer: Pointer, fate: Fate, held_for: str | None) -> int:
        voided = 0
        for approval in tx.approvals.list(run_id=run.run_id, limit=1_000):
            if approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED):
                voided += tx.approvals.move(
                    approval.approval_id,
                    from_states={approval.state},
                    state=ApprovalState.CANCELLED if fate == "cancel" else ApprovalState.INVALIDATED,
                    note="the release was rolled back",
                )
        if fate == "cancel":
            tx.runs.update(run.run_id, cancel_requested=True)
        if held_for is not None:
            tx.runs.update(run.run_id, held_for=held_for)
        if voided or fate == "cancel":
            tx.wake(run.run_id, f"{run.run_id}.rollback{pointer.generation}")
        return voided

    def _check_signed(self, tx: Tx, by: Principal, release: Release) -> None:
        if by.scope.environment in self.unsigned:
            return
        missing = self.shelf.compare(tx, by.scope, release).missing
        if missing:
            needed = "; ".join(f"{duty.name} by {duty.group or 'nobody: name an owner'}" for duty in missing)
            raise Conflict(
                f"The release is not signed for what it changes: {needed}.",
                code="unsigned",
                remedy=f"They sign with: clearway release sign {release.digest[7:19]} --reason …",
            )

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
                raise _revoked()
            now = tx.releases.pointer()
            _check_seen(tx, now, seen)
            pointer = replace(move(tx, now, release), reason=said)
            facts = {"release": release.digest, **ended_canary(now, pointer)}
            self._commit(tx, now, pointer, kind, by.subject, said, facts)
            return {**shown(pointer), "release": line(release)}

        return self.store.write(by.scope, work)

    def _commit(
        self, tx: Tx, now: Pointer | None, pointer: Pointer, kind: str, by: str, reason: str, facts: Json
    ) -> None:
        if not tx.releases.move(pointer, kind=kind, from_generation=now.generation if now else 0):
            raise _moved("Somebody else has just moved it.")
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


def _next(tx: Tx, now: Pointer | None, by: str, reason: str, *, digest: str) -> Pointer:
    generation = (now.generation if now else 0) + 1
    previous = now.digest if now and now.digest != digest else (now.previous if now else None)
    return Pointer(digest, previous, generation, tx.now, by, reason)


def shown(pointer: Pointer | None) -> Json:
    """A pointer as JSON; without one, all is None and the generation 0."""
    return {
        "active": pointer.digest if pointer else None,
        "previous": pointer.previous if pointer else None,
        "canary": pointer.canary if pointer else None,
        "canary_share": pointer.canary_share if pointer else 0.0,
        "shadow": pointer.shadow if pointer else None,
        "generation": pointer.generation if pointer else 0,
        "moved_at": rfc3339(pointer.moved_at) if pointer else None,
        "moved_by": pointer.moved_by if pointer else None,
        "reason": pointer.reason if pointer else "",
        "guard": pointer.guard if pointer else None,
    }


def ended_canary(before: Pointer | None, after: Pointer) -> Json:
    """What the log keeps of a canary that a move ends: its share and its evidence. Empty where none ends."""
    if before is None or before.canary is None or before.canary == after.canary:
        return {}
    guard = Guard.read(before.guard) if before.guard else None
    evidence = {each.name: round(each.log_e, 4) for each in guard.measures()} if guard else {}
    return {
        "ended_canary": {
            "release": before.canary,
            "share": before.canary_share,
            "requests": guard.routes.n if guard else 0,
            "log_e": evidence,
        }
    }


def _check_seen(tx: Tx, now: Pointer | None, seen: int | None) -> None:
    generation = now.generation if now else 0
    if seen is None or seen == generation:
        return
    last = next(iter(tx.releases.moves(limit=1)), None)
    by = f": {last.kind} by {last.by} (move {last.generation})" if last else ""
    raise _moved(f"What is in force was moved since you looked{by}.")


def _moved(message: str) -> Conflict:
    return Conflict(message, code="moved", remedy="Look again, then decide: see `clearway release status`.")


def _in_force(now: Pointer | None, release: Release) -> Pointer:
    if now is None:
        raise Conflict(
            "Nothing is in force here to compare with.", code="no_release", remedy="First: clearway release promote."
        )
    if now.digest == release.digest:
        raise Conflict("The release is in force already.", code="in_force")
    return now


def going(tx: Tx, now: Pointer, to: str | None) -> tuple[str, str]:
    """(the release that goes, the one that is in force afterwards). Errors: as `Rollout.rollback`."""
    if to is None and now.canary is not None:
        return now.canary, now.digest
    before = [move.digest for move in tx.releases.moves(limit=MOST_MOVES) if move.digest != now.digest]
    if to is not None:
        target = resolve(tx, to)
        if target.digest == now.digest and now.canary is not None:
            return now.canary, now.digest
        if target.digest not in before:
            raise Conflict(
                "The release was never in force here.",
                code="never_in_force",
                remedy="Put it in force with `clearway release promote`.",
            )
        if target.revoked_at is not None:
            raise _revoked()
        return now.digest, target.digest
    try:
        earlier = next(digest for digest in before if found(tx, digest).revoked_at is None)
    except (StopIteration, NotFound):
        raise Conflict(
            "There is no earlier release to go back to.",
            code="nothing_before",
            remedy="Stop what does harm instead: clearway kill engage …",
        ) from None
    return now.digest, earlier


def _revoked() -> Conflict:
    return Conflict(
        "The release is revoked.",
        code="revoked",
        remedy="Two people take that back first: clearway release reinstate … --reason …",
    )
