"""Tells the log of policies that deny everything: else each run would be refused, and nobody told."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from clearway.model.identity import Scope

_log = logging.getLogger("clearway.policy")


class BrokenPolicies:
    """`broken(scope)`: why nothing is allowed there at this moment, None where policies are in force."""

    def __init__(self, scopes: Sequence[Scope], broken: Callable[[Scope], str | None]) -> None:
        self._scopes, self._broken = scopes, broken
        self._lock = threading.Lock()
        self._told: Mapping[Scope, str] = {}

    def tell(self) -> None:
        """Logs what was not told yet: once for each wording, so again where the first problem or their number is
        another one, and where a policy broke that was whole; and once what is in force again."""
        found = {scope: self._broken(scope) for scope in self._scopes}
        now = {scope: why for scope, why in found.items() if why is not None}
        with self._lock:
            before, self._told = self._told, now
        news = {scope: why for scope, why in now.items() if before.get(scope) != why}
        for why in dict.fromkeys(news.values()):
            _log.error("policy: %s (%s)", why, _named(scope for scope in news if news[scope] == why))
        if whole := before.keys() - now.keys():
            _log.warning("policy: in force again (%s)", _named(scope for scope in self._scopes if scope in whole))


def _named(scopes: Iterable[Scope]) -> str:
    return ", ".join(f"{scope.tenant}/{scope.environment}" for scope in scopes)
