"""What declarations say of models: which are asked, within what. Errors: `ConfigError`, without a place."""

from typing import Any, Literal

from clearway.model.agent import Budget, ModelUse
from clearway.model.errors import ConfigError
from clearway.project.model_settings import MODEL
from clearway.project.options import texts

_MOST_OUTPUT = 1_000_000


def asks_of(options: Any) -> ModelUse | None:
    """What `@skill` declares for `run.ask_model`; None where it names no model."""
    if "model" not in options:
        for name in ("fallbacks", "budget", "max_output_tokens", "timeout_s", "temperature"):
            if name in options:
                raise ConfigError(f"it has {name}, but no model.", remedy='Write model="provider:name".')
        return None
    budget = options.get("budget", Budget())
    check_budget(budget)
    if budget.steps is not None or budget.wall_s is not None:
        raise ConfigError(
            "a skill's steps and time stand in max_steps and deadline_s.", remedy="Leave them out of its budget."
        )
    return model_use(options, budget, "")


def check_budget(budget: Budget) -> None:
    """Errors: `ConfigError` where a limit is none."""
    for name in ("turns", "steps", "tokens"):
        value = getattr(budget, name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ConfigError(f"budget.{name} is not a whole number over 0.", remedy=f"Write Budget({name}=20).")
    for name in ("cost_usd", "wall_s"):
        value = getattr(budget, name)
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or not value > 0):
            raise ConfigError(f"budget.{name} is not a number over 0.", remedy=f"Write Budget({name}=1.5).")


def model_use(options: Any, budget: Budget, prompt: str) -> ModelUse:
    """`options`: those of `@agent` or `@skill` that name a model."""
    models = (options["model"], *texts("fallbacks", options.get("fallbacks", ())))
    for model in models:
        if not MODEL.fullmatch(str(model)):
            raise ConfigError("a model is not of the form provider:name.", remedy='Write "openai:gpt-5-mini".')
    if len(set(models)) < len(models):
        raise ConfigError("a model stands twice among model and fallbacks.", remedy="Name each once.")
    output = options.get("max_output_tokens", 4096)
    if not 1 <= output <= _MOST_OUTPUT:
        raise ConfigError("max_output_tokens is out of range.", remedy="Write max_output_tokens=4096.")
    timeout_s, temperature = options.get("timeout_s", 60.0), options.get("temperature")
    if not timeout_s > 0:
        raise ConfigError("timeout_s is not over 0.", remedy="Write timeout_s=60.")
    return ModelUse(
        model=models[0],
        fallbacks=tuple(models[1:]),
        prompt=prompt,
        budget=budget,
        raw_fields=frozenset(texts("raw_fields", options.get("raw_fields", ()))),
        max_output_tokens=output,
        timeout_s=float(timeout_s),
        temperature=temperature,
        pending=_pending(options.get("pending", "tell")),
    )


def _pending(word: Any) -> Literal["tell", "wait"]:
    if word == "tell" or word == "wait":
        return word
    raise ConfigError('pending is neither "tell" nor "wait".', remedy='Leave it out, or write pending="wait".')
