"""A bundle as bytes and back: canonical JSON (RFC 8785), so that the same project gives the same bytes everywhere.

INVARIANT: a bundle is data. Nothing in it is unpacked to a disk by name, imported or run; paths are checked all the
same, for people export bundles and look at them.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from clearway.model.errors import Invalid
from clearway.model.release import Bundle
from clearway.rules.canonical import canonical, parse_json

FORMAT = "clearway/bundle/v1"
MOST_FILES = 2_000
MOST_BYTES = 16 * 1024 * 1024

_PATH = re.compile(r"(?:(?:policies|prompts|routes)/(?:[A-Za-z0-9_-][A-Za-z0-9_. -]*/)*)?[A-Za-z0-9_-][A-Za-z0-9_. -]*")
_CODE_PATH = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.py")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FIELDS = frozenset({"format", "project", "files", "settings", "tools", "skills", "code", "router"})
_ROUTER_FIELDS = frozenset({"kind", "version", "lessons", "sha256", "artefact", "why"})
_AT_THE_TOP = frozenset({"ownership.toml"})


def write(bundle: Bundle) -> bytes:
    """The bundle's canonical bytes. Errors: `Invalid` (`bundle`) where `read` would refuse them."""
    whole = canonical(
        {
            "format": FORMAT,
            "project": bundle.project,
            "files": dict(bundle.files),
            "settings": dict(bundle.settings),
            "tools": {name: dict(tool) for name, tool in bundle.tools.items()},
            "skills": {name: dict(skill) for name, skill in bundle.skills.items()},
            "code": dict(bundle.code),
            "router": dict(bundle.router),
        }
    )
    _check(bundle, len(whole))
    return whole


def read(whole: bytes) -> Bundle:
    """Reads a bundle strictly: canonical bytes only, so that a digest stands for one text.

    Errors: `Invalid` (`bundle`)."""
    if len(whole) > MOST_BYTES:
        raise _malformed(f"it is larger than {MOST_BYTES} bytes")
    try:
        found = parse_json(whole, what="The bundle", most_bytes=MOST_BYTES)
    except Invalid as error:
        raise _malformed(error.message) from None
    if not isinstance(found, dict) or found.keys() != _FIELDS or found["format"] != FORMAT:
        raise _malformed(f"it is not of the format {FORMAT}")
    if canonical(found) != whole:
        raise _malformed("it is not in canonical form (RFC 8785), so its digest would not be its own")
    if not isinstance(found["project"], str):
        raise _malformed("its project has no name")
    for name in ("files", "settings", "tools", "skills", "code", "router"):
        if not isinstance(found[name], dict):
            raise _malformed(f"its {name} are no object")
    parts: dict[str, Any] = found
    if not all(isinstance(text, str) for name in ("files", "code") for text in parts[name].values()):
        raise _malformed("a file of it is no text")
    if not all(isinstance(item, dict) for name in ("tools", "skills") for item in parts[name].values()):
        raise _malformed("a tool or skill of it is no object")
    bundle = Bundle(
        parts["project"],
        parts["files"],
        parts["settings"],
        parts["tools"],
        parts["skills"],
        parts["code"],
        parts["router"],
    )
    _check(bundle, len(whole))
    return bundle


def digest_of(whole: bytes) -> str:
    """What a bundle is known by: `sha256:` and the SHA-256 of its canonical bytes."""
    return "sha256:" + hashlib.sha256(b"clearway/bundle/v1\0" + whole).hexdigest()


def router_line(router: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a bundle's trained router: all but its bytes, which `sha256` stands for."""
    return {name: value for name, value in router.items() if name != "artefact"}


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def code_digest(code: Mapping[str, str], tools: Mapping[str, str]) -> str:
    """What the code of a project is known by, in hex: only workers that have it loaded carry its runs out.

    `code`: path → SHA-256. `tools`: name → digest. INVARIANT: files that are equal are not enough: what a tool is may
    come from elsewhere than its file (a remote declaration), and a tool whose name, description or schema changed is
    not the one that was looked at.
    """
    parts = {"code": dict(code), "tools": dict(tools)}
    return hashlib.sha256(b"clearway/code/v2\0" + canonical(parts)).hexdigest()


def code_of(bundle: Bundle) -> str:
    """The digest of the code that its runs need."""
    return code_digest(bundle.code, {name: str(tool["digest"]) for name, tool in bundle.tools.items()})


def code_of_text(whole: str) -> str | None:
    """As `code_of`, of a stored bundle that nobody has checked: it says where to look for a worker, who checks it. None
    where it is no bundle."""
    try:
        found: Any = json.loads(whole)
        return code_digest(found["code"], {name: tool["digest"] for name, tool in found["tools"].items()})
    except (ValueError, KeyError, TypeError, AttributeError, Invalid):
        return None


def _check(bundle: Bundle, size: int) -> None:
    if size > MOST_BYTES or len(bundle.files) > MOST_FILES or len(bundle.code) > MOST_FILES:
        raise _malformed(f"it holds more than {MOST_FILES} files or {MOST_BYTES} bytes")
    for path in bundle.files:
        inside = "/" in path or path in _AT_THE_TOP
        if not _PATH.fullmatch(path) or ".." in path.split("/") or not inside:
            raise _malformed("a file of it lies outside of policies, prompts and routes")
    for path, digest in bundle.code.items():
        if not _CODE_PATH.fullmatch(path) or ".." in path.split("/") or not _SHA256.fullmatch(digest):
            raise _malformed("its list of code is malformed")
    _check_router(bundle.router)


def _check_router(router: Mapping[str, Any]) -> None:
    """INVARIANT: the trained router's bytes are those that its digest names. They are numbers, parsed and never run."""
    if not all(isinstance(value, str) for value in router.values()) or not router.keys() <= _ROUTER_FIELDS:
        raise _malformed("its trained router is malformed")
    if router and router.get("kind") not in ("embedded", "tfidf"):
        raise _malformed("its trained router is of no known kind")
    if router.get("kind") == "tfidf" and "why" not in router:
        raise _malformed("it does not say why TF-IDF has to do")
    if "artefact" not in router:
        return
    try:
        data = base64.b64decode(router["artefact"], validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("its trained router is not base64") from None
    if hashlib.sha256(data).hexdigest() != router.get("sha256") or "lessons" not in router:
        raise _malformed("its trained router is not what its digest names")


def _malformed(why: str) -> Invalid:
    return Invalid(
        f"This is no bundle: {why}.", code="bundle", remedy="Make one with `clearway release cut` and `release export`."
    )
