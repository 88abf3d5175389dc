"""Intake: one run per (tenant, environment, idempotency key)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from clearway.model.errors import Denied, IdempotencyMismatch, Invalid, Limited, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal
from clearway.model.run import Run, RunStatus
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.ports import Sealer, Store, Tx
from clearway.rules.canonical import canonical
from clearway.rules.redact import Masker
from clearway.rules.route import Route, Router, explicit
from clearway.runtime.limits import Limits, OverLimit, reserve_run

_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks. `key`: 1–200 printable ASCII characters; without one, every asking is a new run.

    `narrowed_to`: act in this one of the principal's roles only."""

    text: str
    principal: Principal
    skill: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict[str, Any])
    key: str | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    narrowed_to: str | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """Turns requests into runs: checks, routes, stores and enqueues in one transaction."""

    store: Store
    sealer: Sealer
    router: Router
    skills: Mapping[str, SkillSpec]
    tools: Mapping[str, ToolSpec]
    limits: Limits
    release: str

    def start(self, request: Request) -> tuple[Run, bool]:
        """(the run, whether it is new). A repeated request returns the run it had.

        Errors: `IdempotencyMismatch`, `Invalid` (`no_route`, `arguments`, `idempotency_key`), `NotFound` (skill),
        `Limited`, `Denied`."""
        for name, value in (
            ("idempotency key", request.key),
            ("request id", request.request_id),
            ("correlation id", request.correlation_id),
        ):
            if value is not None and not _KEY.fullmatch(value):
                raise Invalid(
                    f"The {name} must be 1 to 200 printable ASCII characters without spaces.",
                    code=name.replace(" ", "_"),
                    remedy="Send, for instance, order-7041-refund.",
                )
        scope = request.principal.scope
        fingerprint = self._fingerprint(request)
        if request.key is not None:
            earlier = self.store.read(scope, lambda tx: tx.runs.by_key(request.key or ""))
            if earlier is not None:
                return self._same(earlier, fingerprint), False
        if request.narrowed_to is not None and request.principal.narrowed(request.narrowed_to) is None:
            raise Denied(
                f"{request.principal.name} does not have that role here.",
                code="role_not_held",
                remedy="A role can only be narrowed to one that the principal has.",
            )
        route = self._route(request)
        skill = self.skills[str(route.skill)]
        skill.validate(request.input, request.text)
        run = self._make(request, route, skill, fingerprint)
        try:
            return self.store.write(scope, lambda tx: self._insert(tx, run, skill))
        except OverLimit as over:
            raise Limited(
                f"The rate limit {over.bucket} is used up.",
                remedy=f"Try again in {over.wait_s:.1f} s.",
                retry_after_s=over.wait_s,
            ) from None

    def _insert(self, tx: Tx, run: Run, skill: SkillSpec) -> tuple[Run, bool]:
        earlier = tx.runs.by_key(run.idempotency_key)
        if earlier is not None:
            return self._same(earlier, run.request_fingerprint), False
        reserve_run(tx, run.skill, skill.rate_limit, self.limits)
        stamped = replace(run, created_at=tx.now)
        tx.runs.insert(stamped)
        tx.audit.append(
            [
                Event(
                    "run.requested",
                    {
                        "request_id": run.request_id,
                        "correlation_id": run.correlation_id,
                        "principal": run.principal,
                        "route": run.route,
                        "input": run.shown_input,
                        "release": run.release,
                    },
                    run.run_id,
                )
            ]
        )
        tx.wake(run.run_id, f"{run.run_id}.start")
        return stamped, True

    def _same(self, earlier: Run, fingerprint: str) -> Run:
        if earlier.request_fingerprint != fingerprint:
            raise IdempotencyMismatch(
                f"The idempotency key was used for another request (run {earlier.run_id}); nothing was started.",
                remedy="Use a new key for a new request.",
            )
        return earlier

    def _route(self, request: Request) -> Route:
        if request.skill is not None:
            if request.skill not in self.skills:
                raise NotFound("The project has no such skill.", remedy="See `clearway skills list`.")
            return explicit(request.skill)
        route = self.router.route(request.text, self.skills)
        if route.skill is None:
            raise Invalid(
                f"No skill was chosen: {route.why}.",
                code="no_route",
                remedy="Say it in other words, or name the skill with --skill.",
            )
        return route

    def _fingerprint(self, request: Request) -> str:
        body = {
            "text": request.text,
            "input": dict(request.input),
            "skill": request.skill,
            "principal": request.principal.name,
            "role": request.narrowed_to,
        }
        return self.sealer.token(canonical(body).decode(), "REQUEST", request.principal.scope)

    def _make(self, request: Request, route: Route, skill: SkillSpec, fingerprint: str) -> Run:
        scope, run_id = request.principal.scope, f"run_{uuid4().hex[:20]}"
        fields = set(skill.sensitive).union(*(self.tools[t].sensitive for t in skill.tools if t in self.tools))
        masker = Masker(fields, lambda value, kind: self.sealer.token(value, kind, scope))
        shown = masker.mask(dict(request.input))
        return Run(
            run_id=run_id,
            idempotency_key=request.key or run_id,
            request_fingerprint=fingerprint,
            request_id=request.request_id or f"req_{uuid4().hex[:20]}",
            correlation_id=request.correlation_id or f"cor_{uuid4().hex[:20]}",
            principal={
                "user": request.principal.name,
                "roles": sorted(request.principal.roles),
                "narrowed_to": request.narrowed_to,
                "authenticated_by": request.principal.authenticated_by,
            },
            skill=skill.name,
            route=route.as_json(),
            release=self.release,
            status=RunStatus.QUEUED,
            text=self.sealer.seal(request.text, scope),
            input=self.sealer.seal(dict(request.input), scope),
            shown_input=shown,
            fence=0,
            deadline_s=skill.deadline_s,
            spent_s=0.0,
            created_at=0.0,
        )
