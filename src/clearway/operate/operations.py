"""The operations that stand behind the command line, the Python API and remote clients alike.

One protocol: a remote implementation changes who carries it out, not the commands. Everything in and out is JSON.
An implementation is bound to one caller and one scope.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from clearway.model.identity import Principal
from clearway.model.release import Fate
from clearway.rules.releases.guard import ROUTE_SHIFT

Json = dict[str, Any]
#: What a rollback does to the runs under way of the release that goes.


class Operations(Protocol):
    """Errors of every method: `ClearwayError`s, as the table `clearway.model.errors.SURFACES` shows them.

    Lists return `{"items": […], "next": cursor or None}`, newest first.
    """

    @property
    def caller(self) -> Principal:
        """Who acts. Errors: `Unauthenticated` for somebody who only reads."""
        ...

    def start(  # noqa: PLR0913 - all that a request is made of
        self,
        text: str,
        *,
        skill: str | None = None,
        input: Mapping[str, Any] | None = None,
        key: str | None = None,
        request_id: str | None = None,
        correlation_id: str | None = None,
        role: str | None = None,
        subject: str | None = None,
    ) -> Json:
        """`{"run_id", "new", "status", …}`. `subject`: id of the person whose data the run is about."""
        ...

    def run(self, run_id: str) -> Json:
        """The execution record."""
        ...

    def run_status(self, run_id: str) -> Json:
        """`{"status", "final", "steps", "pending_approvals"}`: cheap enough to poll."""
        ...

    def runs(
        self,
        *,
        status: str | None = None,
        skill: str | None = None,
        correlation_id: str | None = None,
        held: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Json:
        """`held`: only those that a rollback holds and that have not ended."""
        ...

    def cancel(self, run_id: str, reason: str) -> Json: ...

    def retry(self, run_id: str, reason: str) -> Json: ...

    def approvals(self, *, state: str | None = "pending", limit: int = 50, cursor: str | None = None) -> Json: ...

    def approval(self, approval_id: str) -> Json: ...

    def approve(
        self, approval_id: str, *, presented_digest: str, comment: str = "", break_glass: bool = False
    ) -> Json: ...

    def reject(self, approval_id: str, *, presented_digest: str, comment: str) -> Json: ...

    def edit(self, approval_id: str, arguments: Mapping[str, Any], *, comment: str) -> Json: ...

    def endorse(
        self,
        approval_id: str,
        argument: str,
        *,
        presented_digest: str,
        for_user: bool = False,
        ttl_s: float | None = None,
        comment: str = "",
    ) -> Json:
        """Vouches for the value of one argument, in this run or in all runs for its user. Approves nothing."""
        ...

    def endorsements(self) -> Json: ...

    def revoke_endorsement(self, endorsement_id: str, reason: str) -> Json: ...

    def ledger(
        self, *, state: str | None = None, run_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Json: ...

    def ledger_entry(self, key: str) -> Json: ...

    def resolve(
        self, key: str, *, happened: bool, reason: str, remote_ref: str | None = None, result: Any = None
    ) -> Json:
        """`result`: what the tool would have returned; the skill goes on with it."""
        ...

    def explain(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        agent: str | None = None,
        user: str | None = None,
        role: str | None = None,
    ) -> Json:
        """What policy says to a call, for each principal and target, with the determining policies."""
        ...

    def audit_verify(self, *, checkpoint: str | None = None, public_key: bytes | None = None) -> Json: ...

    def audit_export(self) -> Json:
        """`{"lines": [JSONL], "checkpoint", "key_id", "public_key"}` (base64)."""
        ...

    def audit_page(self, *, after: int = 0, limit: int = 5_000) -> Json:
        """As `audit_export`, the lines behind event `after`, with `next`: the `after` of the page behind, or None.
        Only the last page has the checkpoint."""
        ...

    def audit_prove(self, seq: int) -> Json: ...

    def costs(self, *, days: int = 1) -> Json:
        """Turns, tokens and dollars of models by UTC day, skill and model, of so many days, today among them. `usd` is
        None where a price is not known."""
        ...

    def tools(self) -> Json: ...

    def skills(self) -> Json: ...

    def switches(self) -> Json: ...

    def engage(self, kind: str, id: str, reason: str) -> Json: ...

    def release(self, kind: str, id: str, reason: str) -> Json: ...

    def grants(self) -> Json: ...

    def ask_grant(
        self, tool: str, *, targets: Sequence[str], bounds: Mapping[str, Any], max_uses: int, ttl_s: float, reason: str
    ) -> Json: ...

    def revoke_grant(self, grant_id: str, reason: str) -> Json: ...

    def reveal(self, token: str, reason: str) -> Json:
        """`{"token", "type", "value", "subject"}`; recorded, whoever asks."""
        ...

    def erase(self, subject: str, reason: str, *, dry_run: bool = False) -> Json:
        """`{"subject", "keys", "runs", "values", "kept_with_others", "under_way", "erased"}`, counts all but the first
        and the last two."""
        ...

    def apply_retention(self, *, dry_run: bool = False) -> Json:
        """`{"counts": {kind: n}, "days", "removed"}`."""
        ...

    def rotate_keys(self, purpose: Literal["seal", "token"], *, only_rewrap: bool = False) -> Json:
        """`{"purpose", "key_id", "renewed"}`."""
        ...

    def create_key(self, subject: str, *, days: int) -> Json:
        """`{"key", "key_id", "expires_at"}`; the key is shown this once."""
        ...

    def keys(self) -> Json: ...

    def revoke_key(self, key_id: str) -> Json: ...

    def cut_release(self, note: str) -> Json:
        """A release of the project as the process has it loaded; `new`: False where it was cut before."""
        ...

    def import_release(self, bundle: str, note: str) -> Json:
        """`bundle`: base64."""
        ...

    def export_release(self, ref: str) -> Json:
        """`{"bundle": base64, "bytes"}`. `ref`, here and below: a digest, or eight or more of its first digits."""
        ...

    def releases(self, *, limit: int = 50, cursor: str | None = None) -> Json: ...

    def release_record(self, ref: str) -> Json: ...

    def release_status(self) -> Json:
        """What is in force here, and how it came to be."""
        ...

    def release_diff(
        self, ref: str, *, against: str | None = None, replay_days: float = 0.0, timeout_s: float = 60.0
    ) -> Json: ...

    def release_acceptance(self, ref: str, *, old: Sequence[str], new: Sequence[str]) -> Json:
        """Who has signed, as policy owner, that the policies `new` may follow `old`: `{"release", "accepted_by"}`. Both
        are the SHA-256 of their files' texts, `sha256:…`."""
        ...

    def sign_release(self, ref: str, reason: str, *, duty: str | None = None) -> Json: ...

    def promote_release(self, ref: str, reason: str, *, seen: int | None = None) -> Json:
        """`seen`, here and below: the generation that the caller has looked at; another one by now is a conflict."""
        ...

    def canary_release(
        self,
        ref: str,
        reason: str,
        *,
        share: float,
        route_shift: float = ROUTE_SHIFT,
        promote_after: int | None = None,
        seen: int | None = None,
    ) -> Json: ...

    def canary_record(self) -> Json:
        """The canary that runs here: its guard's evidence, and how both arms fare."""
        ...

    def shadow_release(self, ref: str, reason: str, *, seen: int | None = None) -> Json: ...

    def rollback_release(
        self, reason: str, *, to: str | None = None, runs: Fate = "leave", seen: int | None = None
    ) -> Json:
        """`runs`: what happens to the runs under way of the release that goes."""
        ...

    def rollback_plan(self, *, to: str | None = None) -> Json:
        """What `rollback_release` would do now; changes nothing."""
        ...

    def release_move(self, generation: int) -> Json:
        """One move of what is in force, with what it ended and voided."""
        ...

    def unhold_run(self, run_id: str, reason: str, *, cancel: bool = False) -> Json:
        """Lets a run that a rollback held go on; `cancel` ends it. `{"runs", "left", "cancelled"}`."""
        ...

    def unhold_runs_of(self, ref: str, reason: str, *, cancel: bool = False) -> Json:
        """As `unhold_run`, each held run of a release; `left`: the caller's own."""
        ...

    def revoke_release(self, ref: str, reason: str) -> Json: ...

    def reinstate_release(self, ref: str, reason: str) -> Json: ...

    def notices(self, *, failed: bool = False, limit: int = 50) -> Json:
        """How people were told, and by which channels. `failed`: what is not delivered, of the newest 500."""
        ...

    def try_notices(self, channel: str | None = None) -> Json:
        """A trial by one channel, or by each: `{"items": [{"channel", "sent", "code", "why"}]}`."""
        ...

    def users(self) -> Json:
        """The people of the identity provider who have signed in."""
        ...

    def disable_user(self, user_id: str, reason: str) -> Json: ...

    def enable_user(self, user_id: str, reason: str) -> Json: ...

    def result(self, run_id: str) -> Any:
        """The run's real result, for whom it acts for only."""
        ...
