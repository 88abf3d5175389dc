"""Tokens, the values behind them, and how these go: resolving, revealing, erasing, keeping for a time, rotating."""

import re
from typing import Annotated, Any

import pytest

from clearway import Run, Sensitive, ToolContext, skill, tool
from clearway.model.errors import Conflict, Denied, Erased, Invalid, NotFound
from clearway.model.identity import Scope
from clearway.project.privacy import PrivacyRules, PrivacySettings, RetentionSettings
from tests.flow.desk import AnySkill, AnyTool, errand_skill
from tests.road import PEOPLE, SCOPE, Json, Road, Roads, allow, hold, user

JANE, CARD, MAIL = "Jane Quillfeather", "4111 1111 1111 1111", "jane.q@example.com"
RIGHTS = PrivacySettings(PrivacyRules(reveal={"finance": ("CARD",), "privacy_officer": ("*",)}))
STAFF = (
    *PEOPLE,
    user("petra", roles=("support", "privacy_officer")),
    user("rudi", tenant="rival", roles=("support", "privacy_officer")),
    user("sysop", roles=("system_operator",)),
)
DAY = 86_400.0


def token_in(text: object, kind: str) -> str:
    found = re.search(rf"<{kind}:1[a-z2-7]{{16}}>", str(text))
    assert found, text
    return found[0]


def read_customer(remote: Any, **options: Any) -> AnyTool:
    @tool(impact="read", subject="customer_id", **options)
    async def customer(ctx: ToolContext, customer_id: str) -> Json:
        remote.calls.append(("customer", customer_id))
        return {"name": JANE, "card_number": CARD, "email": MAIL}

    return customer


def charge_tool(remote: Any) -> AnyTool:
    @tool(impact="external", receives_raw=["body"])
    async def charge(
        ctx: ToolContext, card: Annotated[str, Sensitive()], body: str = "", note: str = "", account_number: int = 0
    ) -> Json:
        remote.calls.append(("charge", {"card": card, "body": body, "note": note, "account_number": account_number}))
        return {"charged": card}

    return charge


def about_skill(**options: Any) -> AnySkill:
    @skill(name="about", tools=["customer"], subject="customer_id", **options)
    async def about(run: Run, customer_id: str, note: str = "") -> Json:
        return await run.call("customer", customer_id=customer_id)

    return about


def build(roads: Roads, *, skills: list[AnySkill] | None = None, **options: Any) -> Road:
    remote = roads.remote
    return roads.build(
        tools=[read_customer(remote), charge_tool(remote)],
        skills=[about_skill(), errand_skill("customer", "charge"), *(skills or [])],
        policy={"customer": allow(), "charge": allow()},
        people=STAFF,
        privacy=RIGHTS,
        **options,
    )


def about_jane(road: Road, subject: str = "cus_1") -> str:
    run_id = road.start("dana", "about", customer_id=subject)
    road.work()
    assert road.status(run_id) == "done"
    return run_id


def plan(road: Road, *calls: list[Any], by: str = "dana") -> tuple[str, list[str]]:
    """Runs the calls as an errand; (run, how each ended)."""
    run_id = road.start(by, "errand", plan=list(calls))
    road.work()
    return run_id, road.as_user(by).result(run_id)


def opened(road: Road, kind: str = "vault.opened") -> list[Json]:
    events = road.app.store.read(SCOPE, lambda tx: tx.audit.read())
    return [event.payload or {} for event in events if event.kind == kind]


# --- Tokens back to values -----------------------------------------------------------------------------------------


def test_a_token_of_the_run_becomes_its_value_in_the_fields_of_tools_that_need_it_and_nowhere_else(
    roads: Roads,
) -> None:
    tokens: Json = {}

    @skill(tools=["customer", "charge"])
    async def as_a_model_would(run: Run) -> None:
        """It has seen tokens only, and hands them back."""
        shown = tokens["shown"]
        await run.call("customer", customer_id="cus_1")
        await run.call("charge", card=shown["card_number"], body=f"Dear {shown['name']}", note=f"for {shown['name']}")

    road = build(roads, skills=[as_a_model_would])
    tokens["shown"] = road.step(about_jane(road)).shown_result
    run_id = road.start("dana", "as_a_model_would")
    road.work()
    assert road.status(run_id) == "done"
    sent = next(arguments for tool, arguments in road.remote.calls if tool == "charge")
    assert sent["card"] == "4111111111111111"  # the canonical form, which the token is made of
    assert sent["body"] == f"Dear {JANE}"
    assert sent["note"] == f"for {tokens['shown']['name']}"
    shown = road.step(run_id, "s2").shown_arguments
    assert shown is not None
    assert shown["card"] == tokens["shown"]["card_number"]
    assert shown["body"] == f"Dear {tokens['shown']['name']}"
    assert not opened(road), "the run's own tokens need nobody's right"


def test_a_token_of_another_run_is_opened_by_right_of_the_run_s_user_and_that_is_recorded(roads: Roads) -> None:
    road = build(roads)
    token = token_in(road.step(about_jane(road)).shown_result, "CARD")
    _, endings = plan(road, ["charge", {"card": token}])
    assert endings == ["token_denied"]
    assert not opened(road)
    run_id, endings = plan(road, ["charge", {"card": token}], by="petra")
    assert endings == ["done"]
    (event,) = opened(road)
    assert (event["token"], event["type"], event["by"], event["for"]) == (token, "CARD", "user:petra", "charge")
    assert CARD.replace(" ", "") not in str(road.record(run_id))
    assert road.remote.calls[-1][1]["card"] == CARD.replace(" ", "")


def test_a_token_that_waits_for_approval_is_opened_and_recorded_once(roads: Roads) -> None:
    road = build(roads)
    token = token_in(road.step(about_jane(road)).shown_result, "CARD")
    road.rules.set("charge", hold())
    run_id = road.start("petra", "errand", plan=[["charge", {"card": token}]])
    road.work()
    road.vote("amir")
    road.work()
    assert road.status(run_id) == "done"
    assert road.remote.calls[-1][1]["card"] == CARD.replace(" ", "")
    assert len(opened(road)) == 1


def test_an_editor_who_sees_tokens_keeps_them_and_the_tool_gets_the_values(roads: Roads) -> None:
    road = build(roads)
    road.rules.set("charge", hold())
    run_id = road.start("dana", "errand", plan=[["charge", {"card": CARD, "note": "all of it"}]])
    road.work()
    shown = road.approvals_of(run_id)[0].presented["arguments"]
    road.edit("amir", **{**shown, "note": "half of it"})
    road.work()
    road.vote("bo")
    road.work()
    assert road.status(run_id) == "done"
    assert road.remote.calls[-1][1] | {"body": ""} == {
        "card": CARD.replace(" ", ""),
        "body": "",
        "note": "half of it",
        "account_number": 0,
    }
    assert not opened(road)


@pytest.mark.parametrize("token", ["<CARD:1aaaaaaaaaaaaaaaa>", "<CARD:1aaaaaaaaaaaaaaaa> and more"])
def test_what_only_looks_like_a_token_is_refused_where_a_value_is_needed(roads: Roads, token: str) -> None:
    road = build(roads)
    _, endings = plan(road, ["charge", {"card": token}], by="petra")
    assert endings == ["token_unknown"]
    assert all(tool != "charge" for tool, _ in road.remote.calls)


def test_t20_a_token_of_another_tenant_is_unknown_and_other_tenants_have_other_tokens(roads: Roads) -> None:
    road = build(roads)
    ours = road.step(about_jane(road)).shown_result
    theirs = road.start("rudi", "about", customer_id="cus_1")
    road.work()
    rival = Scope("rival", "dev")
    row = road.app.store.read(rival, lambda tx: tx.ledger.of_run(theirs))[0]
    assert not set(re.findall(r"<[^>]+>", str(ours))) & set(re.findall(r"<[^>]+>", str(row.shown_result)))
    with pytest.raises(NotFound, match="No value is filed"):
        road.as_user("rudi").reveal(token_in(ours, "CARD"), "curious")
    _, endings = plan(road, ["charge", {"card": token_in(row.shown_result, "CARD")}], by="petra")
    assert endings == ["token_unknown"]


def test_a_token_stands_for_a_number_where_the_tool_takes_one(roads: Roads) -> None:
    booked: list[int] = []

    @tool(impact="external", sensitive=["account_number"])
    async def book(account_number: int) -> str:
        booked.append(account_number)
        return "booked"

    tokens: list[str] = []

    @skill(tools=["book"])
    async def twice(run: Run) -> None:
        await run.call("book", account_number=550066007700)
        await run.call("book", account_number=tokens[0])

    road = roads.build(tools=[book], skills=[twice, errand_skill("book")], policy={"book": allow()}, people=STAFF)
    first = road.start("dana", "errand", plan=[["book", {"account_number": 550066007700}]])
    road.work()
    shown = road.step(first).shown_arguments
    assert shown is not None
    tokens.append(shown["account_number"])
    road.start("dana", "twice")
    road.work()
    assert booked == [550066007700] * 3


# --- Revealing -----------------------------------------------------------------------------------------------------


def test_a_token_is_revealed_to_roles_that_may_with_a_record_that_holds_no_value(roads: Roads) -> None:
    road = build(roads)
    shown = road.step(about_jane(road)).shown_result
    card, mail = token_in(shown, "CARD"), token_in(shown, "EMAIL")
    with pytest.raises(Denied, match="may not open"):
        road.as_user("dana").reveal(card, "curious")
    assert road.as_user("amir").reveal(card, f"to charge {CARD}")["value"] == CARD.replace(" ", "")
    with pytest.raises(Denied):
        road.as_user("amir").reveal(mail, "to write")
    assert road.as_user("petra").reveal(mail, "asked to")["value"] == MAIL
    assert [(e["by"], e["type"]) for e in opened(road)] == [("user:amir", "CARD"), ("user:petra", "EMAIL")]
    assert [e["by"] for e in opened(road, "vault.refused")] == ["user:dana", "user:amir"]
    said = str(opened(road))
    assert card in said
    assert "1111 1111" not in said


@pytest.mark.parametrize("token", ["", "CARD", "<CARD>", "<CARD:1short>", "<card:1aaaaaaaaaaaaaaaa>"])
def test_what_is_no_token_is_not_looked_for(roads: Roads, token: str) -> None:
    with pytest.raises(Invalid, match="no token"):
        build(roads).as_user("petra").reveal(token, "why")


def test_a_reason_is_needed(roads: Roads) -> None:
    with pytest.raises(Invalid, match="reason"):
        build(roads).as_user("petra").reveal("<CARD:1aaaaaaaaaaaaaaaa>", " ")


def test_a_value_moved_to_another_token_s_row_does_not_open(roads: Roads) -> None:
    road = build(roads)
    shown = road.step(about_jane(road)).shown_result
    card, mail = token_in(shown, "CARD"), token_in(shown, "EMAIL")
    road.sql(
        "UPDATE vault SET sealed = (SELECT v.sealed FROM vault v WHERE v.token = :mail "
        "AND v.key_id = vault.key_id) WHERE token = :card",
        mail=mail,
        card=card,
    )
    with pytest.raises(Exception, match="changed, or belongs elsewhere"):
        road.as_user("petra").reveal(card, "check")


# --- Erasing -------------------------------------------------------------------------------------------------------


def values_of(road: Road, tokens: list[str]) -> list[str]:
    """What each token opens to, or why not."""
    found: list[str] = []
    for token in tokens:
        try:
            found.append(str(road.as_user("petra").reveal(token, "check")["value"]))
        except (Erased, NotFound) as error:
            found.append(error.code)
    return found


def test_an_erased_person_is_unreadable_everywhere_and_nothing_breaks(roads: Roads) -> None:
    road = build(roads)
    about = about_jane(road)
    unknown, _ = plan(road, ["charge", {"card": CARD, "note": f"for {MAIL}"}])  # nobody said whose it is
    other = about_other(road)
    shown = road.step(about).shown_result
    tokens = [token_in(shown, kind) for kind in ("CARD", "EMAIL", "PERSON")]
    petra = road.as_user("petra")
    counted = petra.erase("cus_1", "she asked", dry_run=True)
    assert values_of(road, tokens) == [CARD.replace(" ", ""), MAIL, JANE]
    done = petra.erase("cus_1", "she asked, cus_1")
    assert {**counted, "erased": True} == done
    assert done["runs"] == 2
    assert values_of(road, tokens) == ["erased"] * 3
    for run_id in (about, unknown):
        with pytest.raises(Erased):
            road.as_user("dana").result(run_id)
        row = road.run_row(run_id)
        assert row is not None
        assert (row.text, row.input, row.result) == ("", "", None)
        assert all((entry.arguments, entry.result) == (None, None) for entry in road.entries(run_id))
        assert road.record(run_id)["steps"]
        with pytest.raises(Conflict, match="Only a failed"):
            road.as_user("olga").retry(run_id, "again")
    assert road.as_user("dana").result(other)["name"] == "Otto Fremd"
    assert road.app.reading().audit_verify()["status"] in ("intact", "incomplete")
    (event,) = opened(road, "subject.erased")
    assert event["by"] == "user:petra"
    assert "cus_1" not in str(event)
    again = petra.erase("cus_1", "she asked")
    assert (again["keys"], again["runs"], again["values"]) == (0, 0, 0)
    assert len(opened(road, "subject.erased")) == 1


def about_other(road: Road) -> str:
    """A run about somebody else, whose values stay."""

    def answer(tool: str, arguments: Json) -> None: ...

    road.remote.before = answer
    run_id = road.start("dana", "elsewhere", customer_id="cus_2")
    road.work()
    return run_id


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another person's tool and skill are part of every road here."""

    @tool(impact="read", subject="customer_id")
    async def stranger(customer_id: str) -> Json:
        return {"name": "Otto Fremd", "email": "otto@example.org"}

    @skill(tools=["stranger"], subject="customer_id")
    async def elsewhere(run: Run, customer_id: str) -> Json:
        return await run.call("stranger", customer_id=customer_id)

    plain = Roads.build

    def with_stranger(self: Roads, **options: Any) -> Road:
        options["tools"] = [*options["tools"], stranger]
        options["skills"] = [*options["skills"], elsewhere]
        options["policy"] = {**options["policy"], "stranger": allow()}
        return plain(self, **options)

    monkeypatch.setattr(Roads, "build", with_stranger)


def test_nobody_is_erased_while_a_run_is_at_work_on_them(roads: Roads) -> None:
    road = build(roads)
    about_jane(road)
    road.rules.set("charge", hold())
    waiting = road.start("dana", "errand", plan=[["customer", {"customer_id": "cus_1"}], ["charge", {"card": CARD}]])
    road.work()
    assert road.status(waiting) == "waiting"
    with pytest.raises(Conflict, match="under way") as caught:
        road.as_user("petra").erase("cus_1", "she asked")
    assert caught.value.code == "runs_under_way"
    assert road.as_user("petra").erase("cus_1", "she asked", dry_run=True)["under_way"] == [waiting]
    road.as_user("olga").cancel(waiting, "for the erasure")
    road.work()
    assert road.as_user("petra").erase("cus_1", "she asked")["runs"] == 2


def test_a_failed_run_of_an_erased_person_is_not_retried(roads: Roads) -> None:
    road = build(roads)
    run_id = road.start("dana", "about", customer_id="cus_1")
    road.rules.set("customer", allow().__class__(allow().verdict.DENY, "forbidden"))
    road.work()
    assert road.status(run_id) == "refused"
    road.as_user("petra").erase("cus_1", "she asked")
    with pytest.raises(Erased):
        road.as_user("olga").retry(run_id, "again")
    assert road.record(run_id)["status"] == "refused"


def test_another_process_that_had_the_keys_open_cannot_read_what_was_erased(roads: Roads) -> None:
    road = build(roads)
    about = about_jane(road)
    token = token_in(road.step(about).shown_result, "CARD")
    other = road.another_worker()
    reading = other.app.acting("petra")
    assert reading.reveal(token, "before")["value"]
    assert other.app.acting("dana").result(about)["name"] == JANE
    road.as_user("petra").erase("cus_1", "she asked")
    with pytest.raises(Erased):
        reading.reveal(token, "after")
    with pytest.raises(Erased):
        other.app.acting("dana").result(about)


def test_a_person_who_comes_back_is_filed_anew(roads: Roads) -> None:
    road = build(roads)
    about_jane(road)
    road.as_user("petra").erase("cus_1", "she asked")
    again = about_jane(road)
    token = token_in(road.step(again).shown_result, "EMAIL")
    assert values_of(road, [token]) == [MAIL]


def test_only_a_privacy_officer_erases_with_a_reason(roads: Roads) -> None:
    road = build(roads)
    with pytest.raises(Denied):
        road.as_user("dana").erase("cus_1", "why not")
    with pytest.raises(Invalid):
        road.as_user("petra").erase("cus_1", "")
    with pytest.raises(Invalid):
        road.as_user("petra").erase(" ", "no one")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_neither_the_wrapped_key_nor_what_it_sealed_is_left_in_any_byte_of_the_file(roads: Roads) -> None:
    road = build(roads)
    about = about_jane(road)
    key = road.app.store.read(SCOPE, lambda tx: tx.vault.key(about))
    row = road.run_row(about)
    assert key is not None
    assert key.wrapped is not None
    assert row is not None
    for secret in (key.wrapped, row.input):
        assert secret.encode() in road.stored_bytes()
    road.as_user("petra").erase("cus_1", "she asked")
    for secret in (key.wrapped, row.input):
        assert secret.encode() not in road.stored_bytes()


# --- Retention -----------------------------------------------------------------------------------------------------


def test_retention_counts_then_removes_kind_by_kind_and_the_chain_verifies(roads: Roads) -> None:
    days = RetentionSettings(transcripts_days=30, payloads_days=7, vault_days=90)
    road = build(roads, retention=days)
    old, petra = about_jane(road), road.as_user("petra")
    road.time.advance(8 * DAY)
    young = about_jane(road, "cus_9")
    assert petra.apply_retention(dry_run=True)["counts"] == {"transcripts": 0, "payloads": 1, "vault": 0}
    assert road.as_user("dana").result(old)
    assert petra.apply_retention()["counts"] == {"transcripts": 0, "payloads": 1, "vault": 0}
    with pytest.raises(Erased):
        road.as_user("dana").result(old)
    assert road.as_user("dana").result(young)["name"] == JANE
    assert road.record(old)["steps"][0]["result"]
    road.time.advance(23 * DAY)
    assert petra.apply_retention()["counts"] == {"transcripts": 1, "payloads": 1, "vault": 0}
    record = road.record(old)
    assert record["steps"][0]["result"] is None
    assert all(event["payload"] is None for event in record["events"])
    assert record["status"] == "done"
    assert road.app.reading().audit_verify()["status"] in ("intact", "incomplete")
    road.time.advance(90 * DAY)
    assert petra.apply_retention()["counts"]["vault"] > 0
    assert petra.apply_retention()["counts"] == {"transcripts": 0, "payloads": 0, "vault": 0}
    with pytest.raises(Denied):
        road.as_user("dana").apply_retention()


def test_retention_leaves_runs_that_have_not_ended(roads: Roads) -> None:
    road = build(roads, retention=RetentionSettings(transcripts_days=1, payloads_days=1))
    road.rules.set("charge", hold(decision_ttl_s=1e9))
    waiting = road.start("dana", "errand", plan=[["charge", {"card": CARD}]])
    road.work()
    road.time.advance(40 * DAY)
    assert road.as_user("petra").apply_retention()["counts"] == {"transcripts": 0, "payloads": 0}
    assert road.record(waiting)["steps"][0]["arguments"]


# --- Rotation ------------------------------------------------------------------------------------------------------


def test_rotating_the_sealing_key_wraps_every_data_key_anew_and_runs_under_way_go_on(roads: Roads) -> None:
    road = build(roads)
    done = about_jane(road)
    road.rules.set("charge", hold())
    waiting = road.start("dana", "errand", plan=[["charge", {"card": CARD}]])
    road.work()
    rotated = road.as_user("sysop").rotate_keys("seal")
    keys = road.app.store.read(SCOPE, lambda tx: tx.vault.run_keys())
    assert {key.kek_id for key in keys} == {rotated["key_id"]}
    assert rotated["renewed"] == len(keys)
    road.vote("amir")
    road.restart()
    road.work()
    assert road.status(waiting) == "done"
    assert road.as_user("dana").result(done)["name"] == JANE
    assert road.as_user("sysop").rotate_keys("seal", only_rewrap=True)["renewed"] == 0
    with pytest.raises(Denied):
        road.as_user("petra").rotate_keys("seal")


def test_rotating_the_token_key_keeps_old_tokens_open_and_effects_single(roads: Roads) -> None:
    road = build(roads)
    old = token_in(road.step(about_jane(road)).shown_result, "CARD")
    road.rules.set("charge", hold())
    waiting = road.start("dana", "errand", plan=[["charge", {"card": CARD}]])
    road.work()
    road.as_user("sysop").rotate_keys("token")
    new = token_in(road.step(about_jane(road)).shown_result, "CARD")
    assert new != old
    assert values_of(road, [old, new]) == [CARD.replace(" ", "")] * 2
    rows = road.app.store.read(SCOPE, lambda tx: tx.vault.find(new))
    assert old in {row.alias_of for row in rows}
    road.vote("amir")
    road.work()
    assert road.status(waiting) == "waiting", "what people approved showed another token: they are asked anew"
    road.vote("bo")
    road.work()
    assert road.status(waiting) == "done"
    assert [tool for tool, _ in road.remote.calls].count("charge") == 1
    done = road.as_user("petra").erase("cus_1", "she asked")
    assert done["erased"]
    assert values_of(road, [old, new]) == ["erased"] * 2


# --- Paths ---


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_t27_what_no_declaration_names_is_stored_nowhere_on_any_path(
    roads: Roads, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing here is declared sensitive: names of fields, forms and what the run has seen have to do."""
    caplog.set_level("DEBUG")
    iban, ssn, name = "GB29 NWBK 6016 1331 9268 19", "053-54-7547", "Zuleika Quillfeather"

    @tool(impact="external", targets=lambda a: [f"box:{a['to']}"], preview=lambda a: {"before": a["text"], "to": name})
    async def notify(to: str, text: str, first_name: str = "") -> Json:
        if "fail" in text:
            raise ValueError(f"{to} {text}")
        return {"to": to, "said": f"{first_name}: {text}", "payer": {"iban": iban}}

    @skill(tools=["notify"])
    async def tell(run: Run, to: str, text: str) -> Json:
        done = await run.propose("notify", to=to, text=text, first_name=name, reason=f"{name} ({ssn}) wants it")
        if not hasattr(done, "result"):
            raise ValueError(f"{to} {iban}")
        return {"done": done.result, "for": name}

    road = roads.build(tools=[notify], skills=[tell], policy={"notify": hold()}, people=STAFF)
    dana = road.as_user("dana")
    for number, text in enumerate(("hello", "fail", "hello")):
        run_id = dana.start(
            f"write to {MAIL}", skill="tell", input={"to": MAIL, "text": f"{text}, pay {iban}"}, correlation_id=MAIL
        )["run_id"]
        road.work()
        if number == 2:
            road.as_user("olga").cancel(run_id, f"{name} {MAIL} called")
        else:
            road.vote("amir", comment=f"{name} has {iban} and {CARD}")
        road.work()
    for entry in (e for run in dana.runs()["items"] for e in road.entries(run["run_id"])):
        if entry.state.value == "unknown":
            road.as_user("olga").resolve(
                entry.key,
                happened=True,
                reason=f"{MAIL} said so, {name} too",
                remote_ref=f"ref {iban}",
                result={"a": ssn},
            )
    road.work()
    road.as_user("olga").engage("tool", "notify", f"stop, {MAIL} {CARD}")
    road.as_user("olga").ask_grant(
        "notify",
        targets=[f"box:{MAIL}"],
        bounds={"to": {"equals": MAIL}, "text": {"any": True}, "first_name": {"equals": name}},
        max_uses=1,
        ttl_s=60.0,
        reason=f"{name}, {ssn}",
    )
    reading = road.app.reading()
    shown = repr(
        [
            *(reading.run(run["run_id"]) for run in reading.runs()["items"]),
            *(reading.approval(a["approval_id"]) for a in reading.approvals(state="all")["items"]),
            reading.ledger(),
            reading.switches(),
            reading.audit_export(),
        ]
    )
    everything = road.stored_bytes() + shown.encode() + caplog.text.encode()
    for canary in (MAIL, iban, iban.replace(" ", ""), ssn, "Quillfeather", "Zuleika", CARD, CARD.replace(" ", "")):
        assert canary.encode() not in everything, canary


# --- Settings ------------------------------------------------------------------------------------------------------


def test_a_tenant_has_patterns_and_allowed_texts_of_its_own(roads: Roads) -> None:
    settings = PrivacySettings(
        PrivacyRules(patterns={"POLICY_NO": r"\bPN-[0-9]{6}\b"}),
        {"rival": PrivacyRules(allow=("PN-123456",), patterns={"POLICY_NO": r"\bPN-[0-9]{6}\b"})},
    )
    road = roads.build(
        tools=[charge_tool(roads.remote)],
        skills=[errand_skill("charge")],
        policy={"charge": allow()},
        people=STAFF,
        privacy=settings,
    )
    call = ["charge", {"card": CARD, "note": "about PN-123456"}]
    ours, theirs = road.start("dana", "errand", plan=[call]), road.start("rudi", "errand", plan=[call])
    road.work()
    shown = road.step(ours).shown_arguments
    assert shown is not None
    assert shown["note"] == f"about {token_in(shown['note'], 'POLICY_NO')}"
    rival = road.app.store.read(Scope("rival", "dev"), lambda tx: tx.ledger.of_run(theirs))[0]
    assert rival.shown_arguments is not None
    assert rival.shown_arguments["note"] == "about PN-123456"


def test_a_key_that_holds_somebody_s_data_is_kept_as_a_token_and_still_names_one_run(roads: Roads) -> None:
    road = build(roads)
    dana = road.as_user("dana")
    first, second = (
        dana.start("go", skill="about", input={"customer_id": "cus_1"}, key=f"refund-{MAIL}", request_id=MAIL)
        for _ in range(2)
    )
    assert first["run_id"] == second["run_id"]
    assert not second["new"]
    record = road.record(str(first["run_id"]))
    assert MAIL not in str(record)
    assert token_in(record["idempotency_key"], "KEY")
