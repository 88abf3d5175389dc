"""Makes a `SkillSpec` of an agent's declaration. Errors: `ConfigError`, without a place."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, Protocol, TypedDict, cast

from clearway.model.agent import DEFAULT_STEPS, DEFAULT_TOKENS, DEFAULT_TURNS, DEFAULT_WALL_S, Budget, ModelUse
from clearway.model.errors import ConfigError
from clearway.model.label import Trust
from clearway.model.tool import Arguments, RateLimit, SkillSpec
from clearway.project.arguments import Inputs
from clearway.project.model_options import check_budget, model_use
from clearway.project.options import HasSpec, check_limits, naming, parameter, refuse_unknown, sensitive, texts, trust
from clearway.project.parameters import parameters_of, place_of
from clearway.project.skill_spec import tool_names


class AgentOptions(TypedDict, total=False):
    """What `@agent` takes; `ModelUse` and `SkillSpec` say more. `prompt`: name of a file below `prompts/`, by default
    the agent's own name. `tools`: decorated tools or their names. `pending`: "tell" the model at once that a call waits
    for people, so that it goes on with what does not depend on it, or "wait" until they have decided."""

    name: str | None
    description: str | None
    prompt: str
    model: str
    fallbacks: Iterable[str]
    tools: Iterable[HasSpec | str]
    budget: Budget
    raw_fields: Iterable[str]
    max_output_tokens: int
    timeout_s: float
    temperature: float | None
    pending: Literal["tell", "wait"]
    examples: Iterable[str]
    keywords: Iterable[str]
    owner: str
    sensitive: Iterable[str]
    rate_limit: RateLimit | None
    subject: str
    request: Trust | str


class _Pursues(Protocol):
    def pursue(self, given: dict[str, Any]) -> Awaitable[Any]: ...


def agent_spec(function: Callable[..., Any], options: AgentOptions) -> SkillSpec:
    """Its parameters are its input. The function itself is never called: the model is."""
    refuse_unknown(options, AgentOptions)
    name, description = naming(function, options.get("name"), options.get("description"))
    parameters, takes_context = parameters_of(function, skip_first=False)
    if takes_context:
        raise ConfigError("an agent gets no ToolContext.", remedy="Its parameters are what the request brings.")
    inputs = Inputs(name, parameters)
    budget = options.get("budget", Budget())
    check_budget(budget)
    check_limits(budget.wall_s or DEFAULT_WALL_S, options.get("rate_limit"), "budget.wall_s")
    file, line = place_of(function)

    def validate(raw: Arguments, text: str = "") -> dict[str, Any]:
        supplied = "text" not in inputs.names or "text" in raw
        return inputs.validate(raw if supplied or not text else {**raw, "text": text})

    async def pursue(run: Any, **given: Any) -> Any:
        return await cast(_Pursues, run).pursue(given)

    return SkillSpec(
        name=name,
        description=description,
        function=pursue,
        tools=tool_names(options.get("tools", ())),
        validate=validate,
        schema=inputs.schema,
        examples=texts("examples", options.get("examples", ())),
        owner=options.get("owner", ""),
        keywords=texts("keywords", options.get("keywords", ())),
        sensitive=sensitive(options.get("sensitive", ()), inputs),
        deadline_s=budget.wall_s or DEFAULT_WALL_S,
        max_steps=budget.steps or DEFAULT_STEPS,
        rate_limit=options.get("rate_limit"),
        subject=parameter("subject", options.get("subject", ""), inputs),
        request=trust("request", options.get("request", Trust.TRUSTED)),
        models=_model_use(options, budget, options.get("prompt", name)),
        file=file,
        line=line,
    )


def _model_use(options: AgentOptions, budget: Budget, prompt: str) -> ModelUse:
    if "model" not in options:
        raise ConfigError("it names no model.", remedy='Write model="provider:name", for instance "openai:gpt-5-mini".')
    full = Budget(
        turns=budget.turns or DEFAULT_TURNS,
        steps=budget.steps or DEFAULT_STEPS,
        tokens=budget.tokens or DEFAULT_TOKENS,
        cost_usd=budget.cost_usd,
        wall_s=budget.wall_s or DEFAULT_WALL_S,
    )
    return model_use(options, full, prompt)
