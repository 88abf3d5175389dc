"""What is asked of a model and what it answers, whoever the provider is."""

from dataclasses import dataclass, field
from typing import Any, Literal

#: Words of the OpenTelemetry GenAI conventions for `gen_ai.response.finish_reasons`.
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error"]


@dataclass(frozen=True, slots=True)
class ToolDeclaration:
    """A tool as a model is told of it. `schema`: JSON Schema of its arguments."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call that a model proposes. `id`: the model's own, unique in its answer at best. `problem`: why `arguments`
    could not be read (not JSON, not an object); empty where they could."""

    id: str
    name: str
    arguments: dict[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `uses`: of an assistant's message. `answers`: the id of the use that a message of
    role `tool` answers."""

    role: Literal["user", "assistant", "tool"]
    text: str
    uses: tuple[ToolUse, ...] = ()
    answers: str = ""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One turn asked of a model. `model`: `provider:name`. `output_schema`: JSON Schema of a structured answer, for
    askers that want no prose; `ModelAnswer.output` then holds it."""

    model: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolDeclaration, ...] = ()
    output_schema: dict[str, Any] | None = None
    max_output_tokens: int = 4096
    timeout_s: float = 60.0
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn. `cached_input_tokens` are among `input_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What came back. `model`: the one that answered, as the provider names it. `output`: the structured answer."""

    text: str
    model: str
    finish_reason: FinishReason = "stop"
    uses: tuple[ToolUse, ...] = ()
    output: dict[str, Any] | None = None
    usage: Usage = field(default_factory=Usage)
    response_id: str = ""
