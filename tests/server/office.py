"""An office that owns releases: a project with owners, and what its people do at the command line."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from clearway.app import Clearway
from clearway.model.identity import Principal, Scope
from clearway.rules.releases import bundles
from tests.server.site import FILES, write_project

ACME = Scope("acme", "prod")
OWNERS = """\
[groups.finance]
members = ["amir", "bo", "olga"]
[groups.operations]
members = ["olga", "amir"]
[groups.desk]
members = ["dana", "bo"]
[owners]
routing = "desk"
policy = "finance"
incident = "operations"
skill_approver = "finance"
"""
POLICIES = FILES["policies/main.cedar"]
#: Lets small refunds be larger, and asks nobody for the large ones any more.
WIDER = POLICIES.replace("<= 5000 };", "<= 9000 };").replace("> 5000 &&", "> 9000 &&")
NARROWER = POLICIES.replace("<= 5000 };", "<= 1000 };").replace("> 5000 &&", "> 1000 &&")


def write_owned(folder: Path) -> Path:
    """The project of `tests.server.site`, owned, with a prompt."""
    return write_project(folder, **{"ownership.toml": OWNERS, "prompts/desk.md": "Be brief.\nNever promise a date.\n"})


class Office:
    """What people do at the command line, before somebody looks at a page."""

    def __init__(self, app: Clearway) -> None:
        self.app = app

    def who(self, name: str) -> Principal:
        found = self.app.directory.find(f"user:{name}", ACME)
        assert found is not None
        return found

    def cut(self, note: str, by: str = "dana", **files: str) -> str:
        """A release of the project; with `files`, of the project with these in the place of its own."""
        digest = str(self.app.shelf.cut(self.who("dana"), "the project as it is")["digest"])
        bundle = bundles.read(self.app.shelf.export(ACME, digest))
        whole = bundles.write(replace(bundle, files={**bundle.files, **files}))
        return str(self.app.shelf.take_in(self.who(by), whole, note)["digest"])

    def sign(self, digest: str) -> None:
        for name in ("amir", "bo", "olga"):
            missing = [duty for duty in self.app.shelf.show(ACME, digest)["duties"] if not duty["signed_by"]]
            mine = [duty for duty in missing if f"user:{name}" in self.app.directory.members(duty["group"], ACME)]
            if mine:
                self.app.shelf.sign(self.who(name), digest, "looked at it")
        assert all(duty["signed_by"] for duty in self.app.shelf.show(ACME, digest)["duties"])

    def promote(self, digest: str, reason: str = "as agreed") -> str:
        self.sign(digest)
        self.app.rollout.promote(self.who("olga"), digest, reason)
        return digest

    def begin(self) -> str:
        """The project itself in force."""
        digest = str(self.app.shelf.cut(self.who("dana"), "the first release")["digest"])
        return self.promote(digest, "to begin")

    @property
    def status(self) -> dict[str, Any]:
        return self.app.rollout.status(ACME)


def wider(office: Office, note: str = "refunds up to 90 dollars without approval", **more: str) -> str:
    prompt = "Be brief.\nPromise nothing.\nSay thanks.\n"
    return office.cut(note, **{"policies/main.cedar": WIDER, "prompts/desk.md": prompt, **more})


def narrower(office: Office, note: str = "refunds above 10 dollars are asked for") -> str:
    return office.cut(note, **{"policies/main.cedar": NARROWER})


def path_of(digest: str, *more: str) -> str:
    return "/".join(["/releases", digest.removeprefix("sha256:"), *more])
