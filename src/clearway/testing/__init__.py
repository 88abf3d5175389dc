"""What a project's own tests use: models that say what a script says, or what a real one said once, and a provider.

::

    model = ScriptedModel(call("read_account", account="9182"), say("The account is open."))
    with Clearway.open("my_project", models=model) as app, app.working():
        record = app.acting("dana").run_and_wait("Is account 9182 open?", skill="account_agent")
    assert "4111" not in sent_text(model)
"""

import json
from pathlib import Path

from clearway.adapters.models.recorded import NotRecorded, RecordedModel, Recorder
from clearway.adapters.models.scripted import Scripted, ScriptedModel, call, calls, read_script, say
from clearway.model.chat import Message, ModelAnswer, ModelRequest, ToolDeclaration, ToolUse, Usage
from clearway.model.errors import ModelBusy, ModelFailed
from clearway.operate.routes import models_of
from clearway.ports import ModelClient
from clearway.project.load import load_project
from clearway.testing.provider import BODY, CUT, DROP, HANG, STATUS, FakeProvider


def sent_text(model: ScriptedModel) -> str:
    """Everything that the model was sent, as one text: to look for what must not be in it."""
    parts: list[str] = []
    for request in model.asked:
        parts.append(request.system)
        for message in request.messages:
            parts += [message.text, *(json.dumps(use.arguments, ensure_ascii=False) for use in message.uses)]
    return "\n".join(parts)


def project_models(folder: Path | str) -> ModelClient:
    """The models that the project's workers ask, over the network: for a `Recorder` to write down what they say.

    Errors: `ConfigError`."""
    return models_of(load_project(folder))


__all__ = [
    "BODY",
    "CUT",
    "DROP",
    "HANG",
    "STATUS",
    "FakeProvider",
    "Message",
    "ModelAnswer",
    "ModelBusy",
    "ModelFailed",
    "ModelRequest",
    "NotRecorded",
    "RecordedModel",
    "Recorder",
    "Scripted",
    "ScriptedModel",
    "ToolDeclaration",
    "ToolUse",
    "Usage",
    "call",
    "calls",
    "project_models",
    "read_script",
    "say",
    "sent_text",
]
