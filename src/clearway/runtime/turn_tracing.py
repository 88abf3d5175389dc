"""What telemetry is told of a model's turn."""

from contextlib import AbstractContextManager

from clearway.model.chat import ModelRequest
from clearway.model.ledger import Entry, LedgerState
from clearway.ports import Span, Telemetry
from clearway.runtime.carry import Carry


def asking_span(telemetry: Telemetry, at: Carry, step_id: str, request: ModelRequest) -> AbstractContextManager[Span]:
    """Around the asking of one turn."""
    provider, _, model = request.model.partition(":")
    return telemetry.span(
        "chat",
        model,
        provider=provider,
        model=model,
        run_id=at.run.run_id,
        call_id=step_id,
        max_output_tokens=request.max_output_tokens,
    )


def note_answer(telemetry: Telemetry, span: Span, entry: Entry) -> None:
    """What a recorded turn came to."""
    detail = entry.detail or {}
    if entry.state is not LedgerState.SUCCEEDED:
        return span.fail(str(detail["code"]))
    model, usage = str(detail["model"]), detail["usage"]
    span.note(
        answered_by=model.partition(":")[2],
        finish_reasons=[detail["finish_reason"]],
        input_tokens=usage["input"],
        output_tokens=usage["output"],
        cached_input_tokens=usage["cached_input"],
        cost_basis=detail["cost_basis"],
        **({} if detail["usd"] is None else {"cost_usd": detail["usd"]}),
    )
    for direction in ("input", "output"):
        telemetry.count("tokens", usage[direction], direction=direction, model=model)
    if detail["usd"] is not None:
        telemetry.count("cost", detail["usd"], model=model, basis=detail["cost_basis"].partition(":")[0])
