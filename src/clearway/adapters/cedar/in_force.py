"""The policy in force: the project's policy files as they are now, in every process, without a restart.

INVARIANT: files that cannot be put in force deny everything; the policy before them is not kept alive, or an edit that
was meant to tighten would not.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from clearway.adapters.cedar.policies import read_folder
from clearway.adapters.cedar.policy import CedarPolicy
from clearway.model.action import Action
from clearway.model.decision import Decision, Verdict
from clearway.model.errors import ClearwayError
from clearway.model.tool import ToolSpec

#: How old the look at the files may be when a decision is made.
STALE_AFTER_S = 0.25
_UNREADABLE = "The policy files cannot be read, so nothing is allowed. See `clearway policy check`."


class PolicyInForce:
    """Implements `clearway.ports.Policy`; reloads when a file of `folder` was added, removed or changed.

    `groups`: the number of people in each group as it is now, or None where that is not known.
    """

    def __init__(
        self,
        folder: Path,
        tools: Mapping[str, ToolSpec],
        skills: Collection[str],
        environments: Collection[str],
        *,
        groups: Callable[[], Mapping[str, int] | None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._tools, self._skills, self._environments = folder, tools, skills, environments
        self._groups = groups
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: tuple[Any, ...] | None = None
        self._looked_at = float("-inf")
        self._policy: CedarPolicy | None = None

    def decide(self, action: Action) -> Decision:
        policy = self.current()
        return Decision(Verdict.DENY, "policy_error", message=_UNREADABLE) if policy is None else policy.decide(action)

    @property
    def broken(self) -> str | None:
        """Why nothing is allowed at all at this moment; None where the policies are in force."""
        policy = self.current()
        return _UNREADABLE if policy is None else policy.broken

    def labels_read(self, tool: str) -> bool:
        policy = self.current()
        return policy is not None and policy.labels_read(tool)

    def history_read(self, tool: str) -> frozenset[str]:
        policy = self.current()
        return frozenset() if policy is None else policy.history_read(tool)

    def explain(self, action: Action) -> dict[str, Any]:
        policy = self.current()
        return {} if policy is None else policy.explain(action)

    def current(self) -> CedarPolicy | None:
        """The policy of this moment; None where the files cannot be read."""
        with self._lock:
            now = self._monotonic()
            if now - self._looked_at > STALE_AFTER_S:
                self._look()
                self._looked_at = now
            return self._policy

    def _look(self) -> None:
        try:
            groups = self._groups()
            files = sorted(
                (str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in self._folder.rglob("*.cedar")
            )
            seen = (groups, *files)
            if seen == self._seen and self._policy is not None:
                return
            self._policy = CedarPolicy(
                self._tools, self._skills, self._environments, read_folder(self._folder), groups=groups
            )
            self._seen = seen
        except (OSError, ClearwayError):
            self._policy, self._seen = None, None
