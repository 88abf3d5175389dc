"""What models cost: the project's own prices first, then `genai-prices`, offline and dated. Implements `ports.Prices`.

INVARIANT: nothing is fetched; an unknown model's price is unknown, never 0.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from clearway.model.agent import Cost, ModelPrice
from clearway.model.chat import Usage

_MILLION = 1_000_000


class ModelPrices:
    """`own`: by `provider:name`. `free`: providers whose models are no models, so that nothing is to pay."""

    def __init__(self, own: Mapping[str, ModelPrice] | None = None, free: frozenset[str] = frozenset()) -> None:
        self._own = own or {}
        self._free = free

    def cost(self, model: str, usage: Usage) -> Cost:
        provider, _, name = model.partition(":")
        own = self._own.get(model)
        if own is not None:
            usd = (
                usage.input_tokens * own.input_usd_per_mtok + usage.output_tokens * own.output_usd_per_mtok
            ) / _MILLION
            return Cost(usd, f"clearway.toml, as of {own.as_of}")
        if provider in self._free:
            return Cost(0.0, "a script: no provider is asked")
        return _known(provider, name, usage)


def _known(provider: str, name: str, usage: Usage) -> Cost:
    release = _release()
    if not release:
        return Cost(None, "unknown: genai-prices is not installed (clearway[models])")
    import genai_prices

    given = max(0, usage.input_tokens)
    counted = genai_prices.Usage(
        input_tokens=given,
        output_tokens=max(0, usage.output_tokens),
        cache_read_tokens=min(given, max(0, usage.cached_input_tokens)),
    )
    try:
        found = genai_prices.calc_price(counted, name, provider_id=provider)
    except (LookupError, ValueError):
        return Cost(None, f"unknown: genai-prices {release} has no price for this model")
    checked = getattr(found.model, "prices_checked", None)
    dated = f", checked {checked}" if checked else ""
    return Cost(float(found.total_price), f"genai-prices {release}: {found.provider.id}/{found.model.id}{dated}")


@lru_cache(maxsize=1)
def _release() -> str:
    try:
        return version("genai-prices")
    except PackageNotFoundError:
        return ""
