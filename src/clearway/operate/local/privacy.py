"""Values behind tokens: opened, erased, kept for so long; and the keys that they are under."""

from typing import Any, Literal

from clearway.operate.desk import Bound

Json = dict[str, Any]


class PrivacyOperations(Bound):
    def reveal(self, token: str, reason: str, *, at: str = "") -> Json:
        """`at`: the page on which somebody asks, for the record."""
        return self._desk.privacy.reveal(token, self.caller, reason, at=at)

    def erase(self, subject: str, reason: str, *, dry_run: bool = False) -> Json:
        return self._desk.privacy.erase(subject, self.caller, reason, dry_run=dry_run)

    def apply_retention(self, *, dry_run: bool = False) -> Json:
        return self._desk.retention.ask(self.caller, dry_run=dry_run)

    def rotate_keys(self, purpose: Literal["seal", "token"], *, only_rewrap: bool = False) -> Json:
        return self._desk.privacy.rotate(self.caller, purpose, only_rewrap=only_rewrap)
