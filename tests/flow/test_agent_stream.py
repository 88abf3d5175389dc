"""A model's text as it comes, through the public surface."""

from pathlib import Path

import clearway
from clearway.testing import ScriptedModel, say

PROJECT = {
    "clearway.toml": '[project]\nname = "desk"\n\n[users.dana]\ntenant = "default"\nroles = { dev = ["support"] }\n',
    "prompts/helper.md": "You help.",
    "policies/desk.cedar": '@id("all") permit (principal, action, resource);',
    "skills/helper.py": 'import clearway\n\n\n@clearway.agent(model="test:one")\ndef helper() -> None: ...\n',
}


def test_a_caller_in_the_workers_process_hears_a_model_speak(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
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
