"""Feature flags: what asking one costs beside a dict and OpenFeature's own provider, and how soon a change is known everywhere.

Asking: a flag with three rules, of which the last is met, and a split of four variants; one call after another, each timed by itself, less
what reading the clock takes. Directly, as Tidings' own paths ask; and through OpenFeature's client, with our provider and with the SDK's
in-memory one, whose flag has no rules. A change: from its commit until an API process and a worker say at /metrics that they know it.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, cast

import aiohttp
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider import FeatureProvider
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from loadtests.figures import Figure, Form
from loadtests.ground import READY_WITHIN_S, tidings
from tidings.flags.flags import Flags
from tidings.flags.provider import TidingsProvider
from tidings.flags.rules import ready
from tidings.flags.store import DEPLOYMENT, set_flag
from tidings.flags.structs import Compared, Definition, Equals, OneOf, Rule, Split, Versioned
from tidings.platform.embedded.memory import free_port
from tidings.platform.postgres import Database

VARIANTS = {"a": "1", "b": "2", "c": "3", "d": "4"}
EVEN = Split(dict.fromkeys(VARIANTS, 1))
RULES = [
    Rule([Equals(attribute="plan", value="free")], "a"),
    Rule([OneOf(attribute="country", values=["AT", "CH", "LI"]), Compared(attribute="seats", op=">", value=100)], "b"),
    Rule([Versioned(attribute="app", op=">=", value="2.0.0")], EVEN),
]
CONTEXT: dict[str, Any] = {"targetingKey": "alice", "plan": "pro", "country": "DE", "seats": 12, "app": "2.10.1"}
ASKED = EvaluationContext("alice", {name: value for name, value in CONTEXT.items() if name != "targetingKey"})


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    times = int(form.choose(50_000, 500_000))
    known = Flags(cast(Any, None), None)
    known.flags = {"flag": ready("flag", 1, Definition(variants=VARIANTS, off="a", serve="a", rules=RULES))}
    ours, theirs = client_of(TidingsProvider(known)), client_of(InMemoryProvider({"flag": InMemoryFlag("a", VARIANTS)}))
    ways: dict[str, Callable[[], Any]] = {
        "directly": lambda: known.resolve("flag", CONTEXT, "1"),
        "a dict": lambda: VARIANTS.get("a"),
        "our provider": lambda: ours.get_string_details("flag", "1", ASKED),
        "in memory": lambda: theirs.get_string_details("flag", "1", ASKED),
    }
    assert ways["our provider"]().reason == ways["directly"]().reason == "SPLIT"
    p99: dict[str, list[float]] = {way: [] for way in ways}
    middle: list[float] = []
    for _ in range(form.rounds):
        for way, ask in ways.items():
            took = timed(ask, times)
            p99[way].append(at(took, 0.99))
            if way == "directly":
                middle.append(at(took, 0.5))
        report(", ".join(f"{way} {p99[way][-1]:.2f} µs" for way in ways) + " (p99)")
    reached = await changes_known(int(form.choose(20, 100)), report)
    return [
        figure("asked directly: median", middle),
        figure("asked directly: p99", p99["directly"], limit=50, peer="a dict", beside=p99["a dict"]),
        figure("through OpenFeature's client: p99", p99["our provider"], limit=50, peer="its own provider", beside=p99["in memory"]),
        Figure(measure="flags", what="a change is known to API process and worker: slowest", unit="ms", rounds=[max(reached)],
               bound="≤", limit=1000, note=f"median {median(reached):.0f} ms of {len(reached)}"),
    ]  # fmt: skip


def figure(what: str, rounds: list[float], limit: float | None = None, peer: str = "", beside: Sequence[float] = ()) -> Figure:
    """The bound is of the figure itself; the peer is told beside it."""
    note = f"{peer}: {median(beside):.2f} µs" if beside else ""
    return Figure(measure="flags", what=what, unit="µs", rounds=rounds, bound="≤" if limit else None, limit=limit, note=note)


def client_of(provider: FeatureProvider) -> OpenFeatureClient:
    domain = type(provider).__name__
    api.set_provider(provider, domain)
    return api.get_client(domain)


def timed(ask: Callable[[], Any], times: int) -> list[float]:
    """Microseconds of each call, sorted; less what reading the clock takes."""
    clock = time.perf_counter_ns
    idle = sorted(-(clock() - clock()) for _ in range(1000))[500]
    took = []
    for _ in range(times):
        began = clock()
        ask()
        took.append((clock() - began - idle) / 1000)
    return sorted(took)


def at(took: Sequence[float], share: float) -> float:
    return took[math.ceil(len(took) * share) - 1]


async def changes_known(changes: int, report: Callable[[str], None]) -> list[float]:
    """Milliseconds from a commit until both processes know of it, for each change."""
    port = free_port()
    async with tidings(workers=("sequencer",)) as running, aiohttp.ClientSession() as session:
        await running.start("deliveries", ("worker", "deliveries"), {"TIDINGS_METRICS_PORT": str(port)})
        await first_answer(session, port)
        took = []
        for number in range(changes):
            # At any moment of the half second between two looks.
            await asyncio.sleep(0.1 + 0.037 * (number % 13))
            await change(running.database, number)
            committed = time.perf_counter()
            wanted = await running.database.system.fetchval("SELECT max(id) FROM flag_changes WHERE project = 0")
            while min([await change_known(session, one) or 0 for one in (running.api.port, port)]) < wanted:
                await asyncio.sleep(0.002)
            took.append((time.perf_counter() - committed) * 1000)
        report(f"known after {median(took):.0f} ms, the slowest after {max(took):.0f} ms")
        return took


async def change(database: Database, number: int) -> None:
    async with database.system.acquire() as connection, connection.transaction():
        await set_flag(connection, DEPLOYMENT, "measured", Definition(enabled=bool(number % 2)), actor="bench", reason=None)


async def first_answer(session: aiohttp.ClientSession, port: int) -> None:
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                if await change_known(session, port) is not None:
                    return
            await asyncio.sleep(0.05)


async def change_known(session: aiohttp.ClientSession, port: int) -> int | None:
    """None before it has looked."""
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        for line in (await answer.text()).splitlines():
            if line.startswith("tidings_flags_change{"):
                return int(float(line.split()[1]))
    return None
