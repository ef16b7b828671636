"""The publishing load client says what it was answered."""

import shutil

import pytest
from load.event_server import accepted, event_server

from loadtests.client import publish

pytestmark = pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")), reason="no C compiler")

FULL = b'HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\nContent-Length: 14\r\n\r\n{"title":"no"}'


async def test_answers_are_counted_by_status() -> None:
    async with event_server(answer=lambda number: FULL if number % 4 == 3 else accepted(number)) as (house, port):
        seen = await publish(port, "/", '{"n":##}', {"Authorization": "Bearer x"}, requests=40, connections=4, bound_s=20)

    assert seen.statuses == {"202": 30, "503": 10}
    assert (seen.sent, seen.answered, seen.accepted, seen.lost, seen.events) == (40, 40, 30, 0, 40)
    assert seen.retry_after is not None
    assert (seen.retry_after.count, seen.retry_after.shortest_s) == (10, 7)
    assert seen.errors == ['{"title":"no"}'] * 3
    assert sorted(house.posts) == sorted(b'{"n":%d}' % number for number in range(40))


async def test_chunked_answers_and_closing_servers_are_understood() -> None:
    chunked = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    closing = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    async with event_server(answer=lambda number: closing if number % 5 == 4 else chunked) as (_, port):
        seen = await publish(port, "/", "x", {}, requests=30, connections=2, bound_s=20)

    assert (seen.accepted, seen.lost) == (30, 0)


async def test_batches_and_targets_in_turn() -> None:
    async with event_server() as (house, port):
        seen = await publish(port, "/", "%%", {}, requests=2, batch="[**]", batch_size=3, targets=["a", "b"], connections=1, bound_s=20)

    assert house.posts == [b"[a,b,a]", b"[b,a,b]"]
    assert seen.events == 6


async def test_a_rate_is_kept_to() -> None:
    async with event_server() as (house, port):
        seen = await publish(port, "/", "x", {}, seconds=0.5, rate=20, connections=2, bound_s=20)

    # Due at 0, 50, … 450 ms, however late the machine is.
    assert seen.sent == len(house.posts) == 10
