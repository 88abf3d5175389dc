"""Loads what a pass carries along: the run's version, skill and people, its rows, and its opened data key."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from clearway.model.errors import Erased
from clearway.model.identity import Principal
from clearway.model.run import Run
from clearway.model.run_ref import RunRef
from clearway.model.tool import ToolSpec
from clearway.ports import Clock, Directory, Sealer, Store
from clearway.runtime.carry import Carry
from clearway.runtime.endorsements import in_force
from clearway.runtime.vault import Vaults
from clearway.runtime.version import Versions

#: Why a run cannot be carried out at all, by code.
MISSING = {
    "erased": "What was sealed of this run was erased.",
    "skill_missing": "This worker's project has no such skill.",
    "user_gone": "The user that the run acts for is no longer declared in this tenant and environment.",
}


@dataclass(frozen=True, slots=True)
class Loader:
    """One a process; it keeps no state. `tools` are those of the project that this worker has loaded."""

    store: Store
    sealer: Sealer
    directory: Directory
    tools: Mapping[str, ToolSpec]
    versions: Versions
    vaults: Vaults
    clock: Clock
    lenient_environments: frozenset[str] = frozenset()

    async def load(self, ref: RunRef, run: Run) -> Carry | str:
        """Else why not: `code_missing`, or one of `MISSING`. Errors: `Unavailable`."""
        version = self.versions.of(run.release)
        if version is None:
            return "code_missing"
        skill = version.skills.get(run.skill)
        if skill is None:
            return "skill_missing"
        scope = ref.scope
        user = self.directory.find(str(run.principal["user"]), scope)
        if user is None:
            return "user_gone"
        if narrowed := run.principal.get("narrowed_to"):
            user = user.narrowed(str(narrowed)) or replace(user, roles=frozenset[str](), groups=frozenset[str]())
        agent = Principal("agent", skill.name, scope, authenticated_by="skill")
        fields = set(skill.sensitive).union(*(self.tools[name].sensitive for name in skill.tools if name in self.tools))
        masker = self.vaults.redaction.masker(scope, fields)
        try:
            entries, vault, endorsed = await self.store.aread(
                scope,
                lambda tx: (
                    tx.ledger.of_run(run.run_id),
                    self.vaults.open(tx, run.run_id, masker),
                    tx.endorsements.in_force(run.run_id, user.name, tx.now),
                ),
            )
        except Erased:
            return "erased"
        at = Carry(
            scope,
            run,
            run.fence,
            skill,
            user,
            agent,
            masker,
            vault,
            self.clock,
            self.clock.monotonic(),
            version,
            separates_duties=scope.environment not in self.lenient_environments,
        )
        at.entries.update((entry.step_id, entry) for entry in entries)
        at.endorsements = in_force(endorsed, at, self.directory, self.sealer)
        return at
