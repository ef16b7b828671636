"""Connections are kept, bounded and shared, and a request goes out a second time only where that does no harm."""

import asyncio

import pytest
from outbound.ground import HEAD, LOCAL, OK, answering, client, names, pouring, read_request, serving, url_of

from tidings.deliveries.ledger.dispatch import MOST_OUT
from tidings.outbound import client as client_module
from tidings.outbound import pool as pool_module
from tidings.outbound.client import Outbound, open_outbound
from tidings.outbound.errors import BrokenAnswer, NotConnected, TimedOut
from tidings.platform.descriptors import raise_descriptor_limit

FORGED = b"HTTP/1.1 299 Forged\r\nContent-Length: 0\r\n\r\n"

__all__ = ["client"]


@pytest.mark.parametrize(
    "answer",
    [
        OK + FORGED,
        OK + FORGED[:1],
        OK + FORGED[:20],
        OK + b"\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 40\r\n\r\n" + FORGED,
        b"HTTP/1.1 304 Not Modified\r\n\r\n" + FORGED[:20],
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
    ],
    ids=["an answer", "a byte", "half an answer", "a line", "behind 204", "behind 304", "another protocol"],
)
async def test_a_connection_on_which_more_came_than_an_answer_is_not_used_again(client: Outbound, answer: bytes) -> None:
    async with serving(answering(answer)) as server:
        first = await client.request("GET", url_of(server))
        second = await client.request("GET", url_of(server))
    assert first.status == second.status == int(answer[9:12])
    assert not second.reused


async def test_what_comes_later_and_unasked_is_not_taken_for_the_next_answer(client: Outbound) -> None:
    ended = asyncio.Event()

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.05)  # a segment of its own; in one with the answer it is the test above
        writer.write(FORGED)
        await reader.read()
        ended.set()

    async with serving(twice) as server:
        assert (await client.request("GET", url_of(server))).status == 200
        await asyncio.wait_for(ended.wait(), 10)
        assert (await client.request("GET", url_of(server))).status == 200


async def test_a_second_try_that_finds_nobody_does_not_hide_that_the_first_was_sent(client: Outbound) -> None:
    async with serving(dying) as server:
        await client.request("POST", url_of(server), body=b"{}")
        url = url_of(server)

        async def gone(*_: object) -> None:
            raise NotConnected("gone")

        connect, client.connector.connect = client.connector.connect, gone  # type: ignore[method-assign,assignment]
        try:
            with pytest.raises(BrokenAnswer) as broken:
                await client.request("POST", url, body=b"{}", repeatable=True)
        finally:
            client.connector.connect = connect  # type: ignore[method-assign]
    assert broken.value.may_have_arrived


async def test_few_connections_are_kept_however_many_names_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MOST_IDLE", 5)
    known = {f"h{number}.example": ["127.0.0.1"] for number in range(20)}
    async with serving(answering(OK)) as server, open_outbound(LOCAL, names(known)) as client:
        for name in known:
            await client.request("GET", f"http://{name}:{server.port}/")
        assert len(client.pool.ages) == sum(map(len, client.pool.idle.values())) == 5


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_new_connection_that_ends_at_once_is_not_tried_again(client: Outbound, method: str) -> None:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with serving(end) as server:
        with pytest.raises(BrokenAnswer):
            await client.request(method, url_of(server), repeatable=True)
        assert await server.others() == 1


async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One answer that promises more, and an end when that is asked for."""
    await read_request(reader)
    writer.write(OK)
    await read_request(reader)


@pytest.mark.parametrize(("method", "repeatable"), [("GET", None), ("PUT", None), ("POST", True)])
async def test_a_request_is_repeated_once_when_a_kept_connection_had_died(client: Outbound, method: str, repeatable: bool | None) -> None:
    async with serving(dying) as server:
        await client.request(method, url_of(server), body=b"{}")
        answered = await client.request(method, url_of(server), body=b"{}", repeatable=repeatable)
        assert (answered.status, answered.reused) == (200, False)
        assert await server.others() == 2


@pytest.mark.parametrize(("method", "repeatable"), [("POST", None), ("POST", False), ("GET", False)])
async def test_a_request_that_must_not_arrive_twice_is_not_repeated(client: Outbound, method: str, repeatable: bool | None) -> None:
    async with serving(dying) as server:
        await client.request(method, url_of(server), body=b"{}")
        with pytest.raises(BrokenAnswer) as broken:
            await client.request(method, url_of(server), body=b"{}", repeatable=repeatable)
        assert broken.value.may_have_arrived
        assert await server.others() == 1


async def test_an_answer_that_had_begun_is_not_asked_for_again(client: Outbound) -> None:
    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await dying(reader, writer)
        writer.write(b"H")
        await writer.drain()

    async with serving(begin) as server:
        await client.request("GET", url_of(server))
        with pytest.raises(BrokenAnswer):
            await client.request("GET", url_of(server))
        assert await server.others() == 1


async def test_waiting_for_a_connection_is_none_of_the_receivers_time_and_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CONNECTIONS", 1)
    async with serving(pouring(HEAD, b"H", 0.02)) as server, open_outbound(LOCAL, names({"hooks.example": ["127.0.0.1"]})) as client:
        first = asyncio.create_task(client.request("POST", url_of(server), timeout_s=0.4))
        async with server.came:
            await asyncio.wait_for(server.came.wait_for(lambda: server.connections == 1), 10)
        waits = asyncio.create_task(client.request("POST", url_of(server), timeout_s=0.8))
        with pytest.raises(TimedOut, match="all our connections were in use") as late:
            await client.request("POST", url_of(server), timeout_s=0.1)
        assert late.value.phase == "queue"
        assert not late.value.may_have_arrived
        with pytest.raises(TimedOut):
            await first
        with pytest.raises(TimedOut) as waited:
            await waits
    assert waited.value.phase == "answer"
    assert waited.value.latency is not None
    # All of its time, after what it had waited.
    assert waited.value.latency.total_ms > 1000


async def test_places_take_turns_when_all_connections_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CONNECTIONS", 1)
    seen: list[bytes] = []
    known = {"one.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}
    async with serving(answering(OK, seen)) as server, open_outbound(LOCAL, names(known)) as client:
        hosts = ["one", "one", "one", "other"]
        await asyncio.gather(*(client.request("GET", f"http://{host}.example:{server.port}/") for host in hosts))
    assert [request.partition(b"host: ")[2].partition(b".")[0] for request in seen] == [b"one", b"one", b"other", b"one"]


async def test_all_deliveries_that_may_be_out_have_a_connection_whatever_their_receiver() -> None:
    raise_descriptor_limit()
    hanging = 0
    all_there, over = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hanging
        await read_request(reader)
        hanging += 1
        if hanging == MOST_OUT:
            all_there.set()
        await over.wait()
        writer.write(OK)
        await writer.drain()

    async with serving(hang) as server, open_outbound(LOCAL, names({"hooks.example": ["127.0.0.1"]})) as client:
        requests = [
            asyncio.create_task(client.request("POST", url_of(server), body=b"{}", timeout_s=60, connect_s=60)) for _ in range(MOST_OUT)
        ]
        await asyncio.wait_for(all_there.wait(), 50)
        over.set()
        assert {answer.status for answer in await asyncio.gather(*requests)} == {200}


async def test_a_connection_serves_one_request_after_another(client: Outbound) -> None:
    async with serving(answering(OK)) as server:
        answers = [await client.request("POST", url_of(server), body=b"{}") for _ in range(5)]
        assert await server.others() == 1
    assert [answer.reused for answer in answers] == [False, True, True, True, True]


async def test_a_caller_who_gives_up_leaves_no_connection_behind(client: Outbound) -> None:
    ended = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()
        ended.set()

    async with serving(hang) as server:
        request = asyncio.create_task(client.request("POST", url_of(server), body=b"{}"))
        async with server.came:
            await asyncio.wait_for(server.came.wait_for(lambda: server.connections == 1), 10)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await asyncio.wait_for(ended.wait(), 10)
