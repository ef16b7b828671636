"""Many sockets written to with one system call: what arrives is what would have arrived one by one, and at nobody else's.

Where the kernel has no io_uring these tests have nothing to hold, and say so.
"""

import random
import socket
from array import array
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any

import pytest
from stream.raw import head, raw
from stream_ground import Ground
from stream_house import House, Stream

from tidings.stream import ring as module
from tidings.stream.bare import FEWEST, write_each, write_to_all
from tidings.stream.connection import Connection
from tidings.stream.frames import BEAT
from tidings.stream.ring import ENTRIES, MOST_BYTES, Ring, Short, enter, fallen_short, open_ring
from tidings.stream.wheel import BEAT_S

PEOPLE = [f"person-{number}" for number in range(2 * FEWEST)]


@pytest.fixture
def ring() -> Iterator[Ring]:
    try:
        opened = Ring()
    except OSError as error:
        pytest.skip(f"io_uring cannot be had here: {error}")
    yield opened
    opened.close()


@pytest.fixture
def sends(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sockets each turn of any ring wrote to, so that a test holds the ring and not what stands in for it."""
    counted: list[int] = []
    send = Ring.send

    def counting(of: Ring, sockets: Any, *columns: Any) -> list[Short]:
        counted.append(len(sockets))
        return send(of, sockets, *columns)

    monkeypatch.setattr(Ring, "send", counting)
    return counted


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    with ExitStack() as stack:
        made = [socket.socketpair() for _ in range(300)]
        for pair in made:
            for end in pair:
                end.setblocking(False)
                stack.enter_context(end)
        yield made


Pairs = list[tuple[socket.socket, socket.socket]]


def test_each_socket_gets_its_own_however_often_the_ring_goes_round(ring: Ring, pairs: Pairs) -> None:
    for turn in range(4 * ENTRIES // len(pairs)):
        pieces = [f"{turn}.{number};".encode() for number in range(len(pairs))]
        assert ring.send_each([ours.fileno() for ours, _ in pairs], pieces) == []
        assert [theirs.recv(100) for _, theirs in pairs] == pieces
        assert ring.send_to_all([ours.fileno() for ours, _ in pairs], b"all") == []
        assert {theirs.recv(100) for _, theirs in pairs} == {b"all"}


def test_more_sockets_than_the_ring_has_entries_are_all_served(ring: Ring, pairs: Pairs) -> None:
    descriptors = [ours.fileno() for ours, _ in pairs] * (3 * ENTRIES // len(pairs) + 1)
    assert ring.send_to_all(descriptors, b"x") == []
    assert sum(len(theirs.recv(100)) for _, theirs in pairs) == len(descriptors)


def test_who_failed_and_who_took_a_part_are_told_and_hold_nobody_up(ring: Ring, pairs: Pairs) -> None:
    (gone, _), (full, reader) = pairs[3], pairs[5]
    gone_descriptor = gone.detach()
    socket.socket(fileno=gone_descriptor).close()
    took = filled(full)
    descriptors = [gone_descriptor if ours is gone else ours.fileno() for ours, _ in pairs[:10]]

    assert ring.send_to_all(descriptors, b"x" * 100) == [(3, 0), (5, 0)]
    much = b"y" * MOST_BYTES
    assert len(reader.recv(took)) == took
    short = dict(ring.send_to_all(descriptors, much))
    assert short[3] == 0
    assert 0 < short[5] < len(much)
    assert len(reader.recv(len(much))) == short[5]


def test_answers_belong_to_whom_they_name_and_not_to_whose_turn_it_is() -> None:
    assert fallen_short([1, 3, 0, 2], [-11, -32, 5, 9], [5, 6, 9, 7]) == [(1, 0), (3, 0)]
    assert fallen_short([2, 0], [4, 5], [5, 6, 9]) == [(1, 0), (2, 4)]


def test_a_kernel_that_tells_of_failures_first_has_nobody_get_it_twice_or_never(
    ring: Ring, pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Linux 6.1 does. None of our kernels can be made to, so their answers are put into that order."""

    def enter_failures_first(descriptor: int, entries: int, answers: int) -> int:
        submitted = enter(descriptor, entries, answers)
        begin = ring.answer_head[0] % (2 * ENTRIES)
        told = slice(begin, begin + submitted)
        in_order = sorted(zip(ring.taken[told], ring.names[told], strict=True), key=lambda answer: answer[0] >= 0)
        ring.taken[told], ring.names[told] = array("i", [took for took, _ in in_order]), array("Q", [name for _, name in in_order])
        return submitted

    monkeypatch.setattr(module, "enter", enter_failures_first)
    for number in (2, 5):
        filled(pairs[number][0])
    descriptors = [ours.fileno() for ours, _ in pairs[:8]]
    # Twice, so that the second time it begins somewhere within the ring.
    for _ in range(2):
        assert ring.send_each(descriptors, [b"x" * number for number in range(1, 9)]) == [(2, 0), (5, 0)]
        assert ring.send_to_all(descriptors, b"x") == [(2, 0), (5, 0)]


def filled(ours: socket.socket) -> int:
    """Until it takes no more; answers how much that was."""
    took = 0
    with suppress(BlockingIOError):
        while True:
            took += ours.send(b"y" * 50_000)
    return took


def test_a_deployment_may_do_without_it() -> None:
    assert open_ring("off") is None


async def test_streams_get_the_same_with_it_and_without(ground: Ground, stack: AsyncExitStack, sends: list[int]) -> None:
    tenant, _ = await ground.project()
    quick = await ground.join(stack, tenant)
    slow = await ground.join(stack, tenant, io_uring="off")
    topic = await quick.topic(*PEOPLE[:FEWEST])
    await quick.settled()
    await slow.settled()
    at_quick = [await quick.listen(person) for person in PEOPLE]
    at_slow = [await slow.listen(person) for person in PEOPLE]
    draw = random.Random(20261128)
    for number in range(60):
        audience: dict[str, Any] = draw.choice(({"topics": [topic]}, {"everyone": True}, {}))
        await quick.publish(f"{number} {'x' * draw.choice((1, 3000))}", *draw.sample(PEOPLE, draw.choice((1, 3, 9))), **audience)
    await quick.publish("the last", everyone=True)

    assert [await all_of(stream) for stream in at_quick] == [await all_of(stream) for stream in at_slow]
    assert sum(sends) > 0


async def all_of(stream: Stream) -> list[tuple[str | None, str]]:
    told: list[tuple[str | None, str]] = []
    while not told or told[-1][1] != "the last":
        event = await stream.next()
        told.append((event.id, event.data["title"]))
    return told


async def test_heartbeats_go_out_by_it(ground: Ground, stack: AsyncExitStack, sends: list[int]) -> None:
    house = await ground.open(stack)
    streams = [await house.listen(person) for person in PEOPLE]
    wheel = house.edge.hub.wheel
    bucket = wheel.buckets[(wheel.hand + 1) % BEAT_S]
    for connection in house.edge.hub.everyone():
        wheel.buckets[connection.bucket].discard(connection)
        connection.bucket = (wheel.hand + 1) % BEAT_S
        bucket.add(connection)
    sends.clear()
    wheel.tick(0)
    assert sends == [len(PEOPLE)]
    for stream in streams:
        await stream.line(BEAT.strip())


async def test_counts_go_out_by_it(ground: Ground, stack: AsyncExitStack, sends: list[int]) -> None:
    house = await ground.open(stack)
    streams = [await house.listen(person) for person in PEOPLE]
    sends.clear()
    await house.publish("counted", *PEOPLE)
    for stream in streams:
        await stream.line(b"event: inbox.counts")
    # The notification, and what it made of their counts.
    assert sends[:2] == [len(PEOPLE)] * 2


async def test_one_that_does_not_read_gets_the_rest_later_and_in_order(ground: Ground, stack: AsyncExitStack, sends: list[int]) -> None:
    house = await ground.open(stack)
    streams = [await house.listen(person) for person in PEOPLE]
    async with raw(house.url) as late:
        await late.send(await head(house, "late"))
        await late.until(b"event: ready")
        (connection,) = await connections_of(house, "late")
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        titles = [f"{number} {'x' * 60_000}" for number in range(8)]
        for title in titles:
            await house.publish(title, everyone=True)
        assert [await stream.titles(len(titles)) for stream in streams] == [titles] * len(streams)
        assert connection.transport.get_write_buffer_size() > 0

        received = await late.until(b"event: notification", len(titles))
        received = await late.until(f'"{titles[-1]}"'.encode())
    assert [title for title in titles if received.count(f'"{title}"'.encode()) == 1] == titles
    assert sorted(titles, key=lambda title: received.index(title.encode())) == titles


async def test_more_than_the_ring_has_room_for_arrives_too(ground: Ground, stack: AsyncExitStack, sends: list[int]) -> None:
    house = await ground.open(stack)
    streams = [await house.listen(person) for person in PEOPLE]
    connections = await connections_of(house, *PEOPLE)
    much = b'event: much\ndata: "' + b"x" * MOST_BYTES + b'"\n\n'
    sends.clear()
    write_to_all(ring_of(house), connections, much)
    third = much[: MOST_BYTES // 3 - 3] + b'"\n\n'
    write_each(ring_of(house), dict.fromkeys(connections, third))
    around = len('event: much data: ""') + 2
    lengths = [len(data) - around for data in (much, third)]
    assert [[len((await stream.next()).data) for _ in lengths] for stream in streams] == [lengths] * len(streams)
    assert sends == [3]


async def connections_of(house: House, *people: str) -> list[Connection]:
    return [house.edge.hub.of(await house.inner(person))[0] for person in people]


def ring_of(house: House) -> Ring:
    ring = house.edge.hub.ring
    assert ring is not None
    return ring


async def test_a_descriptor_that_was_given_away_is_never_written_to(ground: Ground, stack: AsyncExitStack, sends: list[int]) -> None:
    house = await ground.open(stack)
    for person in PEOPLE:
        await house.listen(person)
    ring = ring_of(house)
    sends.clear()
    ended, *others = await connections_of(house, *PEOPLE)
    descriptor = ended.descriptor
    assert descriptor >= 0
    ended.transport.abort()
    write_to_all(ring, [ended, *others], b": while it closes\n\n")
    assert sends == [len(others)]

    await house.until(lambda: ended.transport is None)
    with ExitStack() as opened:
        # The lowest free numbers are given first.
        ends = [end for _ in range(200) for end in socket.socketpair()]
        for end in ends:
            opened.enter_context(end)
            end.setblocking(False)
        assert descriptor in [end.fileno() for end in ends]
        write_to_all(ring, [ended, *others], b": after it closed\n\n")
        write_each(ring, dict.fromkeys([ended, *others], b": after it closed\n\n"))
        for end in ends:
            with pytest.raises(BlockingIOError):
                end.recv(1)
    assert sends == [len(others)] * 3


async def test_what_a_transport_still_holds_goes_first(ground: Ground, stack: AsyncExitStack, sends: list[int]) -> None:
    house = await ground.open(stack)
    streams = [await house.listen(person) for person in PEOPLE]
    connections = await connections_of(house, *PEOPLE)
    ring = ring_of(house)
    sends.clear()
    transport, written = connections[0].transport, 0
    while not transport.get_write_buffer_size():
        transport.write(b"event: one\ndata: [" + b"1," * 4000 + b"1]\n\n")
        written += 1
    assert connections[0].descriptor >= 0
    write_to_all(ring, connections, b"event: two\ndata: 2\n\n")
    assert [(await streams[0].next()).event for _ in range(written + 1)] == ["one"] * written + ["two"]
    assert sends == [len(connections) - 1]


async def test_what_speaks_tls_is_never_passed_by(ground: Ground, stack: AsyncExitStack, encrypted: dict[str, Any]) -> None:
    house = await ground.open(stack, **encrypted)
    streams = [await house.listen(person) for person in PEOPLE]
    assert {connection.descriptor for connection in await connections_of(house, *PEOPLE)} == {-1}
    await house.publish("sealed", everyone=True)
    assert [await stream.titles(1) for stream in streams] == [["sealed"]] * len(streams)
