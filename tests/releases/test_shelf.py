"""Cutting, comparing, signing and revoking releases, on both databases."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from clearway.model.errors import Conflict, Denied, Invalid, NotFound
from clearway.model.identity import Principal, Scope
from clearway.operate.releases.rollout import Rollout
from clearway.project.directory import ProjectDirectory
from tests.releases.conftest import PROD, House


def test_the_same_project_is_the_same_release_byte_for_byte(house: House) -> None:
    first = house.shelf.cut(house.who("dana"), "first")
    again = house.shelf.cut(house.who("sam"), "again")
    assert (first["new"], again["new"]) == (True, False)
    assert first["digest"] == again["digest"]
    assert again["created_by"] == "user:dana"
    whole = house.shelf.export(PROD, first["digest"])
    assert house.shelf.take_in(house.who("sam"), whole, "from another machine")["digest"] == first["digest"]


def test_a_change_of_a_policy_a_prompt_or_the_code_is_another_release(house: House) -> None:
    seen = {house.cut()}
    house.edit("policies/desk.cedar", lambda text: text + "\n// a comment counts: it is what people review\n")
    seen.add(house.cut())
    house.edit("prompts/refund.md", lambda _: "Be kind.")
    seen.add(house.cut())
    tool = next(house.folder.glob("tools/*.py")).relative_to(house.folder).as_posix()
    house.edit(tool, lambda text: text + "\n# changed\n")
    seen.add(house.cut())
    assert len(seen) == 4


def test_people_and_the_place_of_the_store_are_no_part_of_a_release(house: House) -> None:
    before = house.cut()
    house.edit("clearway.toml", lambda text: text.replace(".clearway/clearway.db", ".clearway/other.db"))
    house.edit("clearway.toml", lambda text: text + '\n[users.nina]\ntenant = "acme"\n')
    assert house.cut() == before


def test_only_owners_cut(house: House) -> None:
    house.edit("clearway.toml", lambda text: text + '\n[users.nina]\ntenant = "acme"\n')
    with pytest.raises(Denied) as denied:
        house.cut("nina")
    assert denied.value.code == "not_an_owner"


def test_a_release_is_named_by_eight_digits_and_never_by_a_guess(house: House) -> None:
    digest = house.cut()
    assert house.shelf.show(PROD, digest[7:15])["digest"] == digest
    assert house.shelf.show(PROD, digest)["digest"] == digest
    with pytest.raises(NotFound):
        house.shelf.show(PROD, "0" * 12)
    for malformed in ("", "abc", "../../etc", "%", "sha256:", "SHA256:ABCDEF01", "________"):
        with pytest.raises(Invalid):
            house.shelf.show(PROD, malformed)


def test_what_has_to_be_signed_follows_from_what_changed(house: House) -> None:
    first = house.cut()
    house.sign_all(first)
    house.rollout.promote(house.who("olga"), first, "the first")
    house.edit("policies/desk.cedar", lambda text: text + "\n// wider\n")
    duties = {d["duty"]: d["group"] for d in house.shelf.show(PROD, house.cut())["duties"]}
    assert duties == {"policy": "finance"}
    house.edit("ownership.toml", lambda text: text.replace('policy = "finance"', 'policy = "desk"'))
    duties = {d["duty"]: d["group"] for d in house.shelf.show(PROD, house.cut())["duties"]}
    assert duties == {"policy": "finance", "incident": "operations"}, "as the release in force says, not the new one"


def test_the_authors_own_signature_never_counts(house: House) -> None:
    digest = house.cut("amir")
    with pytest.raises(Denied) as denied:
        house.shelf.sign(house.who("amir"), digest, "mine")
    assert denied.value.code == "own_release"
    with pytest.raises(Denied) as denied:  # a login that may be the author's
        house.shelf.sign(replace(house.who("bo"), kin=frozenset({"user:amir"})), digest, "mine too")
    assert denied.value.code == "own_release"


def test_who_has_no_duty_signs_nothing_and_nobody_signs_twice(house: House) -> None:
    first = house.cut()
    house.sign_all(first)
    house.rollout.promote(house.who("olga"), first, "the first")
    house.edit("policies/desk.cedar", lambda text: text + "\n// wider\n")
    digest = house.cut()
    with pytest.raises(Denied) as denied:
        house.shelf.sign(house.who("sam"), digest, "looks good")
    assert denied.value.code == "not_a_signer"
    assert house.shelf.sign(house.who("bo"), digest, "looks good")["missing"] == []
    with pytest.raises(Conflict) as conflict:
        house.shelf.sign(house.who("bo"), digest, "again")
    assert conflict.value.code == "already_signed"


def test_t45_a_change_of_ownership_takes_two_different_people(house: House) -> None:
    first = house.cut()
    house.sign_all(first)
    house.rollout.promote(house.who("olga"), first, "the first")
    house.edit("ownership.toml", lambda text: text + "\n# edited\n")
    digest = house.cut()
    left = house.shelf.sign(house.who("amir"), digest, "amir is of finance and of operations")["missing"]
    assert len(left) == 1, "one person does not stand for two duties here"
    assert house.shelf.sign(house.who("olga"), digest, "the second")["missing"] == []


def test_t45_nor_do_two_logins_that_may_be_one_persons_make_two_people(house: House) -> None:
    class OfOnePerson(ProjectDirectory):
        def find(self, name: str, scope: Scope) -> Principal | None:
            found = super().find(name, scope)
            return replace(found, kin=frozenset({"user:bo"})) if found and name == "user:olga" else found

    first = house.cut()
    house.sign_all(first)
    house.rollout.promote(house.who("olga"), first, "the first")
    house.edit("ownership.toml", lambda text: text + "\n# edited\n")
    digest = house.cut()
    house.shelf.sign(house.who("olga"), digest, "for operations")
    assert house.shelf.sign(house.who("bo"), digest, "for finance")["missing"] == []
    shelf = replace(house.shelf, directory=OfOnePerson(house.project, watched=False))
    assert [duty["signed_by"] for duty in shelf.show(PROD, digest)["duties"]].count(None) == 1
    shelf.sign(house.who("amir"), digest, "of both")
    assert all(duty["signed_by"] for duty in shelf.show(PROD, digest)["duties"])


def test_a_signature_that_was_put_into_the_table_counts_for_nothing(house: House, tampering_engine: Engine) -> None:
    first = house.cut()
    house.sign_all(first)
    house.rollout.promote(house.who("olga"), first, "the first")
    house.edit("policies/desk.cedar", lambda text: text + "\n// wider\n")
    digest = house.cut()
    house.shelf.sign(house.who("bo"), digest, "looks good")
    house.edit("policies/desk.cedar", lambda text: text + "\n// wider still\n")
    other = house.cut()
    schema = "clearway." if tampering_engine.dialect.name == "postgresql" else ""
    with tampering_engine.begin() as connection:
        connection.execute(
            text(f"UPDATE {schema}release_signatures SET digest = :new WHERE digest = :old"),
            {"new": other, "old": digest},
        )
    assert [d["signed_by"] for d in house.shelf.show(PROD, other)["duties"]] == [None]


def test_what_a_page_has_kept_of_a_bundle_is_for_looking_only(house: House, tampering_engine: Engine) -> None:
    """A page may show what a release said when it was read; whatever moves something reads the stored bytes again."""
    first = house.cut()
    house.sign_all(first)
    house.rollout.promote(house.who("olga"), first, "the first")
    house.edit("policies/desk.cedar", lambda text: text + "\n// wider\n")
    second = house.cut()
    shelf = house.shelf

    def shown() -> list[tuple[str, str | None]]:
        duties = house.store.read(PROD, lambda tx: shelf.standing(tx, PROD, second))
        return [(duty.name, duty.signed_by) for duty in duties]

    assert shown() == [("policy", None)]
    shelf.sign(house.who("bo"), second, "looked at it")
    assert [name for name, by in shown() if by] == ["policy"], "who has signed is never kept"
    kept = house.store.read(PROD, lambda tx: shelf.outlines.of(tx, second))
    assert (kept.release.bundle, "artefact" in kept.bundle.router) == ("", False), "without the megabytes"
    schema = "clearway." if tampering_engine.dialect.name == "postgresql" else ""
    with tampering_engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema}releases SET bundle = replace(bundle, 'wider', 'water')"))
    assert [name for name, by in shown() if by] == ["policy"]
    with pytest.raises(Conflict) as conflict:
        Rollout(house.store, shelf, frozenset({"dev"})).promote(house.who("olga"), second, "it is signed")
    assert conflict.value.code == "release_damaged"


def test_a_bundle_that_was_changed_in_the_store_is_refused(house: House, tampering_engine: Engine) -> None:
    digest = house.cut()
    schema = "clearway." if tampering_engine.dialect.name == "postgresql" else ""
    with tampering_engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema}releases SET bundle = replace(bundle, '10000', '99999')"))
        connection.execute(text(f"UPDATE {schema}releases SET bundle = replace(bundle, 'support', 'trainee')"))
    with pytest.raises(Conflict) as conflict:
        house.shelf.show(PROD, digest)
    assert conflict.value.code == "release_damaged"


@pytest.mark.parametrize(
    "path",
    ["../x", "policies/../../etc/passwd", "/etc/passwd", "policies/a\\b", "policies//x", "prompts/", "x.cedar", "C:/x"],
)
def test_t30_a_bundle_with_a_path_that_leads_elsewhere_is_refused(house: House, path: str) -> None:
    whole = json.loads(house.shelf.export(PROD, house.cut()))
    whole["files"][path] = "x"
    bad = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    with pytest.raises(Invalid) as invalid:
        house.shelf.take_in(house.who("dana"), bad, "from somewhere")
    assert invalid.value.code == "bundle"


def test_t30_bytes_that_are_no_bundle_are_refused(house: House) -> None:
    whole = house.shelf.export(PROD, house.cut())
    for bad in (b"", b"{}", b"[]", whole[:-1], whole + b" ", b"PK\x03\x04" + whole, whole.replace(b"v1", b"v9", 1)):
        with pytest.raises(Invalid) as invalid:
            house.shelf.take_in(house.who("dana"), bad, "from somewhere")
        assert invalid.value.code == "bundle"


def test_a_revoked_release_takes_two_people_to_have_back(house: House) -> None:
    digest = house.cut()
    house.shelf.revoke(house.who("bo"), digest, "leaks")
    with pytest.raises(Conflict):
        house.rollout.promote(house.who("olga"), digest, "all the same")
    house.shelf.reinstate(house.who("bo"), digest, "it was another one")
    with pytest.raises(Conflict):
        house.shelf.reinstate(house.who("bo"), digest, "again me")
    with pytest.raises(Conflict, match="second person"):
        house.shelf.reinstate(replace(house.who("olga"), kin=frozenset({"user:bo"})), digest, "me, as olga")
    assert house.shelf.show(PROD, digest)["revoked"] is not None
    house.shelf.reinstate(house.who("olga"), digest, "indeed")
    assert house.shelf.show(PROD, digest)["revoked"] is None


def policy_duty(house: House, digest: str) -> dict[str, Any]:
    (found,) = [duty for duty in house.shelf.show(PROD, digest)["duties"] if duty["duty"] == "policy"]
    return found


def test_a_signature_counts_for_what_was_in_force_when_it_was_given_and_can_be_given_again(house: House) -> None:
    """Else a policy that was signed while it changed nothing would undo a tightening of afterwards, unseen."""
    lax = house.cut()
    house.sign_all(lax)
    house.rollout.promote(house.who("olga"), lax, "the first")
    house.edit("policies/desk.cedar", lambda text: text + "\n// a remark\n")
    signed = house.cut()
    house.shelf.sign(house.who("bo"), signed, "a remark only")
    assert policy_duty(house, signed)["signed_by"] == house.who("bo").subject
    house.edit("policies/desk.cedar", lambda text: text + "\nforbid (principal, action, resource);\n")
    strict = house.cut()
    house.shelf.sign(house.who("bo"), strict, "stop all")
    house.rollout.promote(house.who("olga"), strict, "an incident")
    assert policy_duty(house, signed)["signed_by"] is None, "nobody has signed that the forbid goes"
    with pytest.raises(Conflict) as unsigned:
        house.rollout.promote(house.who("olga"), signed, "as signed")
    assert unsigned.value.code == "unsigned"
    assert house.shelf.sign(house.who("bo"), signed, "the incident is over")["missing"] == []
    house.rollout.promote(house.who("olga"), signed, "as signed")


def test_a_signature_still_counts_where_all_that_calls_for_it_was_there_to_be_seen(house: House) -> None:
    first = house.cut()
    house.sign_all(first)
    house.rollout.promote(house.who("olga"), first, "the first")
    house.edit("policies/desk.cedar", lambda text: text + "\n// a remark\n")
    policy = house.cut()
    house.shelf.sign(house.who("bo"), policy, "a remark only")
    house.edit("policies/desk.cedar", lambda text: text.replace("\n// a remark\n", ""))
    house.edit("routes/words.txt", lambda text: text + "other words\n")
    routes = house.cut()
    house.sign_all(routes)
    house.rollout.promote(house.who("olga"), routes, "other words")
    assert policy_duty(house, policy)["signed_by"] == house.who("bo").subject
