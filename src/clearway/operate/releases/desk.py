"""What the operations on releases are made of."""

from dataclasses import dataclass

from clearway.operate.releases.comparing import Comparing
from clearway.operate.releases.held import HeldRuns
from clearway.operate.releases.rollout import Rollout
from clearway.operate.releases.shelf import Shelf


@dataclass(frozen=True, slots=True)
class ReleaseDesk:
    """All that these operations are made of. One a process."""

    shelf: Shelf
    rollout: Rollout
    comparing: Comparing

    @property
    def held(self) -> HeldRuns:
        return HeldRuns(self.shelf.store, self.shelf)
