"""CPU for one delivery, when a hundred notifications come at once.

1,000 signed-in streams, members of one topic. A hundred notifications are accepted together (one POST to /v1/notifications/batch; Nchan
gets a POST each, over four connections, since it has no batches); when all have reached every stream, the next hundred. What is pending
for a connection goes out in one write, so that a delivery costs a fraction of a write. Every delivery is checked.
"""

from collections.abc import Callable

from loadtests.audience import audience_of, beside, leave, turn_of
from loadtests.client import streams
from loadtests.figures import Figure, Form
from loadtests.ground import tidings
from loadtests.peers import Peer
from loadtests.peers.nchan import nchan

STREAMS = 1000
BURST = 100


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    # The first one finds receive windows that are small still: 12 ms more than the others. As one of three it was a tenth of the figure.
    bursts = int(form.choose(8, 50))
    of_nchan: list[float] = []
    own: list[float] = []
    async with tidings() as running:
        audience = await audience_of(running, STREAMS, "all")
        await leave(running)

        async def of_peer(peer: Peer) -> float:
            # It costs the same for every delivery: fewer are enough.
            target, events = peer.target(), 2 * BURST
            seen = await streams(peer.source(audience.headers), STREAMS, target, events=events, burst=BURST, pids=peer.pids)
            return seen.cpu_us_per_delivery

        for round_ in range(form.rounds):
            async with turn_of(running) as api:
                target, events = audience.batches(running, api.port), bursts * BURST
                source, bound_s = audience.source(api.port), 30 + 3 * bursts
                seen = await streams(source, STREAMS, target, events=events, burst=BURST, bound_s=bound_s, pids=[api.pid])
            own.append(seen.cpu_us_per_delivery)
            of_nchan += await beside(nchan, of_peer, report)
            report(f"round {round_ + 1}: {own[-1]:.3f} µs for a delivery, Nchan {of_nchan[-1] if of_nchan else float('nan'):.2f}")
    what = f"{STREAMS:,} streams, {BURST} events at once, CPU for a delivery"
    return [Figure(measure="bursts", what=what, unit="µs", rounds=own, peer="Nchan", beside=of_nchan, bound="≤", limit=0.03)]
