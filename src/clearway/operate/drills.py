"""The rollback drill: a release that routes wrongly is put on a share of the traffic, and has to go by itself.

It is executed, not ticked: real bundles, a real canary and its guard, a real hold, on a rehearsal
(`operate.rehearsal`) that is thrown away afterwards.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from clearway.model.approval import Approval, ApprovalState
from clearway.model.errors import ClearwayError
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.release import Pointer
from clearway.model.run_ref import RunRef
from clearway.operate.audit import AuditLog
from clearway.operate.rehearsal import BadVersions, Texts
from clearway.operate.releases.rollout import Rollout
from clearway.operate.releases.shelf import Shelf
from clearway.operate.releases.versions import arm
from clearway.operate.releases.watching import GUARD
from clearway.ports import Store, Tx
from clearway.project.project import Project
from clearway.rules.route import Router
from clearway.runtime.decisions import Decisions
from clearway.runtime.intake import Intake, Request

Json = dict[str, Any]

#: The canary's share of the requests, and how many it may take until it is gone.
CANARY_SHARE, MOST_REQUESTS = 0.3, 100


class DrillFailed(Exception):
    """A part of a drill did not happen as it has to. Its text is a sentence for people."""


@dataclass(slots=True)
class RollbackDrill:
    """One drill on a rehearsal's parts. `carry_out(ref, pass id)`: one pass of a run. `router`: as the rehearsal's.

    `monotonic`: seconds, to say how long each part took."""

    project: Project
    scope: Scope
    store: Store
    shelf: Shelf
    rollout: Rollout
    intake: Intake
    decisions: Decisions
    audit: AuditLog
    router: Router
    carry_out: Callable[[RunRef, str], Awaitable[None]]
    seed: int = 7
    monotonic: Callable[[], float] = time.monotonic
    parts: list[Json] = field(default_factory=list[Json])
    requests: int = 0
    texts: Texts = field(default_factory=lambda: Texts({}, {}))

    def run(self) -> Json:
        """`{"outcome": "passed" or "failed", "parts": [{"part", "ok", "said", "took_s"}], "requests", "took_s", …}`.

        Ends with the first part that fails."""
        begun = self.monotonic()
        with suppress(DrillFailed):
            self._carry_on()
        return {
            "outcome": "passed" if all(part["ok"] for part in self.parts) else "failed",
            "scope": {"tenant": self.scope.tenant, "environment": self.scope.environment},
            "requests": self.requests,
            "examples": len(self.texts.all),
            "wrong_share": round(self.texts.share, 3),
            "seed": self.seed,
            "took_s": round(self.monotonic() - begun, 3),
            "parts": self.parts,
        }

    def _carry_on(self) -> None:
        with self._part("the routers are ready") as said:
            self.texts = texts = Texts.of(self.project, self.router, self.seed)
            if not texts.all:
                raise DrillFailed("No skill declares an example, so there is nothing to send: give skills examples.")
            said.append(f"{len(texts.all)} examples are routed")
        with self._part("a good release is put in force") as said:
            by, group = self._incident_owner()
            good = self._cut(by, self.project)
            self.rollout.promote(by, good, "drill: the good release")
            said.append(f"{_short(good)}, by {by.name} of {group}")
        with self._part("a bad release gets a share of the requests") as said:
            bad = self._cut(by, self._worse(group))
            self.rollout.canary(by, bad, CANARY_SHARE, "drill: the bad release")
            self.intake = replace(self.intake, versions=BadVersions(self.intake.versions, bad, texts.wrong))
            wrong = f"{len(texts.wrong)} of {len(texts.all)} examples routed wrongly"
            said.append(f"{_short(bad)}, {CANARY_SHARE:.0%} of the requests, {wrong}")
        with self._part("an approval waits under the bad release") as said:
            approval = self._held(by, bad)
            said.append(approval.approval_id)
        with self._part("the guard rolls back by itself") as said:
            self._send_until_gone(by, good, bad)
            said.append(f"after {self.requests} requests: {self._pointer().reason}")
        with self._part("a new request goes to the good release"):
            self._check_new_request(by, good)
        with self._part("the approval is void"):
            self._check_void(by, group, approval)
        with self._part("the audit log is intact") as said:
            verdict = self.audit.verify(self.scope)
            if verdict.status != "intact":
                raise DrillFailed(f"The audit log is {verdict.status}: {verdict.why}.")
            said.append(f"{verdict.events} events")

    @contextmanager
    def _part(self, name: str) -> Generator[list[str]]:
        begun, said = self.monotonic(), list[str]()
        failed = ""
        try:
            yield said
        except DrillFailed as failure:
            failed = str(failure)
            raise
        except ClearwayError as error:
            failed = f"{error.message} ({error.code})"
            raise DrillFailed(failed) from error
        finally:
            took = round(self.monotonic() - begun, 3)
            self.parts.append({"part": name, "ok": not failed, "said": failed or "; ".join(said), "took_s": took})

    def _incident_owner(self) -> tuple[Principal, str]:
        """Whoever may roll back here: the drill acts as one of them."""
        group = self.project.ownership.incident_owner
        if group is None:
            raise DrillFailed("ownership.toml names no incident owner: nobody could roll back.")
        for name in sorted(self.shelf.directory.members(group, self.scope)):
            found = self.shelf.directory.find(name, self.scope)
            if found is not None:
                return found, group
        raise DrillFailed(f"Nobody of {group}, the incident owner, is in tenant {self.scope.tenant}.")

    def _cut(self, by: Principal, project: Project) -> str:
        return str(replace(self.shelf, project=project).cut(by, "drill")["digest"])

    def _worse(self, group: str) -> Project:
        """The project with policies that hold everything, and so with another digest."""
        held = (
            f'@id("drill") @obligation("require_approval") @approvers("{group}") permit (principal, action, resource);'
        )
        kept = {path: text for path, text in self.project.files.items() if not path.endswith(".cedar")}
        return replace(self.project, files={**kept, "policies/drill.cedar": held})

    def _held(self, by: Principal, bad: str) -> Approval:
        """The approval of a run that the bad release's policy holds."""
        pointer = self._pointer()
        key = next(key for n in count() if arm(pointer, key := f"held-{n}") == bad)
        run, _ = self.intake.start(Request("", by, skill=min(self.project.skills), key=key))
        asyncio.run(self._carry(run.run_id))
        waiting = self.store.read(self.scope, lambda tx: tx.approvals.list(run_id=run.run_id))
        if not waiting or waiting[0].state is not ApprovalState.PENDING:
            raise DrillFailed("The bad release's policy holds everything, and nobody was asked.")
        return waiting[0]

    async def _carry(self, run_id: str) -> None:
        await self.carry_out(RunRef(self.scope.tenant, self.scope.environment, run_id), "drill")

    def _send_until_gone(self, by: Principal, good: str, bad: str) -> None:
        stream = self.texts.stream(self.seed)
        while self._pointer().canary is not None:
            if self.requests >= MOST_REQUESTS:
                raise DrillFailed(f"After {MOST_REQUESTS} requests the bad release is still there.")
            self.requests += 1
            self.intake.start(Request(next(stream), by, key=f"request-{self.requests}"))
        pointer = self._pointer()
        if pointer.digest != good or pointer.shadow == bad:
            raise DrillFailed("The good release is not the one in force.")
        if pointer.moved_by != GUARD:
            raise DrillFailed(f"It was moved by {pointer.moved_by}, not by the guard.")

    def _check_new_request(self, by: Principal, good: str) -> None:
        text = next(iter(self.texts.wrong))
        run, _ = self.intake.start(Request(text, by, key="afterwards"))
        if run.release != good:
            raise DrillFailed("A new request still goes to the bad release.")
        if run.skill != self.texts.all[text]:
            raise DrillFailed("A new request is still routed wrongly.")

    def _check_void(self, by: Principal, group: str, approval: Approval) -> None:
        now = self.store.read(self.scope, lambda tx: tx.approvals.get(approval.approval_id))
        if now is None or now.state is not ApprovalState.INVALIDATED:
            raise DrillFailed(f"The approval is {now.state.value if now else 'gone'}, not invalidated.")
        directory = self.shelf.directory
        found = (directory.find(name, self.scope) for name in sorted(directory.members(group, self.scope)))
        other = next((person for person in found if person is not None and person.subject != by.subject), by)
        try:
            self.decisions.approve(approval.approval_id, other, presented=approval.presented_digest)
        except ClearwayError:
            return
        raise DrillFailed("An approval of the bad release could still be given.")

    def _pointer(self) -> Pointer:
        found = self.store.read(self.scope, lambda tx: tx.releases.pointer())
        if found is None:
            raise DrillFailed("Nothing is in force.")
        return found


def record(store: Store, shelf: Shelf, by: Principal, report: Json) -> None:
    """Writes down that a drill was carried out and how it ended. Errors: `Denied` (`not_an_owner`)."""
    failed = next((part for part in report["parts"] if not part["ok"]), None)
    payload = {
        "outcome": report["outcome"],
        "requests": report["requests"],
        "took_s": report["took_s"],
        "failed": None if failed is None else {"part": failed["part"], "said": failed["said"]},
        "by": by.name,
    }

    def work(tx: Tx) -> None:
        shelf.require_owner(tx, by, "record a drill")
        tx.audit.append([Event("drill.rollback", payload)])

    store.write(by.scope, work)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
