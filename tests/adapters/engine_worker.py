"""A process that carries out passes, for tests to kill: `engine_worker.py URL KEYRING block|finish`.

Prints `ready`, then `start <pass> <run>` and, unless it blocks, `end <pass>` for each pass; ends when its input does.
"""

import asyncio
import sys

from clearway.adapters.dbos_engine import DbosEngine
from clearway.adapters.keyring import Keyring
from clearway.adapters.sql.engine import open_engine
from clearway.model.errors import ClearwayError
from clearway.model.run_ref import RunRef


def main(url: str, keyring: str, mode: str) -> None:
    async def carry_out(ref: RunRef, pass_id: str) -> None:
        print("start", pass_id, ref, flush=True)
        if mode == "block":
            await asyncio.Event().wait()
        print("end", pass_id, flush=True)

    engine = DbosEngine(url, open_engine(url), Keyring.open(keyring), beat_every_s=0.1, dead_after_s=1.0)
    try:
        engine.serve(carry_out)
    except ClearwayError as error:
        print("error", error.code, error, flush=True)
        return
    print("ready", flush=True)
    sys.stdin.read()
    engine.stop(drain_s=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
