"""A run's way to models: an agent's loop, and the single turns of a Python skill."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from clearway.model.agent import ModelUse
from clearway.model.chat import Message, ModelRequest
from clearway.model.outcome import Failed, Refused
from clearway.runtime.agent import Loop
from clearway.runtime.carry import Carry
from clearway.runtime.gate import Gate
from clearway.runtime.run_api import ActionStopped, Reply
from clearway.runtime.spending import TURN
from clearway.runtime.turn_record import Question
from clearway.runtime.turns import Turns


@dataclass(frozen=True, slots=True)
class RunModels:
    """A run's way to models. `text`: of its request. Implements `run_api.Models`."""

    at: Carry
    turns: Turns
    gate: Gate
    text: str

    async def pursue(
        self, given: dict[str, Any], shielded: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
    ) -> str:
        return await Loop(self.at, self.turns, self.gate, shielded).run(self.text, given)

    async def ask(
        self, step_id: str, text: str, system: str, prompt: str, output: dict[str, Any] | None
    ) -> Reply | ActionStopped:
        """One durable turn of a Python skill. Expected endings are values here, for the skill to deal with."""
        use = self.at.skill.models
        if use is None:
            why = 'The skill declares no model: write @skill(model="provider:name").'
            return ActionStopped(step_id, "model", Failed("no_model", why))
        if prompt and prompt not in self.at.version.prompts:
            return ActionStopped(step_id, use.model, Failed("unknown_prompt", "There is no such file below prompts/."))
        most = use.budget.turns
        taken = {entry.step_id for entry in self.at.entries.values() if entry.kind == TURN} | {step_id}
        if most is not None and len(taken) > most:
            why = f"The skill may ask a model at most {most} times a run."
            return ActionStopped(step_id, use.model, Refused("turn_budget", why))
        try:
            turn = await self.turns.take(self.at, step_id, self._question(use, text, system, prompt, output))
        except ActionStopped as stopped:
            return stopped
        return Reply(turn.text, turn.output, turn.model, turn.finish_reason)

    def _question(self, use: ModelUse, text: str, system: str, prompt: str, output: dict[str, Any] | None) -> Question:
        parts = (self.at.version.prompts.get(prompt, ""), self.at.masker.scrub(system))
        words = "\n\n".join(part for part in parts if part)
        asks = self.turns.sealer.token(
            json.dumps([text, system, prompt, output], sort_keys=True), "QUESTION", self.at.scope
        )
        request = ModelRequest(
            model=use.model,
            system=words,
            messages=(Message("user", self.at.masker.scrub(text)),),
            output_schema=output,
            max_output_tokens=use.max_output_tokens,
            timeout_s=use.timeout_s,
            temperature=use.temperature,
        )
        return Question(request, use, asks)
