"""The operations on releases, of one caller: the part of `LocalOperations` that is about them."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from clearway.model.errors import Invalid
from clearway.model.release import Fate
from clearway.operate.desk import Bound
from clearway.operate.pages import checked_limit
from clearway.operate.releases.acceptance import acceptance
from clearway.operate.releases.canaries import canary_record
from clearway.operate.releases.desk import ReleaseDesk
from clearway.operate.releases.history import move_record
from clearway.operate.releases.plan import rollback_plan
from clearway.rules.releases.guard import ROUTE_SHIFT, Terms

Json = dict[str, Any]


class ReleaseOperations(Bound):
    """Releases: cut, compared, signed, put in force, taken back."""

    @property
    def _releases(self) -> ReleaseDesk:
        return self._desk.releases

    def cut_release(self, note: str) -> Json:
        return self._releases.shelf.cut(self.caller, note)

    def import_release(self, bundle: str, note: str) -> Json:
        """`bundle`: base64, as `export_release` gives it."""
        try:
            whole = base64.b64decode(bundle, validate=True)
        except (binascii.Error, ValueError):
            raise Invalid(
                "The bundle is not base64.", code="bundle", remedy="Send what `release export` wrote."
            ) from None
        return self._releases.shelf.take_in(self.caller, whole, note)

    def releases(self, *, limit: int = 50, cursor: str | None = None) -> Json:
        return self._releases.shelf.page(self._here, limit=checked_limit(limit), cursor=cursor)

    def release_record(self, ref: str) -> Json:
        return self._releases.shelf.show(self._here, ref)

    def release_status(self) -> Json:
        return self._releases.rollout.status(self._here)

    def release_diff(
        self, ref: str, *, against: str | None = None, replay_days: float = 0.0, timeout_s: float = 60.0
    ) -> Json:
        return self._releases.comparing.difference(
            self._here, ref, against=against, replay_days=replay_days, timeout_s=timeout_s
        )

    def release_acceptance(self, ref: str, *, old: Sequence[str], new: Sequence[str]) -> Json:
        return acceptance(self._releases.shelf, self._here, ref, old, new)

    def export_release(self, ref: str) -> Json:
        whole = self._releases.shelf.export(self._here, ref)
        return {"bundle": base64.b64encode(whole).decode(), "bytes": len(whole)}

    def sign_release(self, ref: str, reason: str, *, duty: str | None = None) -> Json:
        return self._releases.shelf.sign(self.caller, ref, reason, duty)

    def promote_release(self, ref: str, reason: str, *, seen: int | None = None) -> Json:
        return self._releases.rollout.promote(self.caller, ref, reason, seen=seen)

    def canary_release(
        self,
        ref: str,
        reason: str,
        *,
        share: float,
        route_shift: float = ROUTE_SHIFT,
        promote_after: int | None = None,
        seen: int | None = None,
    ) -> Json:
        terms = Terms(route_shift=route_shift, promote_after=promote_after)
        return self._releases.rollout.canary(self.caller, ref, share, reason, terms, seen=seen)

    def canary_record(self) -> Json:
        return self._releases.shelf.store.read(self._here, canary_record)

    def shadow_release(self, ref: str, reason: str, *, seen: int | None = None) -> Json:
        return self._releases.rollout.shadow(self.caller, ref, reason, seen=seen)

    def rollback_release(
        self, reason: str, *, to: str | None = None, runs: Fate = "leave", seen: int | None = None
    ) -> Json:
        return self._releases.rollout.rollback(self.caller, reason, to=to, runs=runs, seen=seen)

    def rollback_plan(self, *, to: str | None = None) -> Json:
        shelf = self._releases.shelf
        return shelf.store.read(self._here, lambda tx: rollback_plan(tx, shelf, to))

    def release_move(self, generation: int) -> Json:
        return self._releases.shelf.store.read(self._here, lambda tx: move_record(tx, generation))

    def unhold_run(self, run_id: str, reason: str, *, cancel: bool = False) -> Json:
        return self._releases.held.one(self.caller, run_id, reason, cancel=cancel)

    def unhold_runs_of(self, ref: str, reason: str, *, cancel: bool = False) -> Json:
        return self._releases.held.all_of(self.caller, ref, reason, cancel=cancel)

    def revoke_release(self, ref: str, reason: str) -> Json:
        return self._releases.shelf.revoke(self.caller, ref, reason)

    def reinstate_release(self, ref: str, reason: str) -> Json:
        return self._releases.shelf.reinstate(self.caller, ref, reason)
