"""An OpenID provider: a real HTTP server with discovery, authorization with PKCE, tokens and keys; it can misbehave."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT_ID, SECRET = "clearway", "client-secret-of-the-test"


@dataclass
class Provider:
    """`claims`: put over those of the next tokens; None takes one out. `sign`: how; `calls_itself`: in discovery."""

    url: str
    key: RSAKey
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "sub-1", "groups": ["ops-people"]})
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    sign: str = "RS256"
    calls_itself: str = ""
    authenticated_ago_s: float | None = 0.0
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    leave_token_out: bool = False
    codes_last: bool = False

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.calls_itself or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            # It offers what must not be taken.
            "id_token_signing_alg_values_supported": ["none", "HS256", "RS512", "RS256"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes next."""
        self.asked.append(query)
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        code = form.get("code", "")
        asked = self.codes.get(code) if self.codes_last else self.codes.pop(code, None)
        if asked is None:
            return 400, {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked["code_challenge_method"] != "S256" or challenge.decode().rstrip("=") != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        answer = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 60}
        return 200, answer if self.leave_token_out else {**answer, "id_token": self.signed(asked["nonce"])}

    def signed(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": nonce, **self.person}
        if self.authenticated_ago_s is not None:
            claims["auth_time"] = now - int(self.authenticated_ago_s)
        claims = {name: value for name, value in {**claims, **self.claims}.items() if value is not None}
        if self.sign == "none":
            parts = [{"alg": "none", "typ": "JWT"}, claims]
            return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."
        if self.sign == "HS256":  # with the public key as the secret, as confused verifiers take it
            secret = OctKey.import_key(self.key.as_pem(private=False))
            return jwt.encode({"alg": "HS256"}, claims, secret, algorithms=["HS256"])
        key = RSAKey.generate_key(2048, {"kid": "k1"}) if self.sign == "other key" else self.key
        alg = "RS512" if self.sign == "RS512" else "RS256"
        return jwt.encode({"alg": alg, "kid": "k1"}, claims, key, algorithms=[alg])


@contextmanager
def provider() -> Iterator[Provider]:
    """Runs one on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/.well-known/openid-configuration":
                self._json(200, made.discovery())
            elif parts.path == "/keys":
                self._json(200, {"keys": [{**made.key.as_dict(private=False), "kid": "k1", "use": "sig"}]})
            else:
                self.send_response(302)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_header("Location", made.authorize(query))
                self.end_headers()

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._json(*made.token({name: values[0] for name, values in form.items()}))

        def _json(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Provider(f"http://127.0.0.1:{server.server_port}", RSAKey.generate_key(2048, {"kid": "k1"}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
