"""CPU for one delivery, while a topic gets one event after another.

Signed-in streams, all members of one topic. A notification is posted; when it has reached every stream, the next. Counted is the CPU of
the API process (accepting the POST, following the log, writing to the streams) for one delivery, beside that of Nchan's worker for the
same number of streams and the same payload in the same round. Every delivery is checked. For the table, and in the quick form only once:
`limit`, which writes and does nothing else; the other peers; and as many POSTs with nobody listening, to show what is not the edge's.
"""

from collections.abc import Callable, Sequence
from itertools import chain

from msgspec.structs import replace

from loadtests.audience import Audience, audience_of, beside, leave, turn_of
from loadtests.client import publish, streams
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from loadtests.peers import Peer
from loadtests.peers.limit import limit
from loadtests.peers.nchan import nchan
from loadtests.peers.pushpin import pushpin
from loadtests.peers.sse_starlette import sse_starlette

WORKERS = ("sequencer", "projections")
# Streams, events in the quick form, and how much of Nchan's CPU may be used.
SIZES = ((1000, 70, 0.85), (5000, 8, 1.0))
LONG_FACTOR = 10


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    async with tidings(WORKERS) as running:
        audiences = [await audience_of(running, count, f"of-{count}") for count, _, _ in SIZES]
        await leave(running)
        figures = [await alternate(form, report, running, audience, size) for audience, size in zip(audiences, SIZES, strict=True)]
        others = await beside_others(report, audiences[0], figures[0][0])
    return [*chain.from_iterable(figures), *others]


async def alternate(
    form: Form, report: Callable[[str], None], running: Running, audience: Audience, size: tuple[int, int, float]
) -> list[Figure]:
    count, quick, most = size
    events = int(form.choose(quick, LONG_FACTOR * quick))

    async def of_peer(peer: Peer) -> float:
        seen = await streams(peer.source(audience.headers), count, peer.target(), events=events, pids=peer.pids)
        return seen.cpu_us_per_delivery

    own: list[float] = []
    unheard: list[float] = []
    of_nchan: list[float] = []
    of_limit: list[float] = []
    for round_ in range(form.rounds):
        delivery, publishing = await of_tidings(running, audience, events, tells_publishing=form.is_long or not unheard)
        own.append(delivery)
        unheard += publishing
        of_nchan += await beside(nchan, of_peer, report)
        if form.is_long or not of_limit:
            of_limit += await beside(limit, of_peer, report)
        report(f"{count} streams, round {round_ + 1}: {told(own, of_nchan, of_limit)} µs for a delivery")
    what = f"{count:,} streams, CPU for a delivery"
    return [
        Figure(measure="fanout", what=what, unit="µs", rounds=own, peer="Nchan", beside=of_nchan, bound="≤", limit=most),
        Figure(
            measure="fanout",
            what=f"{what}, beside writing alone",
            unit="µs",
            rounds=own[: len(of_limit)] or own,
            peer="limit",
            beside=of_limit,
        ),
        Figure(measure="fanout", what=f"{count:,} streams, of which with nobody listening", unit="µs", rounds=unheard),
    ]


async def beside_others(report: Callable[[str], None], audience: Audience, own: Figure) -> list[Figure]:
    """Once each: they are so far away that rounds would tell no more."""
    figures = []
    for bring in (sse_starlette, pushpin):

        async def of_peer(peer: Peer) -> float:
            count = len(audience.subscribers)
            # Some lose events when a thousand streams come at once, and would be waited for.
            seen = await streams(peer.source(audience.headers), count, peer.target(), events=20, settle_s=2, bound_s=15, pids=peer.pids)
            return seen.cpu_us_per_delivery

        seen = await beside(bring, of_peer, report)
        name = bring.__name__.replace("_", "-")
        report(f"{name}: {seen[0]:.1f} µs for a delivery" if seen else f"{name}: –")
        figures.append(replace(own, what=f"{own.what}, beside {name}", rounds=[own.value], peer=name, beside=seen, bound=None, limit=None))
    return figures


async def of_tidings(running: Running, audience: Audience, events: int, *, tells_publishing: bool) -> tuple[float, list[float]]:
    """Microseconds for a delivery; and how many of them are spent when nobody listens: on accepting the POST and following the log."""
    async with turn_of(running, WORKERS) as api:
        count = len(audience.subscribers)
        target = audience.target(running, api.port)
        heard = await streams(audience.source(api.port), count, target, events=events, pids=[api.pid])
        if not tells_publishing:
            return heard.cpu_us_per_delivery, []
        unheard = await publish(api.port, target.path, audience.body, running.headers, connections=1, requests=events, pids=[api.pid])
        return heard.cpu_us_per_delivery, [unheard.cpu_s * 1e6 / (events * count)]


def told(own: Sequence[float], *others: Sequence[float]) -> str:
    names = ("Tidings", "Nchan", "limit")
    return ", ".join(f"{name} {rounds[-1]:.2f}" for name, rounds in zip(names, (own, *others), strict=True) if rounds)
