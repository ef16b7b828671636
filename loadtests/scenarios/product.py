"""A Tidings of its own for a scenario, on a scratch state: real servers with durability on, as many processes as the scenario says."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtests.ground import Part, Running, tidings
from loadtests.scenarios.scenario import Product


@asynccontextmanager
async def product(wanted: Product) -> AsyncIterator[Running]:
    # Our own pool, which nobody uses while a scenario runs, would lament each time PostgreSQL is killed.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    # The receiver is on this machine.
    async with tidings(("sequencer", "projections"), TIDINGS_OUTBOUND_ALLOW="127.0.0.0/8") as running:
        for name, worker, count in (("planner", "planner", wanted.planners), ("deliveries", "deliveries", wanted.deliveries)):
            for number in range(1, count + 1):
                await running.start(named(name, number), ("worker", worker), {})
        for number in range(2, wanted.sequencers + 1):
            await running.start(named("sequencer", number), ("worker", "sequencer"), {})
        for number in range(2, wanted.apis + 1):
            await running.start_api(named("api", number))
        yield running


def named(name: str, number: int) -> str:
    return name if number == 1 else f"{name}{number}"


def kind_of(part: Part) -> str:
    """`api2` is an api."""
    return part.name.rstrip("0123456789")


def bases(running: Running) -> list[str]:
    return [f"http://127.0.0.1:{part.port}" for part in running.parts if part.port]
