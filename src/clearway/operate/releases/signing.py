"""Signatures under releases: how one is made, when a row is one, and what it covers.

A signature says what its signer was shown: the release, and what was in force, which it was compared with. Its row is
known by both, so that somebody who has signed against one release can sign against another one, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clearway.model.errors import Invalid
from clearway.model.identity import Principal
from clearway.model.release import Bundle, Release, Signature
from clearway.operate.releases.outlines import Outline
from clearway.ports import Sealer, Tx
from clearway.rules.releases import dsse
from clearway.rules.releases.duties import covers

#: What a signature was compared with where nothing was in force.
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Signing:
    """Keeps no state."""

    sealer: Sealer

    def made(self, tx: Tx, release: Release, duty: str, by: Principal, reason: str) -> Signature:
        """Of `by`, against what is in force now."""
        pointer = tx.releases.pointer()
        against = pointer.digest if pointer else NOTHING
        statement = {
            "release": release.digest,
            "duty": duty,
            "against": against,
            "by": by.subject,
            "authenticated_by": by.authenticated_by,
            "reason": reason,
            "at": round(tx.now),
        }
        envelope = dsse.envelope(statement, self.sealer.sign)
        return Signature(release.digest, duty, by.subject, tx.now, envelope, against)

    def genuine(self, signatures: Sequence[Signature], digest: str) -> list[Signature]:
        """INVARIANT: a row counts only where its envelope is signed and says what the row says."""
        return [signature for signature in signatures if self._says(signature, digest)]

    def covers(
        self, signature: Signature, old: Outline | None, new: Bundle, look: Callable[[str], Outline | None]
    ) -> bool:
        """Whether a genuine one was given for all that calls for it where `new` follows `old`. `look`: a stored
        release, by its digest; one that is not stored here covers nothing."""
        against = signature.against
        if against == (old.release.digest if old else NOTHING):
            return True
        seen = None if against == NOTHING else look(against)
        if seen is None and against != NOTHING:
            return False
        return covers(signature.duty, seen.bundle if seen else None, old.bundle if old else None, new)

    def seen(self, tx: Tx, signature: Signature) -> Release | None:
        """What was in force when it was given, as its envelope says."""
        against = str(self._statement(signature).get("against"))
        return None if against == NOTHING else tx.releases.get(against)

    def _says(self, signature: Signature, digest: str) -> bool:
        statement = self._statement(signature)
        said = tuple(statement.get(name) for name in ("release", "duty", "by", "against"))
        return said == (digest, signature.duty, signature.subject, signature.against)

    def _statement(self, signature: Signature) -> dict[str, Any]:
        """What was signed; empty where the envelope is not genuine."""
        try:
            return dsse.opened(signature.envelope, self.sealer.verify)
        except Invalid:
            return {}
