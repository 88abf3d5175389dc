"""What a release would change: in its texts, in what policy lets through, and in what recorded traffic would do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearway.adapters.cedar.policies import PolicyFile
from clearway.adapters.cedar.policy import CedarPolicy
from clearway.model.errors import ClearwayError, ConfigError
from clearway.model.identity import Scope
from clearway.model.release import Bundle
from clearway.operate.policy_bench import group_sizes
from clearway.operate.policy_diff import compare, may_pass, world_of
from clearway.operate.policy_report import report
from clearway.operate.releases.replay import Replay
from clearway.operate.releases.shelf import Comparison, Shelf
from clearway.operate.releases.versions import ReleasedVersions
from clearway.rules.releases.duties import POLICY

Json = dict[str, Any]
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Comparing:
    """One a process; it keeps no state."""

    shelf: Shelf
    versions: ReleasedVersions
    replay: Replay

    def difference(self, scope: Scope, new: str, *, against: str | None, replay_days: float, timeout_s: float) -> Json:
        """`{"old", "new", "changes", "duties", "policy", "replayed", "unsigned_widening"}`. `against`: None is the one
        in force. `policy`: as `policy_report.report`, or why the policies were not compared. `replayed`: None where
        nothing was asked for.

        `unsigned_widening`: its policy lets more through, or that it does not is not proven, and the policy owner has
        not signed. Errors: `NotFound`, `Invalid` (`release`)."""
        before, after, compared = self.shelf.difference(scope, against, new)
        policy = self.policies(before, after, timeout_s)
        signed = any(duty.name == POLICY and duty.signed_by for duty in compared.duties)
        return {
            "old": compared.old.digest if compared.old else None,
            "new": compared.new.digest,
            "changes": [change.as_json() for change in compared.changes.items],
            "duties": [duty.as_json() for duty in compared.duties],
            "policy": policy,
            "replayed": self.replayed(scope, before, after, compared, replay_days) if replay_days > 0 else None,
            "unsigned_widening": not policy["passes"] and not signed,
        }

    def policies(self, before: Bundle | None, after: Bundle, timeout_s: float) -> Json:
        """What the policies of `after` let through against those of `before`: as `policy_report.report`, or why they
        were not compared. `passes`: nothing more is let through, and that is proved. The project is this process's."""
        old, new = policies_of(before) if before else [], policies_of(after)
        if before is not None and old == new:
            return {"answer": "equivalent", "passes": True, "why": "the texts are the same"}
        project = self.shelf.project
        try:
            found = compare(old, new, world_of(project), groups=group_sizes(project), timeout_s=timeout_s)
        except ConfigError as error:
            return {"answer": "not compared", "passes": False, "why": str(error)}
        return {**report(found, "old", "new"), "passes": may_pass(found)}

    def replayed(
        self, scope: Scope, before: Bundle | None, after: Bundle, compared: Comparison, days: float
    ) -> Json | None:
        """The scope's traffic of the last `days`, decided and routed again; None where there is nothing to compare."""
        if before is None or compared.old is None:
            return None
        since = self.shelf.store.read(scope, lambda tx: tx.now) - days * DAY_S
        decisions = self.replay.decisions(scope, self._policy(before), self._policy(after), since=since)
        try:
            versions = self.versions.of(compared.old.digest), self.versions.of(compared.new.digest)
        except ClearwayError as error:
            return {"decisions": decisions, "routes": {"skipped": error.message}}
        old, new = versions
        if old is None or new is None:
            return {"decisions": decisions, "routes": {"skipped": "the code of one of the two is not loaded here"}}
        return {"decisions": decisions, "routes": self.replay.routes(scope, old, new, since=since)}

    def _policy(self, bundle: Bundle) -> CedarPolicy:
        project = self.shelf.project
        sizes: Mapping[str, int] = group_sizes(project)
        return CedarPolicy(
            project.tools, project.skills, project.settings.environments, policies_of(bundle), groups=sizes
        )


def policies_of(bundle: Bundle) -> list[PolicyFile]:
    """The policy files of a bundle."""
    return [PolicyFile(path, text) for path, text in sorted(bundle.files.items()) if path.endswith(".cedar")]
