"""The releases that are stored: cutting, finding, comparing, signing, revoking. Nothing here puts one in force."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

from clearway.model.errors import Conflict, Denied, Invalid
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.release import Bundle, Release, Signature
from clearway.operate.pages import cursor_of, page_after
from clearway.operate.releases.outlines import Outline, Outlines, whole
from clearway.operate.releases.reading import found, line, place_of, read, resolve, said_as
from clearway.operate.releases.signing import Signing
from clearway.operate.routes import trained_router
from clearway.ports import Directory, Sealer, Store, Tx
from clearway.project.bundle import bundle_of
from clearway.project.owners import owners_of
from clearway.project.project import Project
from clearway.rules.chain import rfc3339
from clearway.rules.present import visible
from clearway.rules.redact import Redaction
from clearway.rules.releases import bundles
from clearway.rules.releases.changes import Changes, changes
from clearway.rules.releases.duties import Duty, Owners, duties, fulfilled
from clearway.rules.two_people import NEEDED, people, still_held, vote_of

Json = dict[str, Any]

OWNERSHIP_FILE = "ownership.toml"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a release changes against the one in force, and who has to sign that, with who has."""

    old: Release | None
    new: Release
    changes: Changes
    duties: tuple[Duty, ...]
    owners: Owners

    @property
    def missing(self) -> tuple[Duty, ...]:
        return tuple(duty for duty in self.duties if duty.signed_by is None)


@dataclass(frozen=True, slots=True)
class Shelf:
    """One a process; what it keeps are bundles that were read, by their digests."""

    store: Store
    sealer: Sealer
    directory: Directory
    project: Project
    redaction: Redaction
    outlines: Outlines = field(default_factory=Outlines)

    @property
    def signing(self) -> Signing:
        return Signing(self.sealer)

    def said(self, by: Principal, text: str, what: str) -> str:
        """A person's words, as they can be stored: tokenized. Errors: `Invalid` where there are none."""
        return said_as(self.redaction.said(text, by.scope), what)

    def cut(self, by: Principal, note: str) -> Json:
        """Makes a bundle of the project as it is loaded, its router trained, and stores it. The same project again is
        the same release.

        Errors: `Denied` (`not_an_owner`), `Invalid` (`note`)."""
        return self._add(by, bundles.write(bundle_of(self.project, trained_router(self.project))), note, "release.cut")

    def take_in(self, by: Principal, whole: bytes, note: str) -> Json:
        """Stores a bundle that was exported elsewhere. Errors: as `cut`, and `Invalid` (`bundle`)."""
        found = bundles.read(whole)
        if found.project != self.project.name:
            raise Invalid(
                f"The bundle is of the project {visible(found.project)[0]}, this one is {self.project.name}.",
                code="bundle",
                remedy="Take in a bundle of this project.",
            )
        return self._add(by, whole, note, "release.taken_in")

    def _add(self, by: Principal, whole: bytes, note: str, kind: str) -> Json:
        said, digest = self.said(by, note, "note"), bundles.digest_of(whole)
        release = Release(digest, self.project.name, whole.decode(), 0.0, by.subject, said)

        def work(tx: Tx) -> Json:
            self.require_owner(tx, by, "cut a release")
            new = tx.releases.insert(replace(release, created_at=tx.now))
            if new:
                tx.audit.append([Event(kind, {"release": digest, "by": by.name, "note": said})])
            return {**line(found(tx, digest)), "new": new}

        return self.store.write(by.scope, work)

    def page(self, scope: Scope, *, limit: int, cursor: str | None) -> Json:
        """Newest first, with what is in force in the scope."""

        def work(tx: Tx) -> Json:
            rows = tx.releases.list(limit=limit + 1, before=page_after(cursor))
            items, more = rows[:limit], len(rows) > limit
            pointer = tx.releases.pointer()
            last = items[-1] if more else None
            return {
                "items": [{**line(row), "in_force": place_of(row.digest, pointer)} for row in items],
                "next": cursor_of((last.created_at, last.digest)) if last else None,
            }

        return self.store.read(scope, work)

    def show(self, scope: Scope, ref: str) -> Json:
        """A release with its manifest, who has to sign it before it may follow the one in force, and who has."""

        def work(tx: Tx) -> Json:
            release = resolve(tx, ref)
            bundle, compared = read(release), self.compare(tx, scope, release)
            return {
                **line(release),
                "in_force": place_of(release.digest, tx.releases.pointer()),
                "files": sorted(bundle.files),
                "tools": {name: {"impact": t["impact"], "digest": t["digest"]} for name, t in bundle.tools.items()},
                "skills": {name: {"tools": s["tools"], "owner": s["owner"]} for name, s in bundle.skills.items()},
                "code": bundles.code_of(bundle),
                "router": bundles.router_line(bundle.router),
                "duties": [duty.as_json() for duty in compared.duties],
                "signatures": [
                    {"duty": s.duty, "by": s.subject, "at": rfc3339(s.at)}
                    for s in tx.releases.signatures(release.digest)
                ],
            }

        return self.store.read(scope, work)

    def export(self, scope: Scope, ref: str) -> bytes:
        """The bundle's canonical bytes: the same wherever it was cut."""
        return self.store.read(scope, lambda tx: resolve(tx, ref)).bundle.encode()

    def difference(self, scope: Scope, old: str | None, new: str) -> tuple[Bundle | None, Bundle, Comparison]:
        """`old`: None is the one in force. Errors: `NotFound`, `Invalid` (`release`)."""

        def work(tx: Tx) -> Comparison:
            release = resolve(tx, new)
            return self.compare(tx, scope, release, resolve(tx, old) if old else None)

        compared = self.store.read(scope, work)
        return read(compared.old) if compared.old else None, read(compared.new), compared

    def compare(self, tx: Tx, scope: Scope, new: Release, old: Release | None = None) -> Comparison:
        """Against `old`, else against what is in force."""
        if old is None:
            pointer = tx.releases.pointer()
            old = found(tx, pointer.digest) if pointer else None
        before, after = read(old) if old else None, read(new)
        differ, owners = changes(before, after), self._owners(before or after)
        pair = Outline(old, before) if old and before else None, Outline(new, after)
        met = self._met(tx, scope, pair, differ, _stored(tx))
        return Comparison(old, new, differ, met, owners)

    def standing(self, tx: Tx, scope: Scope, digest: str) -> tuple[Duty, ...]:
        """Who has to sign it before it may follow the one in force, and who has: to be looked at (`outlines`).

        Errors: `NotFound`, `Conflict` (`release_damaged`), `Invalid` (`bundle`)."""
        pointer = tx.releases.pointer()
        old = self.outlines.of(tx, pointer.digest) if pointer else None
        new = self.outlines.of(tx, digest)
        return self._met(
            tx, scope, (old, new), self.outlines.changes(old, new), lambda seen: self.outlines.find(tx, seen)
        )

    def _met(
        self,
        tx: Tx,
        scope: Scope,
        pair: tuple[Outline | None, Outline],
        differ: Changes,
        look: Callable[[str], Outline | None],
    ) -> tuple[Duty, ...]:
        old, new = pair
        before = old.bundle if old else None
        needed = duties(differ, before, new.bundle, self._owners(before or new.bundle))
        genuine = self.genuine(tx, new.release.digest)
        given = [(s.duty, s.subject) for s in genuine if self.signing.covers(s, old, new.bundle, look)]
        is_member, same = self.membership(scope), self.sameness(scope)
        return fulfilled(needed, given, author=new.release.created_by, is_member=is_member, may_be_same=same)

    def sign(self, by: Principal, ref: str, reason: str, duty: str | None = None) -> Json:
        """Signs what the release changes, for each duty that `by` has, or for `duty` only.

        Errors: `Denied` (`own_release`, `not_a_signer`), `Conflict` (`already_signed`, `revoked`), `NotFound`."""
        said = self.said(by, reason, "reason")

        def work(tx: Tx) -> Json:
            release = resolve(tx, ref)
            self._check_signer(by, release)
            wanted = self._duties_for(tx, by, release, duty)
            made = [self.signing.made(tx, release, each.name, by, said) for each in wanted]
            signed = [signature.duty for signature in made if tx.releases.sign(signature)]
            if not signed:
                raise Conflict("You have signed this release already.", code="already_signed")
            tx.audit.append(
                [Event("release.signed", {"release": release.digest, "duties": signed, "by": by.name, "reason": said})]
            )
            left = self.compare(tx, by.scope, release).missing
            return {"digest": release.digest, "signed": signed, "missing": [duty.as_json() for duty in left]}

        return self.store.write(by.scope, work)

    def _duties_for(self, tx: Tx, by: Principal, release: Release, duty: str | None) -> list[Duty]:
        is_member = self.membership(by.scope)
        needed = self.compare(tx, by.scope, release).duties
        mine = [d for d in needed if d.group and is_member(by.subject, d.group) and duty in (None, d.name)]
        if not mine:
            groups = ", ".join(sorted({f"{d.name} (group {d.group or 'nobody'})" for d in needed})) or "nothing"
            raise Denied(
                f"{by.name} has no duty to sign here.", code="not_a_signer", remedy=f"What is to be signed: {groups}."
            )
        return mine

    def duties_of(self, by: Principal, compared: Comparison) -> tuple[str, ...]:
        """The duties that `by` could sign for, as a member of their groups now."""
        is_member = self.membership(by.scope)
        return tuple(duty.name for duty in compared.duties if duty.group and is_member(by.subject, duty.group))

    def genuine(self, tx: Tx, digest: str) -> list[Signature]:
        """The signatures whose envelopes are signed and say what their rows say."""
        return self.signing.genuine(tx.releases.signatures(digest), digest)

    def _check_signer(self, by: Principal, release: Release) -> None:
        if by.kind != "user":
            raise Denied("Only people sign releases.", code="not_a_person", remedy="Sign with a person's key.")
        if by.may_be((release.created_by,)):
            raise Denied(
                "The author's own signature does not count.", code="own_release", remedy="Somebody else has to sign."
            )
        if release.revoked_at is not None:
            raise Conflict("The release is revoked.", code="revoked", remedy="Sign another one.")

    def revoke(self, by: Principal, ref: str, reason: str) -> Json:
        """Never again promoted or rolled back to. What is in force stays so: roll back first.

        Errors: `Denied`, `Conflict` (`in_force`, `revoked`), `NotFound`."""
        said = self.said(by, reason, "reason")

        def work(tx: Tx) -> Json:
            release = resolve(tx, ref)
            self.require_owner(tx, by, "revoke a release", "policy", "incident")
            pointer = tx.releases.pointer()
            if pointer is not None and release.digest in (pointer.digest, pointer.canary):
                raise Conflict(
                    "The release is in force here.", code="in_force", remedy="First: clearway release rollback."
                )
            if not tx.releases.revoke(release.digest, tx.now, by.subject, said):
                raise Conflict("The release is revoked already.", code="revoked")
            tx.audit.append([Event("release.revoked", {"release": release.digest, "by": by.name, "reason": said})])
            return line(found(tx, release.digest))

        return self.store.write(by.scope, work)

    def reinstate(self, by: Principal, ref: str, reason: str) -> Json:
        """One of the two people whom it takes to have a revoked release back. Errors: `Denied`, `Conflict`."""
        said = self.said(by, reason, "reason")

        def work(tx: Tx) -> Json:
            release = resolve(tx, ref)
            self.require_owner(tx, by, "reinstate a release", "policy", "incident")
            if release.revoked_at is None:
                raise Conflict("The release is not revoked.", code="not_revoked")
            # INVARIANT: whoever asked counts only while they have the right: it is asked again when it is decided.
            owns = self._owns(tx, "policy", "incident")
            earlier = still_held(release.reinstate_votes, by.scope, self.directory.find, owns)
            if by.kind != "user" or by.may_be(people(earlier)):
                raise Conflict("A second person has to reinstate it too.", code="already_voted")
            votes = (*earlier, vote_of(by))
            done = len(votes) >= NEEDED
            tx.releases.reinstate(release.digest, votes, done=done)
            kind = "release.reinstated" if done else "release.reinstate_asked"
            tx.audit.append([Event(kind, {"release": release.digest, "by": by.name, "reason": said})])
            return line(found(tx, release.digest))

        return self.store.write(by.scope, work)

    def require_owner(self, tx: Tx, by: Principal, act: str, *duties: str) -> None:
        """`by` belongs to a group that owns something; with `duties`, one of these. Errors: `Denied`."""
        groups = self._groups(tx, *duties)
        if not self._is_in(by, groups):
            needed = " or ".join(sorted(groups)) or "nobody: ownership.toml names no owner"
            raise Denied(f"{by.name} may not {act} here.", code="not_an_owner", remedy=f"This is for {needed}.")

    def seems_owner(self, tx: Tx, by: Principal, *duties: str) -> bool:
        """As `require_owner`, to be looked at (`outlines`)."""
        pointer = tx.releases.pointer()
        bundle = self.outlines.of(tx, pointer.digest).bundle if pointer else None
        return self._is_in(by, owning(self._owners(bundle), *duties))

    def _groups(self, tx: Tx, *duties: str) -> frozenset[str]:
        pointer = tx.releases.pointer()
        return owning(self._owners(read(found(tx, pointer.digest)) if pointer else None), *duties)

    def _owns(self, tx: Tx, *duties: str) -> Callable[[Principal], bool]:
        """Whether somebody belongs now to a group with one of these duties."""
        groups = self._groups(tx, *duties)
        return lambda one: self._is_in(one, groups)

    def _is_in(self, by: Principal, groups: Collection[str]) -> bool:
        is_member = self.membership(by.scope)
        return any(is_member(by.subject, group) for group in groups)

    def incident_group(self, tx: Tx, digest: str) -> str | None:
        """The incident owner's group, as the release says. Errors: `NotFound`, `Conflict` (`release_damaged`)."""
        return self._owners(read(found(tx, digest))).incident

    def _owners(self, bundle: Bundle | None) -> Owners:
        """As the release in force says; without one, as the project does."""
        files = bundle.files if bundle else self.project.files
        return owners_of(files.get(OWNERSHIP_FILE, ""))

    def membership(self, scope: Scope) -> Callable[[str, str], bool]:
        """`is_member(subject, group)`: whether a person belongs to a group now, by whatever login."""

        def is_member(subject: str, group: str) -> bool:
            for name in self.directory.members(group, scope):
                one = self.directory.find(name, scope)
                if one is not None and one.subject == subject:
                    return True
            return False

        return is_member

    def sameness(self, scope: Scope) -> Callable[[str, str], bool]:
        """`may_be_same(subject, subject)`: whether two may be one person, by whatever login."""

        def may_be(one: str, two: str) -> bool:
            found = self.directory.find(one, scope)
            return found is not None and found.may_be((two,))

        return lambda one, two: one == two or may_be(one, two) or may_be(two, one)


def _stored(tx: Tx) -> Callable[[str], Outline | None]:
    def look(digest: str) -> Outline | None:
        release = tx.releases.get(digest)
        return whole(release) if release else None

    return look


def owning(owners: Owners, *duties: str) -> frozenset[str]:
    """The groups with these duties; with any, where none is named."""
    named = {"policy": owners.policy, "routing": owners.routing, "incident": owners.incident}
    if duties:
        return frozenset(group for duty in duties if (group := named[duty]))
    skills = (owners.skill_approvers or {}).values()
    return frozenset(group for group in (*named.values(), owners.skill_approver, *skills) if group)
