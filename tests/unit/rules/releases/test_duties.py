"""Who has to sign which change."""

from collections.abc import Callable
from operator import eq

from clearway.model.release import Bundle
from clearway.rules.releases.changes import changes
from clearway.rules.releases.duties import Duty, Owners, duties, fulfilled

OWNERS = Owners(
    policy="finance", routing="desk", incident="ops", skill_approver="leads", skill_approvers={"pay": "cfo"}
)


def tool(impact: str, digest: str = "d1") -> dict[str, object]:
    return {"digest": digest, "impact": impact, "irreversible": False, "owner": "", "description": "", "schema": {}}


def skill(*tools: str, **more: object) -> dict[str, object]:
    kept = {"description": "", "examples": [], "keywords": [], "owner": "", "file": "skills/pay.py", "max_steps": 5}
    return {**kept, "tools": list(tools), **more}


def bundle(**parts: object) -> Bundle:
    whole: dict[str, object] = {
        "files": {"policies/a.cedar": "x", "prompts/pay.md": "Be kind.", "ownership.toml": "o"},
        "settings": {"limits": {"system": {"count": 5}}, "routing": {"threshold": 0.5}},
        "tools": {"refund": tool("external"), "look": tool("read")},
        "skills": {"pay": skill("refund", prompt="pay"), "find": skill("look", file="skills/find.py")},
        "code": {"skills/pay.py": "0" * 64, "skills/find.py": "1" * 64, "shared.py": "2" * 64},
    }
    return Bundle("desk", **{**whole, **parts})  # pyright: ignore[reportArgumentType]


def needed(new: Bundle, old: Bundle | None = None) -> dict[str, str | None]:
    before = old or bundle()
    return {duty.name: duty.group for duty in duties(changes(before, new), before, new, OWNERS)}


def test_nothing_changed_means_nothing_to_sign() -> None:
    assert needed(bundle()) == {}


def test_a_policy_is_the_policy_owners() -> None:
    assert needed(bundle(files={**bundle().files, "policies/a.cedar": "y"})) == {"policy": "finance"}
    assert needed(bundle(files={**bundle().files, "policies/new.cedar": "y"})) == {"policy": "finance"}


def test_a_limit_is_the_policy_owners_and_a_threshold_the_routing_owners() -> None:
    assert needed(bundle(settings={**bundle().settings, "limits": {"system": {"count": 500}}})) == {"policy": "finance"}
    assert needed(bundle(settings={**bundle().settings, "routing": {"threshold": 0.1}})) == {"routing": "desk"}
    assert needed(bundle(settings={**bundle().settings, "whatever": {"new": 1}})) == {"policy": "finance"}


def test_a_prompt_of_a_high_risk_skill_is_its_approvers() -> None:
    assert needed(bundle(files={**bundle().files, "prompts/pay.md": "Pay."})) == {"skill:pay": "cfo"}


def test_a_prompt_that_no_skill_names_is_everybodys_who_approves_high_risk_skills() -> None:
    assert needed(bundle(files={**bundle().files, "prompts/stray.md": "Pay."})) == {"skill:pay": "cfo"}


def test_the_code_of_a_harmless_skill_needs_no_signature_and_shared_code_does() -> None:
    assert needed(bundle(code={**bundle().code, "skills/find.py": "9" * 64})) == {}
    assert needed(bundle(code={**bundle().code, "skills/pay.py": "9" * 64})) == {"skill:pay": "cfo"}
    assert needed(bundle(code={**bundle().code, "shared.py": "9" * 64})) == {"skill:pay": "cfo"}


def test_a_tool_is_the_policy_owners_and_that_of_the_high_risk_skills_with_it() -> None:
    weaker = bundle(tools={**bundle().tools, "refund": tool("read")})
    assert needed(weaker) == {"policy": "finance", "skill:pay": "cfo"}, "as it was, it was high risk"


def test_examples_move_routes_and_more_steps_move_the_skill() -> None:
    skills = bundle().skills
    assert needed(bundle(skills={**skills, "pay": {**skills["pay"], "examples": ["pay it"]}})) == {"routing": "desk"}
    assert needed(bundle(skills={**skills, "pay": {**skills["pay"], "max_steps": 50}})) == {"skill:pay": "cfo"}
    assert needed(bundle(skills={**skills, "new": skill("refund")})) == {"routing": "desk", "skill:new": "leads"}


def test_ownership_is_two_peoples() -> None:
    assert needed(bundle(files={**bundle().files, "ownership.toml": "p"})) == {"policy": "finance", "incident": "ops"}


def everybody(subject: str, group: str) -> bool:
    return True


def test_the_author_counts_for_nothing_and_one_person_not_twice_for_ownership() -> None:
    wanted = [Duty("incident", "ops", ()), Duty("policy", "finance", ())]

    def met(*signed: tuple[str, str], same: Callable[[str, str], bool] = eq) -> dict[str, str | None]:
        found = fulfilled(wanted, signed, author="user:eve", is_member=everybody, may_be_same=same)
        return {duty.name: duty.signed_by for duty in found}

    def one_person(one: str, two: str) -> bool:
        return one.replace("oidc.", "") == two.replace("oidc.", "")

    assert met(("policy", "user:eve"), ("incident", "user:eve")) == {"policy": None, "incident": None}
    assert met(("policy", "user:amy"), ("incident", "user:amy")) == {"policy": "user:amy", "incident": None}
    both = ("policy", "user:amy"), ("incident", "user:amy"), ("policy", "user:bob")
    assert met(*both) == {"policy": "user:bob", "incident": "user:amy"}
    logins = ("policy", "user:amy"), ("incident", "user:oidc.amy")
    assert met(*logins) == {"policy": "user:amy", "incident": "user:oidc.amy"}
    assert met(*logins, same=one_person) == {"policy": "user:amy", "incident": None}
    assert met(("policy", "user:oidc.eve"), same=one_person) == {"policy": None, "incident": None}


def test_who_left_the_group_has_signed_for_nothing() -> None:
    left = fulfilled(
        [Duty("policy", "finance", ())],
        [("policy", "user:amy")],
        author="user:eve",
        is_member=lambda who, group: False,
        may_be_same=eq,
    )
    assert left[0].signed_by is None


def test_a_duty_that_nobody_owns_stays_open() -> None:
    signed = [("policy", "user:amy")]
    found = fulfilled([Duty("policy", None, ())], signed, author="user:eve", is_member=everybody, may_be_same=eq)
    assert found[0].signed_by is None
