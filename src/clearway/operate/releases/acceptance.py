"""Whether a change of policies is signed for, wherever it is compared: by the digests of files, so no text is sent."""

from collections.abc import Collection
from hashlib import sha256
from typing import Any

from clearway.model.errors import Conflict
from clearway.model.identity import Scope
from clearway.model.release import Bundle, Signature
from clearway.operate.releases.reading import read, resolve
from clearway.operate.releases.shelf import Shelf
from clearway.ports import Tx
from clearway.rules.releases.duties import POLICY

Json = dict[str, Any]


def digest_of_text(text: str) -> str:
    """Of a file, by what it says."""
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def acceptance(shelf: Shelf, scope: Scope, ref: str, old: Collection[str], new: Collection[str]) -> Json:
    """`{"release", "accepted_by"}`: who has signed as policy owner that the policies `new` may follow `old`, each the
    digests of files (`digest_of_text`), in any order. The release has to hold just `new`, and they have to have been
    shown what that changes against just `old`.

    Errors: `NotFound`, `Invalid` (`release`), `Conflict` (`other_policies`)."""

    def work(tx: Tx) -> Json:
        release = resolve(tx, ref)
        if _policies(read(release)) != sorted(new):
            raise Conflict(
                "The release holds other policies than those that are compared.",
                code="other_policies",
                remedy="Cut a release of them, and have it signed.",
            )
        group = shelf.compare(tx, scope, release).owners.of(POLICY)
        is_member = shelf.membership(scope)
        accepted_by = [
            signature.subject
            for signature in shelf.genuine(tx, release.digest)
            if signature.duty == POLICY
            and signature.subject != release.created_by
            and group is not None
            and is_member(signature.subject, group)
            and _was_against(shelf, tx, signature, sorted(old))
        ]
        return {"release": release.digest, "accepted_by": accepted_by}

    return shelf.store.read(scope, work)


def _was_against(shelf: Shelf, tx: Tx, signature: Signature, old: list[str]) -> bool:
    seen = shelf.signing.seen(tx, signature)
    return seen is not None and _policies(read(seen)) == old


def _policies(bundle: Bundle) -> list[str]:
    return sorted(digest_of_text(text) for path, text in bundle.files.items() if path.endswith(".cedar"))
