"""Intake: one run per (tenant, environment, idempotency key)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from clearway.model.errors import Conflict, Denied, IdempotencyMismatch, Invalid, Limited, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.release import Pointer
from clearway.model.run import Run, RunStatus
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.model.vault import StoredKey
from clearway.ports import Sealer, Store, Telemetry, Tx
from clearway.rules.canonical import canonical
from clearway.rules.redact import Masker
from clearway.rules.route import Route, explicit
from clearway.runtime.limits import OverLimit, reserve_run
from clearway.runtime.tracing import SILENT, TRACEPARENT, routed
from clearway.runtime.vault import RunVault, Vaults
from clearway.runtime.version import Seen, Version, Versions, Watch

#: How often a request is routed anew because the release in force was moved meanwhile.
MOST_MOVES = 5

_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks. `key`: 1–200 printable ASCII characters; without one, every asking is a new run.

    `narrowed_to`: act in this one of the principal's roles only. `subject`: id of the person whose data it is about;
    goes before what the skill declares."""

    text: str
    principal: Principal
    skill: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict[str, Any])
    key: str | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    narrowed_to: str | None = None
    subject: str | None = None


class _Moved(Exception):
    """Another release is in force than the one that the request was routed under. Nothing was stored."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Turns requests into runs: checks, routes, stores and enqueues in one transaction."""

    store: Store
    sealer: Sealer
    versions: Versions
    tools: Mapping[str, ToolSpec]
    watch: Watch
    telemetry: Telemetry = SILENT
    vaults: Vaults = field(kw_only=True)

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
        fingerprint = self._fingerprint(request)
        if request.narrowed_to is not None and request.principal.narrowed(request.narrowed_to) is None:
            raise Denied(
                f"{request.principal.name} does not have that role here.",
                code="role_not_held",
                remedy="A role can only be narrowed to one that the principal has.",
            )
        for _ in range(MOST_MOVES):
            try:
                return self._start(request, fingerprint)
            except _Moved:
                continue
        raise Conflict("Releases are moved faster than requests are taken.", code="moved", remedy="Try again.")

    def _start(self, request: Request, fingerprint: str) -> tuple[Run, bool]:
        """Under what is in force now. Errors: `_Moved` where that changed before the run was stored."""
        scope, key = request.principal.scope, request.key
        run_id = f"run_{uuid4().hex[:20]}"
        earlier, pointer = self.store.read(
            scope, lambda tx: (self._earlier(tx, key) if key is not None else None, tx.releases.pointer())
        )
        if earlier is not None:
            return self._same(earlier, fingerprint), False
        version = self.versions.for_request(pointer, key or run_id)
        with self.telemetry.span("route", "", tenant=scope.tenant, outcome="abstained") as span:
            route = routed(self.telemetry, span, self._route(request, version), len(version.skills))
            traceparent = self.telemetry.traceparent()
        seen = self._seen(request, pointer, version, route)
        skill = version.skills[str(route.skill)]
        skill.validate(request.input, request.text)
        run, vault, data_key = self._make(run_id, request, route, skill, version, fingerprint)
        if traceparent is not None:
            run = replace(run, route={**run.route, TRACEPARENT: traceparent})
        try:
            return self.store.write(scope, lambda tx: self._insert(tx, run, skill, version, seen, vault, data_key))
        except OverLimit as over:
            raise over_limit(over) from None

    def _seen(self, request: Request, pointer: Pointer | None, version: Version, route: Route) -> Seen:
        """What the other releases make of the same request, where a canary or a shadow runs."""
        if pointer is None or request.skill is not None:
            return Seen(pointer)
        canary = control = shadow = None
        if pointer.canary is not None:
            other = self.versions.of(pointer.digest if version.release == pointer.canary else pointer.canary)
            skill = self._skill_under(other, request, route)
            canary, control = (route.skill, skill) if version.release == pointer.canary else (skill, route.skill)
        if pointer.shadow is not None:
            shadow = self._skill_under(self.versions.of(pointer.shadow), request, route)
        return Seen(pointer, str(route.skill), canary != control, shadow)

    def _skill_under(self, version: Version | None, request: Request, route: Route) -> str | None:
        """Without the code of the other release, nothing can be said of it: as if it routed alike."""
        return route.skill if version is None else version.router.route(request.text, version.skills).skill

    def _insert(
        self,
        tx: Tx,
        run: Run,
        skill: SkillSpec,
        version: Version,
        seen: Seen,
        vault: RunVault,
        key: StoredKey,
    ) -> tuple[Run, bool]:
        earlier = tx.runs.by_key(run.idempotency_key)
        if earlier is not None:
            return self._same(earlier, run.request_fingerprint), False
        now = tx.releases.pointer()
        if (now.generation if now else 0) != seen.generation:
            raise _Moved
        reserve_run(tx, run.skill, skill.rate_limit, version.limits)
        stamped = replace(run, created_at=tx.now)
        tx.runs.insert(stamped)
        self.vaults.store(tx, vault, key)
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
        if now is not None:
            self.watch.requested(tx, replace(seen, pointer=now), run.run_id)
        return stamped, True

    def _same(self, earlier: Run, fingerprint: str) -> Run:
        if earlier.request_fingerprint != fingerprint:
            raise IdempotencyMismatch(
                f"The idempotency key was used for another request (run {earlier.run_id}); nothing was started.",
                remedy="Use a new key for a new request.",
            )
        return earlier

    def _route(self, request: Request, version: Version) -> Route:
        if request.skill is not None:
            if request.skill not in version.skills:
                raise NotFound("The project has no such skill.", remedy="See `clearway skills list`.")
            return explicit(request.skill)
        route = version.router.route(request.text, version.skills)
        if route.skill is not None:
            return route
        if version.below == "person" and version.person in version.skills:
            return replace(route, skill=version.person, why=f"handed to a person: {route.why}")
        self._note_abstention(request, route, version)
        raise not_routed(route, asks_back=version.below == "clarify")

    def _note_abstention(self, request: Request, route: Route, version: Version) -> None:
        """Records that a request reached no skill; its text is not kept. It counts as a run of the system's limit.

        Errors: `Limited`."""
        masker = self.vaults.redaction.masker(request.principal.scope, ())
        payload = {
            "request_id": masker.scrub(request.request_id or ""),
            "correlation_id": masker.scrub(request.correlation_id or ""),
            "principal": {"user": request.principal.name, "authenticated_by": request.principal.authenticated_by},
            "route": route.as_json(),
            "release": version.release,
        }

        def work(tx: Tx) -> None:
            reserve_run(tx, "", None, version.limits)
            tx.audit.append([Event("request.not_routed", payload)])

        try:
            self.store.write(request.principal.scope, work)
        except OverLimit as over:
            raise over_limit(over) from None

    def _fingerprint(self, request: Request) -> str:
        body = {
            "text": request.text,
            "input": dict(request.input),
            "skill": request.skill,
            "principal": request.principal.name,
            "role": request.narrowed_to,
        }
        return self.sealer.token(canonical(body).decode(), "REQUEST", request.principal.scope)

    def _earlier(self, tx: Tx, key: str) -> Run | None:
        """The run that has the key, as it was given or, where it held somebody's data, as its token."""
        return tx.runs.by_key(key) or tx.runs.by_key(self.sealer.token(key, "KEY", tx.scope))

    def _make(
        self, run_id: str, request: Request, route: Route, skill: SkillSpec, version: Version, fingerprint: str
    ) -> tuple[Run, RunVault, StoredKey]:
        scope = request.principal.scope
        fields = set(skill.sensitive).union(*(self.tools[t].sensitive for t in skill.tools if t in self.tools))
        redaction = self.vaults.redaction
        subject = request.subject or (request.input.get(skill.subject) if skill.subject else None)
        masker = redaction.masker(scope, fields, subject=redaction.subject_token(subject, scope))
        shown = masker.mask(dict(request.input))
        vault, key = self.vaults.new(scope, run_id, masker)
        run = Run(
            run_id=run_id,
            idempotency_key=run_id if request.key is None else self._shown_key(request.key, masker, scope),
            request_fingerprint=fingerprint,
            request_id=masker.scrub(request.request_id or f"req_{uuid4().hex[:20]}"),
            correlation_id=masker.scrub(request.correlation_id or f"cor_{uuid4().hex[:20]}"),
            principal={
                "user": request.principal.name,
                "roles": sorted(request.principal.roles),
                "narrowed_to": request.narrowed_to,
                "authenticated_by": request.principal.authenticated_by,
            },
            skill=skill.name,
            route=masker.mask(route.as_json()),
            release=version.release,
            status=RunStatus.QUEUED,
            text=vault.seal(request.text),
            input=vault.seal(dict(request.input)),
            shown_input=shown,
            fence=0,
            deadline_s=skill.deadline_s,
            spent_s=0.0,
            created_at=0.0,
        )
        return run, vault, key

    def _shown_key(self, key: str, masker: Masker, scope: Scope) -> str:
        """The key itself; where it holds somebody's data, a token of the whole, by which it is known again."""
        return key if masker.scrub(key) == key else self.sealer.token(key, "KEY", scope)


def not_routed(route: Route, *, asks_back: bool) -> Invalid:
    """`asks_back`: the error names what could be meant. Neither holds a word of the request."""
    could_be = [skill for skill, _ in route.candidates]
    if asks_back and could_be:
        remedy = f"Which is meant: {', '.join(could_be)}? Say it in other words, or name the skill with --skill."
    else:
        remedy = "Say it in other words, or name the skill with --skill."
    return Invalid(f"No skill was chosen: {route.why}.", code="no_route", remedy=remedy)


def over_limit(over: OverLimit) -> Limited:
    return Limited(
        f"The rate limit {over.bucket} is used up.",
        remedy=f"Try again in {over.wait_s:.1f} s.",
        retry_after_s=over.wait_s,
    )
