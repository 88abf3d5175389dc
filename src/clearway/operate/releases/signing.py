"""Signatures under releases: how one is made, when a row is one, and what it covers.

A signature says what its signer was shown: the release, and what was in force, which it was compared with. Its row is
known by both, so that somebody who has signed against one release can sign against another one, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clearway.model.errors import Invalid
from clearway.model.identity import Principal
from clearway.model.release import Bundle, Release, Signature
from clearway.operate.releases.reading import read
from clearway.ports import Sealer, Tx
from clearway.rules.releases import dsse
from clearway.rules.releases.duties import covers

#: What a signature was compared with where nothing was in force.
NOTHING = "nothing"
_AGAINST = "@"


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
        return Signature(release.digest, _row_of(duty, against), by.subject, tx.now, envelope)

    def genuine(self, signatures: Sequence[Signature], digest: str) -> list[Signature]:
        """INVARIANT: a row counts only where its envelope is signed and says what the row says."""
        return [signature for signature in signatures if self._says(signature, digest)]

    def covers(self, tx: Tx, signature: Signature, old: Release | None, new: Bundle) -> bool:
        """Whether it was given for all that calls for it where `new` follows `old`. Errors: `Conflict`
        (`release_damaged`)."""
        seen = self.seen(tx, signature)
        if (seen.digest if seen else None) == (old.digest if old else None) and self._knows(signature, seen):
            return True
        bundle = read(seen) if seen else None
        return self._knows(signature, seen) and covers(duty_of(signature), bundle, read(old) if old else None, new)

    def seen(self, tx: Tx, signature: Signature) -> Release | None:
        """What was in force when it was given."""
        against = str(self._statement(signature).get("against"))
        return None if against == NOTHING else tx.releases.get(against)

    def _knows(self, signature: Signature, seen: Release | None) -> bool:
        """Not where it was compared with a release that is not stored here."""
        return seen is not None or self._statement(signature).get("against") == NOTHING

    def _says(self, signature: Signature, digest: str) -> bool:
        statement = self._statement(signature)
        row = _row_of(str(statement.get("duty")), str(statement.get("against")))
        said = (statement.get("release"), row, statement.get("by"))
        return said == (digest, signature.duty, signature.subject)

    def _statement(self, signature: Signature) -> dict[str, Any]:
        """What was signed; empty where the envelope is not genuine."""
        try:
            return dsse.opened(signature.envelope, self.sealer.verify)
        except Invalid:
            return {}


def duty_of(signature: Signature) -> str:
    """The duty that a signature is for."""
    return signature.duty.partition(_AGAINST)[0]


def _row_of(duty: str, against: str) -> str:
    return f"{duty}{_AGAINST}{against.removeprefix('sha256:')[:16]}"
