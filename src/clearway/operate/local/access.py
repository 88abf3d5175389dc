"""Who may come in: API keys, and people of an identity provider."""

from typing import Any

from clearway.operate.desk import Bound
from clearway.operate.people import set_disabled, users_listed

Json = dict[str, Any]


class AccessOperations(Bound):
    def create_key(self, subject: str, *, days: int) -> Json:
        return self._desk.access.create_key(self.caller, subject, days=days)

    def keys(self) -> Json:
        return {"items": self._desk.access.keys(self._scope), "next": None}

    def revoke_key(self, key_id: str) -> Json:
        return self._desk.access.revoke_key(self.caller, key_id)

    def users(self) -> Json:
        return {"items": users_listed(self._desk.store, self.caller), "next": None}

    def disable_user(self, user_id: str, reason: str) -> Json:
        return set_disabled(
            self._desk.store, self._desk.privacy.vaults.redaction, self.caller, user_id, reason, disabled=True
        )

    def enable_user(self, user_id: str, reason: str) -> Json:
        return set_disabled(
            self._desk.store, self._desk.privacy.vaults.redaction, self.caller, user_id, reason, disabled=False
        )
