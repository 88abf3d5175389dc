"""A model's text as it comes, through the public surface."""

import asyncio
from pathlib import Path

import clearway
from clearway.testing import ScriptedModel, call, say

PROJECT = {
    "clearway.toml": '[project]\nname = "desk"\n\n[users.dana]\ntenant = "default"\nroles = { dev = ["support"] }\n',
    "prompts/helper.md": "You help.",
    "policies/desk.cedar": '@id("all") permit (principal, action, resource);',
    "skills/helper.py": 'import clearway\n\n\n@clearway.agent(model="test:one")\ndef helper() -> None: ...\n',
}
OWNERS = """
[groups.finance]
members = ["amir", "bea"]

[owners]
routing = "finance"
policy = "finance"
incident = "finance"
"""


def a_desk(folder: Path) -> None:
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_a_caller_in_the_workers_process_hears_a_model_speak(tmp_path: Path) -> None:
    a_desk(tmp_path)
    words, heard = "It is all in order with the account. " * 20, list[clearway.Piece]()
    with clearway.Clearway.open(tmp_path, models=ScriptedModel(say(words))) as app:
        dana = app.acting("dana")
        run_id = dana.start("hello", skill="helper")["run_id"]
        stop = dana.listen(run_id, heard.append)
        with app.working():
            assert dana.wait(run_id)["status"] == "done"
        stop()
        assert not app.pieces.is_heard(run_id)
    assert "".join(piece.text for piece in heard) == words
    assert len(heard) > 3
    assert {piece.step for piece in heard} == {"t1"}


def test_a_caller_in_an_event_loop_hears_all_of_it_and_no_longer_than_the_run_lasts(tmp_path: Path) -> None:
    a_desk(tmp_path)
    words = "It is all in order with the account. " * 20
    with clearway.Clearway.open(tmp_path, models=ScriptedModel(say(words))) as app:
        dana = app.acting("dana")
        run_id = dana.start("hello", skill="helper")["run_id"]

        async def listen() -> list[clearway.Piece]:
            found: list[clearway.Piece] = []
            with dana.pieces(run_id) as pieces, app.working():  # a turn that began before is not heard
                async for piece in pieces:
                    found.append(piece)
            return found

        heard = asyncio.run(listen())
        assert dana.run_status(run_id)["status"] == "done"
        assert not app.pieces.is_heard(run_id)
    assert "".join(piece.text for piece in heard) == words
    assert len(heard) > 3


def test_whoever_stops_listening_is_forgotten(tmp_path: Path) -> None:
    a_desk(tmp_path)
    with clearway.Clearway.open(tmp_path, models=ScriptedModel(say("Hello. " * 100))) as app:
        dana = app.acting("dana")
        run_id = dana.start("hello", skill="helper")["run_id"]

        async def listen() -> None:
            with dana.pieces(run_id) as pieces, app.working():
                assert "Hello" in (await anext(aiter(pieces))).text
                assert app.pieces.is_heard(run_id)
            assert not app.pieces.is_heard(run_id)

        asyncio.run(listen())


def test_waiting_for_a_run_that_was_just_decided_waits_for_what_comes_of_it(tmp_path: Path) -> None:
    a_desk(tmp_path)
    ask = '@id("ask") @obligation("require_approval") @approvers("finance") permit (principal, action, resource);'
    (tmp_path / "policies" / "desk.cedar").write_text(ask)
    (tmp_path / "ownership.toml").write_text(OWNERS)
    (tmp_path / "clearway.toml").write_text(
        PROJECT["clearway.toml"]
        + "".join(f'[users.{name}]\ntenant = "default"\nroles = {{ }}\n' for name in ("amir", "bea"))
    )
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "pay.py").write_text(
        'import clearway\n\n\n@clearway.tool(impact="external")\ndef pay(amount: int) -> str:\n    return "paid"\n'
    )
    (tmp_path / "skills" / "helper.py").write_text(PROJECT["skills/helper.py"].replace(")\n", ', tools=["pay"])\n', 1))
    model = ScriptedModel(call("pay", amount=7), say("I wait."), say("Paid."))
    with clearway.Clearway.open(tmp_path, models=model) as app:
        dana, amir = app.acting("dana"), app.acting("amir")
        with app.working():
            record = dana.run_and_wait("hello", skill="helper")
        assert record["status"] == "waiting"
        (asked,) = amir.approvals()["items"]
        shown = amir.approval(asked["approval_id"])["presented_digest"]
        amir.approve(asked["approval_id"], presented_digest=shown, comment="")
        with app.working():
            assert dana.wait(record["run_id"])["status"] == "done"
