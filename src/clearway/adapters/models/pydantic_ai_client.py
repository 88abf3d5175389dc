"""Models of any provider through pydantic-ai, one request a turn. Implements `ports.ModelClient`.

What it never does: retry (that is the runtime's), keep a conversation, pass on a URL or a file, follow a redirect.
Needs `clearway[models]`; imported by `prepare`, in a thread, since importing costs seconds.
"""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from clearway.model.agent import ModelProvider
from clearway.model.chat import FinishReason, Message, ModelAnswer, ModelRequest, ToolUse, Usage
from clearway.model.errors import ClearwayError, ConfigError, Invalid, ModelBusy, ModelFailed
from clearway.rules.canonical import parse_json

EXTRA = "pip install 'clearway[models]'"
#: The call by which a model gives a structured answer.
_ANSWER = "final_answer"
_MAY_PASS = frozenset({408, 409, 425, 429})
_OPENAI = ModelProvider("https://api.openai.com/v1", "OPENAI_API_KEY")
_FINISHES: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}


class PydanticAiModels:
    """`providers`: OpenAI-compatible servers of the project's, by name; any other name is one of pydantic-ai's own."""

    def __init__(
        self, providers: Mapping[str, ModelProvider] | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._providers = {"openai": _OPENAI, **(providers or {})}
        self._environ = environ
        self._tls: ssl.SSLContext | None = None

    async def prepare(self, model: str) -> None:
        """Imports what asking needs. Errors: `ConfigError`."""
        await asyncio.to_thread(_load)

    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        """Errors: `ModelBusy`, `ModelFailed`, `ConfigError`."""
        await self.prepare(request.model)
        try:
            async with self._model(request.model) as model:
                answered = await _request(model, request, on_text)
            return _answer(answered, request)
        except ClearwayError:
            raise
        except (TimeoutError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise _translated(error) from None

    @asynccontextmanager
    async def _model(self, name: str) -> AsyncGenerator[Any]:
        """A client a request: clients belong to an event loop, and passes run on several."""
        provider, _, model = name.partition(":")
        own = self._providers.get(provider)
        if own is None:
            from pydantic_ai.models import infer_model

            async with infer_model(name) as inferred:
                yield inferred
            return
        import httpx2
        from openai import AsyncOpenAI
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        async with httpx2.AsyncClient(verify=self._trusted(), follow_redirects=False) as http:
            client = AsyncOpenAI(
                base_url=own.base_url, api_key=self._key(provider, own), http_client=http, max_retries=0
            )
            yield OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client))

    def _key(self, provider: str, own: ModelProvider) -> str:
        if not own.api_key_env:
            return "no-key"
        key = self._environ.get(own.api_key_env, "")
        if not key:
            raise ConfigError(
                f"the model provider {provider} needs a key, and {own.api_key_env} is not set.",
                remedy=f"Set {own.api_key_env} in the worker's environment.",
            )
        return key

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _load() -> None:
    """Errors: `ConfigError` where the extra is missing."""
    try:
        import httpx2  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import openai  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import pydantic_ai.direct  # pyright: ignore[reportUnusedImport]
        import pydantic_ai.models.openai  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise ConfigError("asking a model needs an extra that is not installed.", remedy=EXTRA) from None


async def _request(model: Any, request: ModelRequest, on_text: Callable[[str], None] | None) -> Any:
    from pydantic_ai import direct
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
    from pydantic_ai.settings import ModelSettings

    settings = ModelSettings(max_tokens=request.max_output_tokens, timeout=request.timeout_s)
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    given: Any = {
        "model": model,
        "messages": _messages(request),
        "model_settings": settings,
        "model_request_parameters": _parameters(request),
        "instrument": False,
    }
    if on_text is None:
        return await direct.model_request(**given)
    async with direct.model_request_stream(**given) as stream:
        async for event in stream:
            if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                on_text(event.part.content)
            elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                on_text(event.delta.content_delta)
        answered = stream.get()
    if _is_cut(model, answered):
        raise ModelBusy("The answer broke off in the middle.", code="model_away", sent=True)
    return answered


def _is_cut(model: Any, answered: Any) -> bool:
    """Whether a stream ended without the provider's word for why: it says so in its details, `finish_reason` is filled
    in where it does not."""
    from pydantic_ai.models.openai import OpenAIChatModel

    details: dict[str, Any] = answered.provider_details or {}
    return isinstance(model, OpenAIChatModel) and not details.get("finish_reason")


def _parameters(request: ModelRequest) -> Any:
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.tools import ToolDefinition

    names = _Names(request)
    tools = [
        ToolDefinition(
            name=names.sent(tool.name),
            description=tool.description,
            parameters_json_schema=tool.schema,
            strict=False,
        )
        for tool in request.tools
    ]
    if request.output_schema is None:
        return ModelRequestParameters(function_tools=tools)
    answer = ToolDefinition(
        name=_ANSWER, description="Gives the answer.", parameters_json_schema=request.output_schema, kind="output"
    )
    return ModelRequestParameters(
        function_tools=tools, output_mode="tool", output_tools=[answer], allow_text_output=False
    )


class _Names:
    """Providers take letters, digits, _ and - only; ours may have dots."""

    def __init__(self, request: ModelRequest) -> None:
        self._sent = {tool.name: tool.name.replace(".", "__") for tool in request.tools}
        self._ours = {sent: name for name, sent in self._sent.items()}

    def sent(self, name: str) -> str:
        return self._sent.get(name, name.replace(".", "__")) or "_"

    def ours(self, name: str) -> str:
        return self._ours.get(name, name)


def _messages(request: ModelRequest) -> list[Any]:
    """Texts and calls only: no parts that a provider would fetch from somewhere."""
    from pydantic_ai import messages as ai

    names, made = _Names(request), list[Any]()
    called = {use.id: use.name for message in request.messages for use in message.uses}
    if request.system:
        made.append(ai.ModelRequest(parts=[ai.SystemPromptPart(content=request.system)]))
    for message in request.messages:
        if message.role == "assistant":
            made.append(ai.ModelResponse(parts=_said(message, names)))
        elif message.role == "tool":
            name = names.sent(called.get(message.answers, ""))
            made.append(
                ai.ModelRequest(
                    parts=[ai.ToolReturnPart(tool_name=name, content=message.text, tool_call_id=message.answers)]
                )
            )
        else:
            made.append(ai.ModelRequest(parts=[ai.UserPromptPart(content=message.text)]))
    return made


def _said(message: Message, names: _Names) -> list[Any]:
    from pydantic_ai import messages as ai

    parts: list[Any] = [ai.TextPart(content=message.text)] if message.text else []
    for use in message.uses:
        parts.append(
            ai.ToolCallPart(tool_name=names.sent(use.name), args=json.dumps(use.arguments), tool_call_id=use.id)
        )
    return parts or [ai.TextPart(content="(nothing)")]


def _answer(answered: Any, request: ModelRequest) -> ModelAnswer:
    from pydantic_ai.messages import TextPart, ToolCallPart

    names = _Names(request)
    texts = [part.content for part in answered.parts if isinstance(part, TextPart)]
    made: list[Any] = [part for part in answered.parts if isinstance(part, ToolCallPart)]
    output = None
    if request.output_schema is not None:
        given = next((_use(part, names) for part in made if part.tool_name == _ANSWER), None)
        if given is None or given.problem:
            raise ModelFailed("The model gave no answer of the form that was asked for.", code="model_malformed")
        output, made = given.arguments, []
    uses = tuple(_use(part, names) for part in made)
    finish = _FINISHES.get(str(answered.finish_reason or ""), "tool_calls" if uses else "stop")
    return ModelAnswer(
        text="".join(texts),
        model=str(answered.model_name or request.model),
        finish_reason="tool_calls" if uses and finish == "stop" else finish,
        uses=uses,
        output=output,
        usage=Usage(answered.usage.input_tokens, answered.usage.output_tokens, answered.usage.cache_read_tokens),
        response_id=str(answered.provider_response_id or ""),
    )


def _use(part: Any, names: _Names) -> ToolUse:
    name, id = names.ours(str(part.tool_name)), str(part.tool_call_id)
    try:
        found = _arguments(part.args)
    except Invalid as error:
        return ToolUse(id, name, {}, error.message)
    except ValueError:  # an integer of thousands of digits
        return ToolUse(id, name, {}, "The arguments hold a number that cannot be read")
    if not isinstance(found, dict):
        return ToolUse(id, name, {}, "The arguments are no object")
    return ToolUse(id, name, cast(dict[str, Any], found))


def _arguments(given: Any) -> Any:
    return given if isinstance(given, dict) else parse_json(given or "{}", what="The arguments")  # pyright: ignore[reportUnknownVariableType]


def _translated(error: Exception) -> ClearwayError:
    """Provider's words are left out: they may repeat what was sent."""
    from pydantic_ai import exceptions as ai

    after = getattr(error, "retry_after", None)
    status = getattr(error, "status_code", None)
    if isinstance(error, ai.ModelQuotaExceededError):
        return ModelFailed("The provider's quota is used up.", code="model_quota")
    if isinstance(status, int):
        said = f"The provider answered with status {status}."
        if status in _MAY_PASS or status >= 500:
            return ModelBusy(said, code=f"http_{status}", retry_after_s=after)
        return ModelFailed(said, code=f"http_{status}")
    if isinstance(error, ai.ModelTimeoutError | ai.ModelRequestTimeout):
        return ModelBusy("The model did not answer in time.", code="timeout", sent=True)
    if isinstance(error, ai.ModelUnavailableError | ai.ModelRateLimitError | ai.ModelServerError):
        return ModelBusy("The provider is busy.", retry_after_s=after)
    if isinstance(error, ai.ModelConnectionError):
        return ModelBusy("The connection to the provider failed.", code="model_away", sent=error.phase != "connect")
    if isinstance(error, ai.UserError):
        return ConfigError("this model cannot be asked as it is set up.", remedy="Check its provider, name and key.")
    return ModelFailed("The provider's answer makes no sense.", code="model_malformed")
