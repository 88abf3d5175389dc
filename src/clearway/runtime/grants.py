"""Grants: standing permission for actions of one shape. Asking for one is itself held for people.

Bound to tenant, environment, release, tool digest, exact targets, argument bounds and a number of uses, for at most an
hour; never for irreversible actions (approvals-idempotency-audit.md §2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import uuid4

from clearway.model.approval import Approval, ApprovalState, Grant
from clearway.model.decision import Factor
from clearway.model.errors import Conflict, Invalid, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal
from clearway.model.tool import Impact, ToolSpec
from clearway.ports import Store, Tx
from clearway.rules.canonical import digest
from clearway.rules.digests import presented_digest
from clearway.rules.present import visible
from clearway.rules.redact import Redaction
from clearway.rules.rights import require
from clearway.rules.shapes import of_arguments

GRANT_KIND = "grant"
LONGEST_S = 3600.0
MOST_USES = 100
DECISION_TTL_S = 1800.0


@dataclass(frozen=True, slots=True)
class Grants:
    """Asks for, lists and revokes grants. `factors`: who has to agree, from the project's settings."""

    store: Store
    tools: Mapping[str, ToolSpec]
    factors: tuple[Factor, ...]
    release: str
    redaction: Redaction

    def ask(
        self,
        tool: str,
        by: Principal,
        *,
        targets: Sequence[str],
        bounds: Mapping[str, Any],
        max_uses: int,
        ttl_s: float,
        reason: str,
    ) -> Approval:
        """Holds a new grant for approval. `bounds`: every argument → `{"max": n}`, `{"equals": v}` or `{"any": true}`.

        Errors: `NotFound` (tool), `Invalid` (`grant`), `Denied`."""
        spec = self.tools.get(tool)
        if spec is None:
            raise NotFound("The project has no such tool.", remedy="See `clearway tools list`.")
        self._check(spec, targets, bounds, max_uses, ttl_s, reason)
        masker = self.redaction.masker(by.scope)
        # As actions show them, since that is what they are compared with: all arguments at once.
        equal = {name: bound["equals"] for name, bound in bounds.items() if "equals" in bound}
        shown = masker.mask(
            {**dict.fromkeys(spec.schema.get("properties", {})), **equal}, spec.sensitive, of_arguments(spec)
        )
        bounds = {name: {"equals": shown[name]} if name in equal else dict(bound) for name, bound in bounds.items()}
        targets = sorted({masker.scrub(target) for target in targets})
        reason = masker.scrub(reason)

        def work(tx: Tx) -> Approval:
            require(by, "grant")
            grant_id = f"gra_{uuid4().hex[:20]}"
            pointer = tx.releases.pointer()
            release = pointer.digest if pointer else self.release
            shown: dict[str, Any] = {
                "summary": f"Let {tool} run up to {max_uses} times without asking, for {ttl_s:g} s",
                "tool": tool,
                "impact": spec.impact.value,
                "irreversible": False,
                "arguments": dict(bounds),
                "targets": sorted(targets),
                "preview": None,
                "claim": visible(reason)[0],
                "policies": [],
                "user": by.name,
                "agent": "",
                "tenant": by.scope.tenant,
                "environment": by.scope.environment,
                "warnings": [],
                "grant": {"id": grant_id, "max_uses": max_uses, "ttl_s": int(ttl_s), "release": release},
            }
            bound = digest(
                "clearway/grant/v1",
                {
                    "grant": shown["grant"],
                    "tool": tool,
                    "tool_digest": spec.digest,
                    "targets": sorted(targets),
                    "bounds": dict(bounds),
                },
            )
            approval = Approval(
                approval_id=f"apr_{uuid4().hex[:20]}",
                run_id=grant_id,
                step_id="grant",
                kind=GRANT_KIND,
                tool=tool,
                tool_digest=spec.digest,
                impact=Impact.EXTERNAL.value,
                action_digest=bound,
                presented=shown,
                presented_digest=presented_digest(shown, bound),
                factors=self.factors,
                policies=(),
                state=ApprovalState.PENDING,
                requester=by.name,
                excluded=(by.subject,),
                requested_at=tx.now,
                expires_at=tx.now + DECISION_TTL_S,
                execution_ttl_s=LONGEST_S,
            )
            tx.approvals.insert(approval)
            tx.audit.append(
                [
                    Event(
                        "grant.requested",
                        {
                            "approval": approval.approval_id,
                            "presented": shown,
                            "presented_digest": approval.presented_digest,
                        },
                    )
                ]
            )
            return approval

        return self.store.write(by.scope, work)

    def revoke(self, grant_id: str, by: Principal, reason: str) -> None:
        """Errors: `NotFound`, `Denied`, `Conflict` (it is over already)."""

        def work(tx: Tx) -> None:
            if tx.grants.get(grant_id) is None:
                raise NotFound("There is no such grant here.", remedy="See `clearway grants list`.")
            require(by, "grant")
            if not tx.grants.revoke(grant_id):
                raise Conflict("The grant is over already.", code="already_ended")
            tx.audit.append([Event("grant.revoked", {"grant": grant_id, "by": by.name, "reason": said})])

        said = visible(self.redaction.said(reason, by.scope))[0]
        self.store.write(by.scope, work)

    def _check(
        self,
        spec: ToolSpec,
        targets: Sequence[str],
        bounds: Mapping[str, Any],
        max_uses: int,
        ttl_s: float,
        reason: str,
    ) -> None:
        malformed = sorted(name for name, bound in bounds.items() if not _is_bound(bound))
        properties: Mapping[str, Any] = spec.schema.get("properties", {})
        open_arguments = sorted(set(properties) - set(bounds))
        wrong = (
            "irreversible actions are never granted"
            if spec.irreversible
            else "a grant names its targets"
            if not targets
            else f"a grant lasts at most {LONGEST_S:g} s"
            if not 0 < ttl_s <= LONGEST_S
            else f"a grant has 1 to {MOST_USES} uses"
            if not 1 <= max_uses <= MOST_USES
            else f"no bound is given for {', '.join(open_arguments)}"
            if open_arguments
            else f"the bound of {', '.join(map(repr, malformed))} is none of the three"
            if malformed
            else "a reason is needed"
            if not reason.strip()
            else ""
        )
        if wrong:
            raise Invalid(
                f"This grant cannot be asked for: {wrong}.",
                code="grant",
                remedy='Bound every argument, for instance {"amount_minor": {"max": 5000}}.',
            )


def _is_bound(bound: Any) -> bool:
    if not isinstance(bound, Mapping):
        return False
    match dict(cast(Mapping[str, Any], bound)):
        case {"max": int() as most, **rest}:
            return not rest and not isinstance(most, bool) and most >= 0
        case {"any": True, **rest} | {"equals": _, **rest}:
            return not rest
        case _:
            return False


def issue_grant(tx: Tx, approval: Approval) -> Approval:
    """Makes the approved grant, and consumes its approval, in the transaction of the last vote."""
    shown = approval.presented
    grant = Grant(
        grant_id=approval.run_id,
        tool=approval.tool,
        tool_digest=approval.tool_digest,
        release=shown["grant"]["release"],
        targets=tuple(shown["targets"]),
        bounds=shown["arguments"],
        max_uses=shown["grant"]["max_uses"],
        uses=0,
        expires_at=tx.now + float(shown["grant"]["ttl_s"]),
        state="active",
        created_by=approval.requester,
        approval_id=approval.approval_id,
    )
    tx.grants.insert(grant)
    tx.approvals.move(approval.approval_id, from_states={ApprovalState.APPROVED}, state=ApprovalState.CONSUMED)
    tx.audit.append(
        [
            Event(
                "grant.issued",
                {
                    "grant": grant.grant_id,
                    "approval": approval.approval_id,
                    "tool": grant.tool,
                    "expires_at": grant.expires_at,
                },
            )
        ]
    )
    return replace(approval, state=ApprovalState.CONSUMED)
