"""From the POST to the arrival at 1,000 streams, at 20 events a second.

The clock is in the payload: it is when the event was due, so that a stall counts for every event that it held up. Tidings' figure holds
the commit in PostgreSQL, the log and the Redis Stream; Nchan's only its memory. Sixteen publishing connections each, so that no event
waits for the answer to another.
"""

from collections.abc import Callable

from loadtests.audience import audience_of, beside, leave, turn_of
from loadtests.client import Streamed, streams
from loadtests.figures import Figure, Form
from loadtests.ground import tidings
from loadtests.peers import Peer
from loadtests.peers.nchan import nchan
from loadtests.seed import season

STREAMS = 1000
RATE = 20
PUBLISHERS = 16


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    events = int(RATE * form.choose(4, 60))
    own: list[Streamed] = []
    of_nchan: list[Streamed] = []
    async with tidings() as running:
        audience = await audience_of(running, STREAMS, "all")
        await leave(running)
        await season(running)

        async def of_peer(peer: Peer) -> float:
            target = peer.target(PUBLISHERS)
            seen = await streams(peer.source(audience.headers), STREAMS, target, events=events, rate=RATE, pids=peer.pids, bound_s=90)
            of_nchan.append(seen)
            return seen.p50_us

        for round_ in range(form.rounds):
            async with turn_of(running) as api:
                target = audience.target(running, api.port, PUBLISHERS)
                seen = await streams(audience.source(api.port), STREAMS, target, events=events, rate=RATE, pids=[api.pid], bound_s=90)
            own.append(seen)
            await beside(nchan, of_peer, report)
            report(f"round {round_ + 1}: p50 and p99 {told(own[-1:])}, Nchan {told(of_nchan[-1:])}")
    p50 = Figure(
        measure="latency",
        what=f"POST → {STREAMS:,} streams at {RATE}/s, p50",
        unit="ms",
        rounds=[seen.p50_us / 1000 for seen in own],
        peer="Nchan",
        beside=[seen.p50_us / 1000 for seen in of_nchan],
        allowance=8,
    )
    p99 = Figure(
        measure="latency",
        what=f"POST → {STREAMS:,} streams at {RATE}/s, p99",
        unit="ms",
        rounds=[seen.p99_us / 1000 for seen in own],
        peer="Nchan",
        beside=[seen.p99_us / 1000 for seen in of_nchan],
        allowance=20,
    )
    return [p50, p99]


def told(seen: list[Streamed]) -> str:
    return ", ".join(f"{one.p50_us / 1000:.1f} and {one.p99_us / 1000:.1f} ms" for one in seen)
