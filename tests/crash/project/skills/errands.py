"""Errands of several steps: read → effect → held effect → effect, in the ways that tools can be declared."""

import asyncio

from tools.billing import charge, charge_blind, charge_plain, held_charge, read_balance

from clearway import Run, skill


@skill(tools=[read_balance, charge, held_charge], deadline_s=3600.0)
async def errand(run: Run, amount_minor: int) -> int:
    await run.call(read_balance, account="2093")
    await run.call(charge, account="2093", amount_minor=amount_minor)
    await run.call(held_charge, account="2093", amount_minor=amount_minor)
    last = await run.call(charge, account="5005", amount_minor=amount_minor)
    return int(last["amount_minor"])


@skill(tools=[read_balance, charge_plain, held_charge], deadline_s=3600.0)
async def plain_errand(run: Run, amount_minor: int) -> int:
    await run.call(read_balance, account="2093")
    await run.call(charge_plain, account="2093", amount_minor=amount_minor)
    await run.call(held_charge, account="2093", amount_minor=amount_minor)
    last = await run.call(charge_plain, account="5005", amount_minor=amount_minor)
    return int(last["amount_minor"])


@skill(tools=[read_balance, charge_blind, held_charge, charge], deadline_s=3600.0)
async def blind_errand(run: Run, amount_minor: int) -> int:
    await run.call(read_balance, account="2093")
    await run.call(charge_blind, account="2093", amount_minor=amount_minor)
    await run.call(held_charge, account="2093", amount_minor=amount_minor)
    last = await run.call(charge, account="5005", amount_minor=amount_minor)
    return int(last["amount_minor"])


@skill(tools=[read_balance, charge, charge_plain, held_charge], deadline_s=3600.0)
async def wide_errand(run: Run, amount_minor: int) -> int:
    """Two effects at once, a durable sleep, and two held effects at once."""
    await asyncio.gather(
        run.call(charge, account="2093", amount_minor=amount_minor),
        run.call(charge_plain, account="5005", amount_minor=amount_minor),
    )
    await run.sleep(0.1)
    one, other = await asyncio.gather(
        run.call(held_charge, account="2093", amount_minor=amount_minor),
        run.call(held_charge, account="5005", amount_minor=amount_minor),
    )
    return int(one["amount_minor"]) + int(other["amount_minor"])


@skill(tools=[held_charge], deadline_s=3600.0)
async def one_held(run: Run, amount_minor: int) -> int:
    done = await run.call(held_charge, account="2093", amount_minor=amount_minor)
    return int(done["amount_minor"])


@skill(tools=[charge], deadline_s=3600.0)
async def one_charge(run: Run, amount_minor: int) -> int:
    done = await run.call(charge, account="2093", amount_minor=amount_minor)
    return int(done["amount_minor"])


@skill(tools=[charge_plain], deadline_s=3600.0)
async def one_plain(run: Run, amount_minor: int) -> int:
    done = await run.call(charge_plain, account="2093", amount_minor=amount_minor)
    return int(done["amount_minor"])


@skill(tools=[charge_blind], deadline_s=3600.0)
async def one_blind(run: Run, amount_minor: int) -> int:
    await run.call(charge_blind, account="2093", amount_minor=amount_minor)
    return amount_minor  # a person who resolves a doubt gives no result
