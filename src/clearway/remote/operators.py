"""What operators of a server look after: its project, switches, notices, costs, tokens, keys and people."""

from collections.abc import Mapping
from typing import Any, Literal

from clearway.operate.operations import Json
from clearway.operate.pages import checked_limit
from clearway.remote.bound import Bound


class OperatorOperations(Bound):
    def tools(self) -> Json:
        return self._get("tools")

    def skills(self) -> Json:
        return self._get("skills")

    def explain(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        agent: str | None = None,
        user: str | None = None,
        role: str | None = None,
    ) -> Json:
        return self._post("explain", tool=tool, arguments=dict(arguments), agent=agent, user=user, role=role)

    def switches(self) -> Json:
        return self._get("switches")

    def engage(self, kind: str, id: str, reason: str) -> Json:
        return self._post("switches", "engage", kind=kind, id=id, reason=reason)

    def release(self, kind: str, id: str, reason: str) -> Json:
        return self._post("switches", "release", kind=kind, id=id, reason=reason)

    def notices(self, *, failed: bool = False, limit: int = 50) -> Json:
        return self._get("notices", failed="true" if failed else None, limit=checked_limit(limit))

    def try_notices(self, channel: str | None = None) -> Json:
        return self._post("notices", "test", channel=channel)

    def costs(self, *, days: int = 1) -> Json:
        return self._get("costs", days=days)

    def reveal(self, token: str, reason: str) -> Json:
        return self._post("privacy", "reveal", token=token, reason=reason)

    def erase(self, subject: str, reason: str, *, dry_run: bool = False) -> Json:
        return self._post("privacy", "erase", subject=subject, reason=reason, dry_run=dry_run)

    def apply_retention(self, *, dry_run: bool = False) -> Json:
        return self._post("privacy", "retention", dry_run=dry_run)

    def rotate_keys(self, purpose: Literal["seal", "token"], *, only_rewrap: bool = False) -> Json:
        return self._post("privacy", "rotate", purpose=purpose, only_rewrap=only_rewrap)

    def create_key(self, subject: str, *, days: int) -> Json:
        return self._post("keys", subject=subject, days=days)

    def keys(self) -> Json:
        return self._get("keys")

    def revoke_key(self, key_id: str) -> Json:
        return self._post("keys", key_id, "revoke")

    def users(self) -> Json:
        return self._get("users")

    def disable_user(self, user_id: str, reason: str) -> Json:
        return self._post("users", user_id, "disable", reason=reason)

    def enable_user(self, user_id: str, reason: str) -> Json:
        return self._post("users", user_id, "enable", reason=reason)
