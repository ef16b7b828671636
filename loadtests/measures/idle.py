"""What a signed-in stream costs while nothing happens: memory of the API process, for each of 10,000.

Memory is what is the process's own (anonymous and shared pages, so that libraries do not count), with all streams open less before they
were, after a few hundred streams that came and went: what a process needs once is no stream's. Nchan's worker beside it, with requests as
long. Also said: the CPU that heartbeats and the rest take while nothing happens.
"""

from collections.abc import Callable

from loadtests.audience import audience_of, beside, leave, turn_of
from loadtests.client import Source, Streamed, streams
from loadtests.figures import Figure, Form
from loadtests.ground import tidings
from loadtests.peers import Peer
from loadtests.peers.nchan import nchan

STREAMS = 10_000
WARM_UP = 500
MOST_KIB = 4.0


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    hold_s = form.choose(3, 60)
    rounds = int(form.choose(1, form.rounds))
    own: list[Streamed] = []
    of_nchan: list[float] = []
    async with tidings(TIDINGS_STREAMS_PER_SUBSCRIBER="1000") as running:
        audience = await audience_of(running, STREAMS, "all")
        await leave(running)

        async def of_peer(peer: Peer) -> float:
            return (await held(peer.source(audience.headers), hold_s, peer.pids[0])).memory_per_stream_kib

        for round_ in range(rounds):
            async with turn_of(running) as api:
                own.append(await held(audience.source(api.port), hold_s, api.pid))
            of_nchan += await beside(nchan, of_peer, report)
            report(f"round {round_ + 1}: {own[-1].memory_per_stream_kib:.2f} KiB a stream, Nchan {of_nchan[-1:]}")
    memory = [one.memory_per_stream_kib for one in own]
    resting = [one.hold_cpu_s / hold_s * 1e6 / STREAMS for one in own]
    what = f"{STREAMS:,} idle streams, memory of each"
    return [
        Figure(measure="idle", what=what, unit="KiB", rounds=memory, bound="≤", limit=MOST_KIB),
        Figure(measure="idle", what=f"{what}, beside the peer", unit="KiB", rounds=memory, peer="Nchan", beside=of_nchan),
        Figure(measure="idle", what=f"{STREAMS:,} idle streams, CPU of each", unit="µs/s", rounds=resting),
    ]


async def held(source: Source, hold_s: float, pid: int) -> Streamed:
    await streams(source, WARM_UP)
    return await streams(source, STREAMS, hold_s=hold_s, pids=[pid], bound_s=90)
