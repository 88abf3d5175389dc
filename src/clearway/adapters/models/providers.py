"""One `ModelClient` for all that a project names: scripts by their file, everything else through pydantic-ai."""

import os
from collections.abc import Callable, Mapping

from clearway.adapters.models.pydantic_ai_client import PydanticAiModels
from clearway.adapters.models.scripted import ScriptedModel, read_script
from clearway.model.agent import ModelProvider
from clearway.model.chat import ModelAnswer, ModelRequest


class Providers:
    """`declared`: `[models.providers]` of the project. Scripts are read when they are first asked."""

    def __init__(self, declared: Mapping[str, ModelProvider], environ: Mapping[str, str] = os.environ) -> None:
        self._declared = declared
        self._scripts: dict[str, ScriptedModel] = {}
        self._asked = PydanticAiModels({name: one for name, one in declared.items() if one.script is None}, environ)

    async def prepare(self, model: str) -> None:
        declared = self._declared.get(model.partition(":")[0])
        if declared is None or declared.script is None:
            await self._asked.prepare(model)

    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        provider = request.model.partition(":")[0]
        declared = self._declared.get(provider)
        if declared is None or declared.script is None:
            return await self._asked.ask(request, on_text)
        if provider not in self._scripts:
            self._scripts[provider] = read_script(declared.script)
        return await self._scripts[provider].ask(request, on_text)


def scripted(declared: Mapping[str, ModelProvider]) -> frozenset[str]:
    """Providers that are scripts."""
    return frozenset(name for name, one in declared.items() if one.script is not None)
