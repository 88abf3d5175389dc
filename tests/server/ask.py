"""Every route with a request that it takes, for tests that go over all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette import routing

from clearway.server.rights import Need

DIGEST = "sha256:" + "0" * 64
REASON = {"reason": "because"}
#: (method, path) → a body that fits its description.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/session"): {"token": "x", "user": "dana"},
    ("DELETE", "/v1/session"): {},
    ("POST", "/v1/session/acting"): {"user": "dana"},
    ("POST", "/v1/runs"): {"text": "x", "skill": "desk", "input": {"account": "1", "amount_minor": 1}},
    ("POST", "/v1/runs/{run_id}/cancel"): REASON,
    ("POST", "/v1/runs/{run_id}/retry"): REASON,
    ("POST", "/v1/runs/{run_id}/unhold"): REASON,
    ("POST", "/v1/approvals/{approval_id}/approve"): {"presented_digest": DIGEST},
    ("POST", "/v1/approvals/{approval_id}/reject"): {"presented_digest": DIGEST, "comment": "no"},
    ("POST", "/v1/approvals/{approval_id}/edit"): {"arguments": {}, "comment": "no"},
    ("POST", "/v1/approvals/{approval_id}/endorse"): {"argument": "account", "presented_digest": DIGEST},
    ("POST", "/v1/endorsements/{endorsement_id}/revoke"): REASON,
    ("POST", "/v1/privacy/reveal"): {"token": "<EMAIL:1x>", "reason": "asked"},
    ("POST", "/inbox/{approval_id}/open"): {"token": "<EMAIL:1x>", "reason": "asked"},
    ("POST", "/runs/{run_id}/open"): {"token": "<EMAIL:1x>", "reason": "asked"},
    ("POST", "/ledger/{key}/open"): {"token": "<EMAIL:1x>", "reason": "asked"},
    ("POST", "/v1/privacy/erase"): {"subject": "x", "reason": "asked", "dry_run": True},
    ("POST", "/v1/privacy/retention"): {"dry_run": True},
    ("POST", "/v1/privacy/rotate"): {"purpose": "seal"},
    ("POST", "/v1/ledger/{key}/resolve"): {"happened": True, "reason": "seen"},
    ("POST", "/v1/audit/verify"): {},
    ("POST", "/v1/audit/export"): {},
    ("POST", "/v1/audit/prove"): {"seq": 1},
    ("POST", "/v1/explain"): {"tool": "refund", "arguments": {"account": "1", "amount_minor": 1}},
    ("POST", "/v1/switches/engage"): {"kind": "tool", "id": "refund", "reason": "stop"},
    ("POST", "/v1/switches/release"): {"kind": "tool", "id": "refund", "reason": "go"},
    ("POST", "/v1/grants"): {"tool": "refund", "targets": ["account:1"], "bounds": {}, "reason": "x"},
    ("POST", "/v1/grants/{grant_id}/revoke"): REASON,
    ("POST", "/v1/notices/test"): {"channel": "none"},
    ("POST", "/v1/keys"): {"subject": "user:dana", "days": 1},
    ("POST", "/v1/keys/{key_id}/revoke"): {},
    ("POST", "/v1/releases"): {"note": "x"},
    ("POST", "/v1/releases/import"): {"bundle": "e30=", "note": "x"},
    ("POST", "/v1/releases/rollback"): REASON,
    ("POST", "/v1/releases/{ref}/diff"): {},
    ("POST", "/v1/releases/{ref}/acceptance"): {"old": [], "new": []},
    ("POST", "/v1/releases/{ref}/sign"): REASON,
    ("POST", "/v1/releases/{ref}/promote"): REASON,
    ("POST", "/v1/releases/{ref}/canary"): {"reason": "x", "share": 0.1},
    ("POST", "/v1/releases/{ref}/shadow"): REASON,
    ("POST", "/v1/releases/{ref}/revoke"): REASON,
    ("POST", "/v1/releases/{ref}/reinstate"): REASON,
    ("POST", "/v1/releases/{ref}/unhold"): REASON,
    ("POST", "/v1/users/{user_id}/disable"): REASON,
    ("POST", "/v1/users/{user_id}/enable"): REASON,
}


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    need: Need

    @property
    def is_page(self) -> bool:
        return not self.path.startswith(("/v1/", "/healthz", "/readyz", "/openapi.json"))

    @property
    def parameters(self) -> list[str]:
        return [part[1:-1].partition(":")[0] for part in self.path.split("/") if part.startswith("{")]

    def url(self, **ids: str) -> str:
        url = self.path
        for name in self.parameters:
            url = url.replace("{" + name + "}", ids.get(name, "none"))
        return url

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def routes(api: FastAPI, needs: Any) -> Iterator[Route]:
    """Each of the app's routes; assets have none."""
    for route in api.routes:
        if isinstance(route, routing.Route):
            for method in sorted(route.methods or ()):
                yield Route(method, route.path, needs[method, route.path])
        else:
            assert isinstance(route, routing.Mount), "what else is there?"


def ask(client: Any, route: Route, **ids: str) -> Any:
    """Asks the route; of a stream, its status only."""
    body = BODIES.get((route.method, route.path))
    if route.method != "GET" and body is None and not route.is_page:
        raise AssertionError(f"tests/server/ask.py has no body for {route}")
    with client.stream(route.method, route.url(**ids), json=body) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
        return answer
