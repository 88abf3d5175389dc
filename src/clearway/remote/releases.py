"""Releases on a server."""

from collections.abc import Sequence

from clearway.model.release import Fate
from clearway.operate.operations import Json
from clearway.operate.pages import checked_limit
from clearway.remote.bound import Bound
from clearway.rules.releases.guard import ROUTE_SHIFT


class ReleaseOperations(Bound):
    def cut_release(self, note: str) -> Json:
        return self._post("releases", note=note)

    def import_release(self, bundle: str, note: str) -> Json:
        return self._post("releases", "import", bundle=bundle, note=note)

    def export_release(self, ref: str) -> Json:
        return self._get("releases", ref, "bundle")

    def releases(self, *, limit: int = 50, cursor: str | None = None) -> Json:
        return self._get("releases", limit=checked_limit(limit), cursor=cursor)

    def release_record(self, ref: str) -> Json:
        return self._get("releases", ref)

    def release_status(self) -> Json:
        return self._get("releases", "status")

    def release_diff(
        self, ref: str, *, against: str | None = None, replay_days: float = 0.0, timeout_s: float = 60.0
    ) -> Json:
        return self._post("releases", ref, "diff", against=against, replay_days=replay_days, timeout_s=timeout_s)

    def release_acceptance(self, ref: str, *, old: Sequence[str], new: Sequence[str]) -> Json:
        return self._post("releases", ref, "acceptance", old=list(old), new=list(new))

    def sign_release(self, ref: str, reason: str, *, duty: str | None = None) -> Json:
        return self._post("releases", ref, "sign", reason=reason, duty=duty)

    def promote_release(self, ref: str, reason: str, *, seen: int | None = None) -> Json:
        return self._post("releases", ref, "promote", reason=reason, seen=seen)

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
        return self._post(
            "releases",
            ref,
            "canary",
            reason=reason,
            share=share,
            route_shift=route_shift,
            promote_after=promote_after,
            seen=seen,
        )

    def canary_record(self) -> Json:
        return self._get("releases", "canary")

    def shadow_release(self, ref: str, reason: str, *, seen: int | None = None) -> Json:
        return self._post("releases", ref, "shadow", reason=reason, seen=seen)

    def rollback_release(
        self, reason: str, *, to: str | None = None, runs: Fate = "leave", seen: int | None = None
    ) -> Json:
        return self._post("releases", "rollback", reason=reason, to=to, runs=runs, seen=seen)

    def rollback_plan(self, *, to: str | None = None) -> Json:
        return self._get("releases", "rollback", to=to)

    def release_move(self, generation: int) -> Json:
        return self._get("releases", "moves", str(generation))

    def unhold_run(self, run_id: str, reason: str, *, cancel: bool = False) -> Json:
        return self._post("runs", run_id, "unhold", reason=reason, cancel=cancel)

    def unhold_runs_of(self, ref: str, reason: str, *, cancel: bool = False) -> Json:
        return self._post("releases", ref, "unhold", reason=reason, cancel=cancel)

    def revoke_release(self, ref: str, reason: str) -> Json:
        return self._post("releases", ref, "revoke", reason=reason)

    def reinstate_release(self, ref: str, reason: str) -> Json:
        return self._post("releases", ref, "reinstate", reason=reason)
