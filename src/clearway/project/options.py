"""What the decorators take, and the checks that they share."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypedDict

from clearway.model.agent import Budget
from clearway.model.errors import ConfigError
from clearway.model.label import Trust
from clearway.model.tool import Arguments, Compensation, Idempotency, Impact, RateLimit, Retry, ToolSpec
from clearway.project.arguments import Inputs
from clearway.project.targets import Targets
from clearway.rules.names import NAME_FORM, did_you_mean, is_name


class ToolOptions(TypedDict, total=False):
    """What `@tool` takes; `ToolSpec` says more. `name` and `description` default to the function's name and docstring.

    `targets`: a function of the arguments, a template such as `account:{account}`, or a list of templates.
    `summary`: a template of `rules.summary`. `sensitive`: argument names, dotted for nested ones. `receives_raw`:
    arguments in which tokens become the values that they stand for. `format_keeping`: fields, of arguments or results,
    that are sensitive and keep their form where they are shown: a card number looks like one.
    `subject`: the argument that says whose data it is.
    `result_trust`: how far results can be relied on; nobody's word unless said otherwise. `consequential`: paths of the
    arguments that decide who gets what (`payee`, `items[].account`).
    """

    name: str | None
    description: str | None
    impact: Impact | str
    targets: Targets | str | Sequence[str] | None
    summary: str
    sensitive: Iterable[str]
    sensitive_results: Iterable[str]
    timeout_s: float
    min_send_s: float
    retry: Retry
    rate_limit: RateLimit | None
    idempotency: Idempotency
    compensate: Compensation | None
    owner: str
    raises: Callable[[Arguments], Impact | None] | None
    preview: Callable[[Arguments], Any] | None
    irreversible: bool
    receives_raw: Iterable[str]
    format_keeping: Iterable[str]
    subject: str
    result_trust: Trust | str | Mapping[str, Trust | str]
    consequential: Iterable[str]


class HasSpec(Protocol):
    """A decorated tool."""

    @property
    def spec(self) -> ToolSpec: ...


class SkillOptions(TypedDict, total=False):
    """What `@skill` takes; `tools` are decorated tools or their names. `SkillSpec` says more.

    `request="untrusted"`: its requests hand on what others wrote, an e-mail for instance."""

    name: str | None
    description: str | None
    tools: Iterable[HasSpec | str]
    examples: Iterable[str]
    keywords: Iterable[str]
    owner: str
    sensitive: Iterable[str]
    deadline_s: float
    max_steps: int
    rate_limit: RateLimit | None
    request: Trust | str
    subject: str
    model: str
    fallbacks: Iterable[str]
    budget: Budget
    max_output_tokens: int
    timeout_s: float
    temperature: float | None


_NOTHING = type(None)
_SECONDS = (int, float), "a number of seconds"
#: Option → its types, what to call them, and an example; of the options whose readers do not say it themselves.
_KINDS: dict[str, tuple[tuple[type, ...], str, str]] = {
    "name": ((str, _NOTHING), "a text", '"refund"'),
    "description": ((str, _NOTHING), "a text", '"Pays back."'),
    "summary": ((str,), "a text", '"Refund {account}"'),
    "owner": ((str,), "a text", '"support"'),
    "subject": ((str,), "a text", '"customer_id"'),
    "timeout_s": (*_SECONDS, "30"),
    "min_send_s": (*_SECONDS, "0.05"),
    "deadline_s": (*_SECONDS, "300"),
    "max_steps": ((int,), "a whole number", "100"),
    "model": ((str,), "a text", '"openai:gpt-5-mini"'),
    "prompt": ((str,), "a text", '"refund_agent"'),
    "budget": ((Budget,), "a Budget", "Budget(turns=10, tokens=50_000)"),
    "max_output_tokens": ((int,), "a whole number", "4096"),
    "temperature": ((int, float, _NOTHING), "a number", "0.2"),
    "retry": ((Retry,), "a Retry", "Retry(attempts=3)"),
    "rate_limit": ((RateLimit, _NOTHING), "a RateLimit", "RateLimit(10, per_s=60)"),
    "idempotency": ((Idempotency,), "an Idempotency", "Idempotency()"),
    "compensate": ((Compensation, _NOTHING), "a Compensation", 'Compensation("undo", …)'),
    "irreversible": ((bool,), "True or False", "True"),
}


def refuse_unknown(options: Any, known: type) -> None:
    """Errors: `ConfigError` for an option that the decorator does not have, or whose value is of another type."""
    names = sorted(known.__annotations__)
    for name, value in options.items():
        if name not in names:
            raise ConfigError(f"there is no option {name}.", remedy=did_you_mean(name, names))
        types, what, example = _KINDS.get(name, ((object,), "", ""))
        fits = isinstance(value, types) and not (isinstance(value, bool) and int in types)
        if not fits:
            raise ConfigError(
                f"{name} should be {what}, not of type {type(value).__name__}.", remedy=f"Write {name}={example}."
            )


def naming(function: Callable[..., Any], name: str | None, description: str | None) -> tuple[str, str]:
    """(name, description), by default those of the function."""
    chosen = name if name is not None else function.__name__
    if not is_name(chosen):
        raise ConfigError("its name is not well formed.", remedy=f"Use {NAME_FORM}; @…(name=…) sets another one.")
    return chosen, description if description is not None else inspect.getdoc(function) or ""


def check_limits(seconds: float, rate_limit: RateLimit | None, name: str) -> None:
    """`name`: what `seconds` is called."""
    if not seconds > 0:  # nan neither
        raise ConfigError(f"{name} is not over 0.", remedy=f"Write {name}=30.")
    if rate_limit is not None and (rate_limit.count < 1 or rate_limit.per_s <= 0):
        raise ConfigError("its rate_limit lets nothing through.", remedy="Write RateLimit(10, per_s=60).")


def sensitive(declared: Iterable[str], inputs: Inputs) -> frozenset[str]:
    """The declared names and those marked `Sensitive()`."""
    names = texts("sensitive", declared)
    for name in names:
        if name.split(".")[0] not in (*inputs.names, *inputs.known):
            raise ConfigError(
                f'sensitive names "{name}", which is not a parameter.', remedy=did_you_mean(name, inputs.names)
            )
    return inputs.sensitive | frozenset(names)


def parameter(option: str, name: str, inputs: Inputs) -> str:
    """An option that names one parameter, or nothing."""
    if name and name not in inputs.names:
        raise ConfigError(
            f'{option} names "{name}", which is not a parameter.', remedy=did_you_mean(name, inputs.names)
        )
    return name


def trust(option: str, declared: Trust | str) -> Trust:
    """A trust that a declaration may claim: `endorsed` is people's to give."""
    known = [Trust.TRUSTED.value, Trust.UNTRUSTED.value]
    word = declared.value if isinstance(declared, Trust) else declared
    if word not in known:
        raise ConfigError(
            f"{option} names a trust that there is not.", remedy=did_you_mean(str(word), known) or "Write trusted."
        )
    return Trust(word)


def result_trust(declared: Trust | str | Mapping[str, Trust | str]) -> Trust | dict[str, Trust]:
    """For all of a result, or by field: `{"[].recipient": "trusted"}`; what is not named is untrusted."""
    if isinstance(declared, Mapping):
        return {str(path): trust("result_trust", word) for path, word in declared.items()}
    return trust("result_trust", declared)


def texts(option: str, declared: Iterable[str]) -> tuple[str, ...]:
    """A list option; one text in place of it would be read letter by letter."""
    if isinstance(declared, str):
        raise ConfigError(f"{option} is one text instead of several.", remedy=f'Write {option}=["…"].')
    texts = tuple(declared)
    if not all(isinstance(text, str) for text in texts):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{option} holds something else than texts.", remedy=f'Write {option}=["…"].')
    return texts
