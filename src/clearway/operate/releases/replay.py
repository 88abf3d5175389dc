"""What recorded traffic would do under another release: every recorded call is decided again, by both policies.

Decided are the sanitized copies: arguments with tokens in place of personal values, as the tables have them. Both
policies see the same copy, so a condition on a tokenized value answers alike under both.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clearway.model.action import Action
from clearway.model.decision import Decision, Verdict
from clearway.model.errors import Erased
from clearway.model.identity import Principal, Scope
from clearway.model.ledger import Entry
from clearway.model.run import Run
from clearway.model.tool import Target, ToolSpec
from clearway.ports import Directory, Policy, Store, Tx
from clearway.rules.classify import classify
from clearway.runtime.vault import Vaults
from clearway.runtime.version import Version

Json = dict[str, Any]

PAGE = 500
MOST_LISTED = 100
#: The router of a request whose caller named the skill.
EXPLICIT = "explicit"
_Z = 1.959964  # 95 %


@dataclass(frozen=True, slots=True)
class Replay:
    """Decides recorded calls again. One a process; it keeps no state."""

    store: Store
    directory: Directory
    tools: Mapping[str, ToolSpec]
    vaults: Vaults

    def decisions(self, scope: Scope, old: Policy, new: Policy, *, since: float, most: int = 100_000) -> Json:
        """`{"calls", "changed", "share", "interval", "moves": {"allow → hold": n}, "approvals", "newly_held",
        "no_longer_held", "list", "skipped"}`.

        `since`: epoch seconds on the store's clock. `interval`: 95 %, of the share that changes (Wilson 1927).
        `newly_held`, `no_longer_held`: `{"calls", "interval"}`, that for which approvals become more, and fewer.
        `skipped`: calls of tools that are not here any more, or of people who are gone.
        """
        moves: Counter[str] = Counter()
        asked: Counter[str] = Counter()
        listed: list[Json] = []
        calls = skipped = changed = 0
        for run, entry in self._recorded(scope, since, most):
            action = self._action(scope, run, entry)
            if action is None:
                skipped += 1
                continue
            calls += 1
            before, after = old.decide(action), new.decide(action)
            was, is_ = before.verdict is Verdict.HOLD, after.verdict is Verdict.HOLD
            asked.update({"old": was, "new": is_, "newly": is_ and not was, "no_longer": was and not is_})
            if before.verdict is after.verdict and before.approval == after.approval:
                continue
            changed += 1
            move = f"{before.verdict.value} → {after.verdict.value}"
            moves[move] += 1
            if len(listed) < MOST_LISTED:
                listed.append(_line(run, entry, before, after))
        low, high = wilson(changed, calls)
        return {
            "calls": calls,
            "skipped": skipped,
            "changed": changed,
            "share": changed / calls if calls else 0.0,
            "interval": [low, high],
            "moves": dict(sorted(moves.items())),
            "approvals": {"old": asked["old"], "new": asked["new"]},
            "newly_held": _counted(asked["newly"], calls),
            "no_longer_held": _counted(asked["no_longer"], calls),
            "list": listed,
        }

    def routes(self, scope: Scope, old: Version, new: Version, *, since: float, most: int = 10_000) -> Json:
        """`{"requests", "changed", "share", "interval", "moves": {"refunds → questions": n}, "skipped", "list"}`.

        Requests that were routed, not those whose caller named a skill. A text is opened in memory, tokenized and
        routed by both; it is not shown. `skipped`: those whose text was erased, or is no longer kept."""
        moves: Counter[str] = Counter()
        listed: list[Json] = []
        requests = skipped = changed = 0
        for run in self._requests(scope, since, most):
            text = self.store.read(scope, lambda tx, run=run: self._text(tx, run))
            if text is None:
                skipped += 1
                continue
            requests += 1
            before, after = (version.router.route(text, version.skills).skill for version in (old, new))
            if before == after:
                continue
            changed += 1
            moves[f"{before or 'none'} → {after or 'none'}"] += 1
            if len(listed) < MOST_LISTED:
                listed.append({"run_id": run.run_id, "recorded": run.skill, "old": before, "new": after})
        low, high = wilson(changed, requests)
        return {
            "requests": requests,
            "skipped": skipped,
            "changed": changed,
            "share": changed / requests if requests else 0.0,
            "interval": [low, high],
            "moves": dict(sorted(moves.items())),
            "list": listed,
        }

    def _requests(self, scope: Scope, since: float, most: int) -> Iterator[Run]:
        before: tuple[float, str] | None = None
        seen = 0
        while seen < most:
            at = before
            runs = self.store.read(scope, lambda tx, at=at: tx.runs.list(limit=PAGE, before=at))
            for run in runs:
                if run.created_at < since:
                    return
                if run.route.get("router") != EXPLICIT:
                    seen += 1
                    yield run
            if len(runs) < PAGE:
                return
            before = (runs[-1].created_at, runs[-1].run_id)

    def _text(self, tx: Tx, run: Run) -> str | None:
        try:
            vault = self.vaults.open(tx, run.run_id)
            return vault.masker.scrub(str(vault.unseal(run.text))) if run.text else None
        except Erased:
            return None

    def _recorded(self, scope: Scope, since: float, most: int) -> Iterator[tuple[Run, Entry]]:
        """Newest first, page by page, so that no read holds the store for long."""
        before: tuple[float, str] | None = None
        runs: dict[str, Run | None] = {}
        seen = 0
        while seen < most:
            at = before
            entries = self.store.read(scope, lambda tx, at=at: tx.ledger.list(limit=PAGE, before=at))
            missing = {entry.run_id for entry in entries} - runs.keys()
            runs |= self.store.read(scope, lambda tx, ids=missing: {run_id: tx.runs.get(run_id) for run_id in ids})
            for entry in entries:
                run = runs[entry.run_id]
                if entry.created_at < since:
                    return
                if run is not None and entry.kind in ("call", "compensation") and entry.shown_arguments is not None:
                    seen += 1
                    yield run, entry
            if len(entries) < PAGE:
                return
            before = (entries[-1].created_at, entries[-1].key)

    def _action(self, scope: Scope, run: Run, entry: Entry) -> Action | None:
        spec = self.tools.get(entry.tool)
        user = self._user(scope, run)
        if spec is None or user is None:
            return None
        arguments = dict(entry.shown_arguments or {})
        targets = tuple(sorted(Target(*text.partition(":")[::2]) for text in entry.targets if ":" in text))
        return Action(
            scope=scope,
            run_id=run.run_id,
            step_id=entry.step_id,
            agent=Principal("agent", run.skill, scope, authenticated_by="skill"),
            user=user,
            tool=entry.tool,
            tool_digest=spec.digest,
            impact=classify(spec, arguments),
            arguments=arguments,
            shown=arguments,
            targets=targets,
            shown_targets=targets,
            key=entry.key,
            fingerprint=entry.fingerprint,
            digest=entry.action_digest,
            irreversible=spec.irreversible,
            consequential=spec.consequential,
        )

    def _user(self, scope: Scope, run: Run) -> Principal | None:
        """With the rights of today: it is today's rights that the change would meet."""
        found = self.directory.find(str(run.principal.get("user", "")), scope)
        role = run.principal.get("narrowed_to")
        return found.narrowed(str(role)) if found is not None and role else found


def _counted(hits: int, n: int) -> Json:
    return {"calls": hits, "interval": list(wilson(hits, n))}


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share; the whole unit interval where nothing was seen."""
    if n == 0:
        return 0.0, 1.0
    share, square = hits / n, _Z * _Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _line(run: Run, entry: Entry, before: Decision, after: Decision) -> Json:
    return {
        "run_id": run.run_id,
        "step": entry.step_id,
        "tool": entry.tool,
        "user": run.principal.get("user"),
        "arguments": entry.shown_arguments,
        "old": {"verdict": before.verdict.value, "policies": list(before.policies)},
        "new": {"verdict": after.verdict.value, "policies": list(after.policies)},
    }
