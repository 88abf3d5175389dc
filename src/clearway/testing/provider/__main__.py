"""`python -m clearway.testing.provider SCRIPT.json --port 8123`: serves a script's file until it is stopped."""

import argparse
import contextlib
import threading
from pathlib import Path

from clearway.adapters.models.scripted import read_script
from clearway.model.errors import ConfigError
from clearway.testing.provider import FakeProvider


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clearway.testing.provider", description=__doc__)
    parser.add_argument("script", type=Path)
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    try:
        provider = FakeProvider(read_script(chosen.script), port=chosen.port)
    except (ConfigError, OSError) as error:
        parser.error(str(error))
    print(provider.url, flush=True)
    with provider, contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main()
