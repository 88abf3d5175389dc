"""`[models]` of clearway.toml: where models are asked, and what they cost where the price data does not know it.

::

    [models.providers.local]      base_url = "http://127.0.0.1:8000/v1"     api_key_env = "LOCAL_API_KEY"
    [models.providers.script]     script = "prompts/desk.script.json"       # answers from a file: tests, demonstrations
    [models.prices."local:qwen3"] input_usd_per_mtok = 0  output_usd_per_mtok = 0  as_of = "2026-09-01"
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clearway.model.agent import ModelPrice, ModelProvider
from clearway.project.located import Table

#: `provider:name`. The name is the provider's own, with slashes and dots as it has them.
MODEL = re.compile(r"[a-z][a-z0-9_-]{0,63}:[A-Za-z0-9][A-Za-z0-9._/:@-]{0,127}", re.ASCII)
_PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DEAREST = 1_000_000.0


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`prices`: by `provider:name`; they go before the price data that is installed."""

    providers: Mapping[str, ModelProvider] = field(default_factory=dict[str, ModelProvider])
    prices: Mapping[str, ModelPrice] = field(default_factory=dict[str, ModelPrice])


def read_models(root: Table, folder: Path) -> ModelSettings:
    """Problems are noted in `root.problems`."""
    models = root.table("models")
    providers, prices = models.table("providers"), models.table("prices")
    found = ModelSettings(
        {name: _provider(providers, name, folder) for name in providers.values},
        {name: price for name in prices.values if (price := _price(prices, name)) is not None},
    )
    models.finish()
    return found


def _provider(providers: Table, name: str, folder: Path) -> ModelProvider:
    table = providers.table(name)
    if not _PROVIDER.fullmatch(name):
        providers.wrong(
            name, "should be small letters, digits, - and _", "Write, for instance, [models.providers.local]."
        )
    url = table.text("base_url", "", example="http://127.0.0.1:8000/v1")
    variable = table.text("api_key_env", "", example="LOCAL_API_KEY")
    script = table.text("script", "", example="prompts/desk.script.json")
    table.finish()
    if bool(url) == bool(script):
        table.wrong(
            None, "has neither a base_url nor a script, or both", 'Write base_url = "http://127.0.0.1:8000/v1".'
        )
    if url and not url.startswith(("http://", "https://")):
        table.wrong("base_url", "should begin with http:// or https://", 'Write base_url = "http://127.0.0.1:8000/v1".')
    if variable and not _VARIABLE.fullmatch(variable):
        table.wrong(
            "api_key_env", "should be the name of a variable, never the key", 'Write api_key_env = "LOCAL_API_KEY".'
        )
    return ModelProvider(url, variable, _script(table, folder, script))


def _script(table: Table, folder: Path, script: str) -> Path | None:
    if not script:
        return None
    path = (folder / script).resolve()
    if not path.is_relative_to(folder.resolve()):
        table.wrong("script", "leads out of the project", 'Write script = "prompts/desk.script.json".')
    elif not path.is_file():
        table.wrong("script", "names a file that does not exist", "Make it, or correct the name.")
    return path


def _price(prices: Table, name: str) -> ModelPrice | None:
    table = prices.table(name)
    if not MODEL.fullmatch(name):
        prices.wrong(name, "is not of the form provider:name", 'Write, for instance, [models.prices."local:qwen3"].')
    given, made = _dollars(table, "input_usd_per_mtok"), _dollars(table, "output_usd_per_mtok")
    as_of = table.text("as_of", "", example="2026-09-01")
    table.finish()
    if not _DATE.fullmatch(as_of):
        table.wrong("as_of" if as_of else None, "has no date of the form 2026-09-01", 'Write as_of = "2026-09-01".')
    return ModelPrice(given, made, as_of) if given is not None and made is not None else None


def _dollars(table: Table, key: str) -> float | None:
    """A number from 0 on: a server of one's own may cost nothing a token, and says so."""
    table.known.add(key)
    value = table.values.get(key)
    if key not in table.values:
        table.wrong(None, f"has no {key}", f"Write {key} = 0.25.")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _DEAREST:
        table.wrong(key, "should be a number from 0 on", f"Write {key} = 0.25.")
    else:
        return float(value)
    return None
