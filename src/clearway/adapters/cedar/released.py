"""The policy in force where releases are: that of the release that the scope's pointer names.

INVARIANT: policy is never pinned. A run decides under the policy of the release in force at that moment, or, where it
runs in a canary, of the canary's, so that a roll-back or a tightening bites at once, also on runs that wait.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from clearway.adapters.cedar.in_force import PolicyInForce
from clearway.adapters.cedar.policy import CedarPolicy
from clearway.model.action import Action
from clearway.model.decision import Decision, Verdict
from clearway.model.errors import ClearwayError
from clearway.model.identity import Scope
from clearway.model.release import Pointer

#: How old the look at the pointer may be when a decision is made.
STALE_AFTER_S = 0.25
MOST_KEPT = 8


class ReleasedPolicy:
    """Implements `clearway.ports.Policy`. `unreleased`: for scopes where nothing was promoted. `pointer`: of a scope;
    `build`: the policy of a release among groups of that many people, whose errors deny."""

    def __init__(
        self,
        unreleased: PolicyInForce,
        pointer: Callable[[Scope], Pointer | None],
        build: Callable[[str, Mapping[str, int] | None], CedarPolicy],
        *,
        groups: Callable[[], Mapping[str, int] | None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unreleased, self._pointer, self._build, self._groups = unreleased, pointer, build, groups
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pointers: dict[Scope, tuple[float, Pointer | None]] = {}
        self._sizes: Mapping[str, int] | None = None
        self._built: dict[str, tuple[Mapping[str, int] | None, CedarPolicy]] = {}

    def decide(self, action: Action) -> Decision:
        try:
            policy = self._of(action)
        except ClearwayError as error:
            return Decision(Verdict.DENY, "policy_error", message=_unreadable(error))
        return policy.decide(action)

    def broken(self, scope: Scope) -> str | None:
        """Why nothing is allowed at all there at this moment; None where the policies are in force."""
        try:
            pointer = self._look(scope)
            return (self._unreleased if pointer is None else self._policy(pointer.digest)).broken
        except ClearwayError as error:
            return _unreadable(error)

    def labels_read(self, tool: str) -> bool:
        """As `history_read`. What has no label is untrusted, so that a policy not met yet errs on the safe side."""
        with self._lock:
            built = [policy for _, policy in self._built.values()]
        return self._unreleased.labels_read(tool) or any(policy.labels_read(tool) for policy in built)

    def history_read(self, tool: str) -> frozenset[str]:
        """Of every policy that may be asked: a fact too many is looked up, never one too few."""
        with self._lock:
            built = [policy for _, policy in self._built.values()]
        return self._unreleased.history_read(tool).union(*(policy.history_read(tool) for policy in built))

    def forget(self, scope: Scope) -> None:
        """The pointer was moved: the next decision looks at it."""
        with self._lock:
            self._pointers.pop(scope, None)

    def saw(self, scope: Scope, pointer: Pointer | None) -> None:
        """The pointer as a transaction has just read it: what is decided in that transaction is decided under it."""
        with self._lock:
            self._keep(scope, self._monotonic(), pointer)

    def shadow(self, action: Action) -> Decision | None:
        """What the shadow's policy says; None where no shadow runs."""
        try:
            pointer = self._look(action.scope)
            return None if pointer is None or pointer.shadow is None else self._policy(pointer.shadow).decide(action)
        except ClearwayError:
            return None

    def explain(self, action: Action) -> dict[str, Any]:
        try:
            return self._of(action).explain(action)
        except ClearwayError:
            return {}

    def _of(self, action: Action) -> CedarPolicy | PolicyInForce:
        pointer = self._look(action.scope)
        if pointer is None:
            return self._unreleased
        in_canary = pointer.canary is not None and action.release == pointer.canary
        return self._policy(pointer.canary if in_canary and pointer.canary else pointer.digest)

    def _look(self, scope: Scope) -> Pointer | None:
        now = self._monotonic()
        with self._lock:
            seen = self._pointers.get(scope)
        if seen is not None and now - seen[0] <= STALE_AFTER_S:
            return seen[1]
        pointer, sizes = self._pointer(scope), self._groups()
        with self._lock:
            self._sizes = sizes
            self._keep(scope, now, pointer)
        return pointer

    def _keep(self, scope: Scope, seen_at: float, pointer: Pointer | None) -> None:
        """INVARIANT: never back to an earlier one: a slow look must not undo what a claim has just seen."""
        _, kept = self._pointers.get(scope, (0.0, None))
        if kept is None or (pointer is not None and pointer.generation >= kept.generation):
            self._pointers[scope] = seen_at, pointer

    def _policy(self, digest: str) -> CedarPolicy:
        with self._lock:
            sizes, kept = self._sizes, self._built.get(digest)
        if kept is not None and kept[0] == sizes:
            return kept[1]
        policy = self._build(digest, sizes)
        with self._lock:
            while len(self._built) >= MOST_KEPT:
                self._built.pop(next(iter(self._built)))
            self._built[digest] = sizes, policy
        return policy


def _unreadable(error: ClearwayError) -> str:
    return f"The policy in force cannot be read ({error.code}), so nothing is allowed."
