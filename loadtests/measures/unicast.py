"""From the Redis Stream to one subscriber each: 1,000 streams, each its own subscriber, 64 events under way.

Entries go into the shard's stream by XADD, with the next positions as their ids, as the sequencer writes them: what is measured is the
edge alone, from its XREAD to the socket. They are a real notification's entry, taken from the log, for another subscriber each. Nchan has
a channel for every subscriber, and gets POSTs over its keep-alive connections. The same random subscribers for both; each must get its
own events, exactly once, and no other's. Quoted are the rate, and the CPU of the API process for a delivery.
"""

import asyncio
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import msgspec

from loadtests.audience import audience_of, beside, leave, turn_of
from loadtests.client import Source, Streamed, Target, streams
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from loadtests.peers import Peer
from loadtests.peers.nchan import nchan
from tidings.events.entry import LogEvent, pack
from tidings.events.live import FIELD, stream_key
from tidings.events.log import Head, heads, read_after

STREAMS = 1000
WINDOW = 64
PAYLOAD = 250
# As many as are under way: fewer would hold Nchan back.
PUBLISHERS = 64


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    events = int(form.choose(25_000, 600_000))
    own: list[Streamed] = []
    of_nchan: list[Streamed] = []
    async with tidings() as running:
        audience = await audience_of(running, STREAMS, "all")
        entry, head = await an_entry(running, audience.subscribers[0])
        ids = await inner_ids(running, audience.subscribers)
        await leave(running)

        async def of_peer(peer: Peer) -> float:
            source, target = peer.source(audience.headers, audience.subscribers), peer.target(PUBLISHERS)
            of_nchan.append(await streams(source, STREAMS, target, events=events, window=WINDOW, unicast=True, pids=peer.pids))
            return of_nchan[-1].rate

        for round_ in range(form.rounds):
            own.append(await of_tidings(running, audience.headers, ids, to_stream(running, entry, head), events))
            await beside(nchan, of_peer, report)
            report(f"round {round_ + 1}: {told(own[-1:])}; Nchan {told(of_nchan[-1:])}")
    rate, cpu = "unicast, 1,000 subscribers, deliveries", "unicast, CPU for a delivery"
    return [
        figure(rate, "1/s", [one.rate for one in own], [one.rate for one in of_nchan], bound="≥", limit=1.3),
        figure(cpu, "µs", [one.cpu_us_per_delivery for one in own], [one.cpu_us_per_delivery for one in of_nchan], bound="≤", limit=0.6),
    ]


def figure(what: str, unit: str, own: list[float], of_nchan: list[float], **bound: object) -> Figure:
    return msgspec.convert(
        {"measure": "unicast", "what": what, "unit": unit, "rounds": own, "peer": "Nchan", "beside": of_nchan} | bound, Figure
    )


def told(seen: Sequence[Streamed]) -> str:
    return ", ".join(f"{one.rate:,.0f}/s at {one.cpu_us_per_delivery:.1f} µs" for one in seen) or "–"


async def of_tidings(running: Running, headers: Sequence[str], ids: Sequence[str], target: Target, events: int) -> Streamed:
    # Without a sequencer: it would see a stream that is ahead of the log, and begin a new history.
    assert target.redis_key is not None
    await running.redis.delete(target.redis_key)
    async with turn_of(running, workers=()) as api:
        source = Source(port=api.port, path="/v1/stream", own_headers=headers, targets=ids)
        return await streams(source, STREAMS, target, events=events, window=WINDOW, unicast=True, pids=[api.pid])


def to_stream(running: Running, entry: bytes, head: Head) -> Target:
    redis = urlsplit(running.valkey.program.url)
    return Target(
        port=redis.port or 6379,
        body=entry,
        payload=PAYLOAD,
        redis_key=stream_key(head.epoch, running.tenant.shard),
        redis_field=FIELD.decode(),
        redis_window=running.settings.hot_window_events,
        redis_password=redis.password,
        first_position=head.position + 1,
    )


async def an_entry(running: Running, subscriber: str) -> tuple[bytes, Head]:
    """A notification to one subscriber as it lies in the stream, made a template of; and where the log ends."""
    payload = "@" * PAYLOAD
    await running.call("POST", "/v1/notifications", {"to": [subscriber], "title": "Your export is ready", "body": payload})
    shard = running.tenant.shard
    async with asyncio.timeout(10), running.database.system.acquire() as connection:
        while True:
            head = (await heads(connection))[shard]
            [last] = await read_after(connection, shard, head.position - 1, 1)
            if last.type == "notification.created":
                return as_template(last, payload), head
            await asyncio.sleep(0.02)


def as_template(event: LogEvent, payload: str) -> bytes:
    """Packed, with the words that the load client replaces: eight bytes where an integer of eight bytes stands, and the payload."""
    position, audience = (int.from_bytes(word, "big") for word in (b"POSITION", b"AUDIENCE"))
    return pack(msgspec.structs.replace(event, position=position, recipients=[audience])).replace(payload.encode(), b"@@")


async def inner_ids(running: Running, subscribers: Sequence[str]) -> list[str]:
    rows = await running.database.system.fetch("SELECT external_id, id FROM subscribers WHERE project = $1", running.tenant.id)
    ids = {row["external_id"]: str(row["id"]) for row in rows}
    return [ids[subscriber] for subscriber in subscribers]
