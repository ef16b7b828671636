"""CPU of the API process for one stream that is opened: accept, sign-in, limits, memberships, the head and the first event.

Each round starts the process afresh, lets other people open streams first, and then opens streams with tokens that it has never seen, of
people it has not seen either; ends them, and opens them again with the same tokens. 64 are under way at a time. Beside it, in the same
round: a bare Litestar route that begins an event stream and does nothing else, and one Ed25519 check, which every new token needs.
"""

import time
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from loadtests.audience import audience_of, beside, leave, turn_of
from loadtests.client import Source, streams
from loadtests.figures import Figure, Form
from loadtests.ground import tidings
from loadtests.peers import Peer
from loadtests.peers.bare import bare

EARLIER = 500
CHECKS = 1000
MOST_NEW_US, MOST_KNOWN_US = 450, 300


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    count = int(form.choose(1500, 10_000))
    new: list[float] = []
    known: list[float] = []
    alone: list[float] = []
    check: list[float] = []
    async with tidings() as running:
        audience = await audience_of(running, count + EARLIER, "all")
        earlier, headers = audience.headers[:EARLIER], audience.headers[EARLIER:]
        await leave(running)

        async def of_peer(peer: Peer) -> float:
            await streams(peer.source(earlier), EARLIER, pids=peer.pids)
            return (await streams(peer.source(headers), count, pids=peer.pids)).open_cpu_us

        for round_ in range(form.rounds):
            async with turn_of(running) as api:
                await streams(source(api.port, earlier), EARLIER)
                new.append((await streams(source(api.port, headers), count, pids=[api.pid])).open_cpu_us)
                known.append((await streams(source(api.port, headers), count, pids=[api.pid])).open_cpu_us)
            alone += await beside(bare, of_peer, report)
            check.append(check_us())
            report(f"round {round_ + 1}: new {new[-1]:.0f}, known {known[-1]:.0f}, bare route {alone[-1]:.0f}, a check {check[-1]:.0f} µs")
    both = [route + one for route, one in zip(alone, check, strict=True)]
    figures: tuple[tuple[str, list[float], str | None, list[float], int | None], ...] = (
        ("a token not seen before", new, None, [], MOST_NEW_US),
        ("a token seen before", known, None, [], MOST_KNOWN_US),
        ("not seen before, beside", new, "a bare route and a check", both, None),
        ("seen before, beside", known, "a bare route", alone, None),
    )
    return [
        Figure(
            measure="opening",
            what=f"CPU to open a stream, {what}",
            unit="µs",
            rounds=rounds,
            peer=peer,
            beside=others,
            bound="≤" if most else None,
            limit=most,
        )
        for what, rounds, peer, others, most in figures
    ]


def source(port: int, own_headers: Sequence[str]) -> Source:
    return Source(port=port, path="/v1/stream", own_headers=own_headers)


def check_us() -> float:
    """One Ed25519 check, as long as a token."""
    private, text = Ed25519PrivateKey.generate(), b"x" * 250
    public, signature = private.public_key(), private.sign(text)
    began = time.process_time()
    for _ in range(CHECKS):
        public.verify(signature, text)
    return (time.process_time() - began) / CHECKS * 1e6
