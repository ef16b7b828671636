"""A name server that says nothing holds up those who ask for its names, and nobody else."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable
from ipaddress import ip_address

import pytest
from outbound.ground import LOCAL, OK, answering, serving

from tidings.outbound import names as names_module
from tidings.outbound.client import open_outbound
from tidings.outbound.errors import NotResolved
from tidings.outbound.lookup import site_of
from tidings.outbound.names import KEPT_S, SLOW_FOR_S, STALE_S, THREADS, THREADS_A_SITE, THREADS_FOR_SLOW_SITES, Names

HERE = [ip_address("127.0.0.1")]
GONE = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NO_SERVER = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class Server:
    """What it is asked hangs if the name says so, until `over` is set. asked: which names, in order.   fails: with what it answers all."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.asked: list[str] = []
        self.fails: Exception | None = None
        self.all_hang = False
        self.now = 0.0
        self.names = Names(self.ask, clock=lambda: self.now)

    def ask(self, name: str) -> list[str]:
        self.asked.append(name)
        if self.all_hang or "hangs" in name:
            self.over.wait(60)
        if self.fails is not None:
            raise self.fails
        return ["127.0.0.1"]

    def hanging(self) -> int:
        return sum("hangs" in name for name in self.asked)

    async def has_been_asked(self, times: int) -> None:
        async with asyncio.timeout(10):
            while len(self.asked) < times:
                await asyncio.sleep(0.01)

    def want(self, *hosts: str) -> list[asyncio.Task[object]]:
        return [asyncio.create_task(self.names.addresses(host)) for host in hosts]


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(names_module, "SLOW_AFTER_S", 0.1)
    monkeypatch.setattr(names_module, "STALE_AFTER_S", 0.05)
    server = Server()
    yield server
    server.over.set()
    server.names.close()


async def soon(answer: Awaitable[object]) -> object:
    """Long before anything that hangs has an end."""
    return await asyncio.wait_for(answer, 5)


async def given_up(tasks: list[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_however_many_names_of_a_site_hang_it_has_its_share_of_the_threads(server: Server) -> None:
    tasks = server.want(*(f"hangs{number}.example.com" for number in range(THREADS)))
    await server.has_been_asked(THREADS_A_SITE)
    assert await soon(server.names.addresses("other.example.net")) == HERE
    assert server.hanging() == THREADS_A_SITE
    await given_up(tasks)


async def test_however_many_sites_did_not_answer_lately_they_share_a_part_of_the_threads(server: Server) -> None:
    sites = [f"hangs.example{number}.com" for number in range(THREADS - 10)]
    # Nobody knows yet, so all threads but a few are with them.
    first = server.want(*sites)
    async with asyncio.timeout(10):
        while len(server.names.slow) < len(sites):
            await asyncio.sleep(0.01)
    assert await soon(server.names.addresses("other.example.net")) == HERE
    await given_up(first)
    server.over.set()
    async with asyncio.timeout(10):
        while server.names.threads:
            await asyncio.sleep(0.01)

    server.over.clear()
    server.asked.clear()
    again = server.want(*(f"also-{name}" for name in sites))
    await server.has_been_asked(THREADS_FOR_SLOW_SITES)
    assert await soon(server.names.addresses("another.example.net")) == HERE
    assert server.hanging() == THREADS_FOR_SLOW_SITES
    # What nobody waits for any more takes no thread when one is free.
    await given_up(again)
    server.over.set()
    assert await soon(server.names.addresses("third.example.net")) == HERE
    assert server.hanging() == THREADS_FOR_SLOW_SITES
    assert not server.names.queue


async def test_a_site_that_answers_in_time_or_hung_long_ago_is_slow_no_more(server: Server) -> None:
    tasks = server.want("hangs.example.com", "hangs.example.org")
    async with asyncio.timeout(10):
        while len(server.names.slow) < 2:
            await asyncio.sleep(0.01)
    assert await soon(server.names.addresses("www.example.com")) == HERE
    assert [server.names.is_slow(site) for site in ("example.com", "example.org")] == [False, True]
    server.now = SLOW_FOR_S
    assert not server.names.is_slow("example.org")
    await given_up(tasks)


async def test_an_older_answer_serves_while_the_next_one_is_late_and_the_next_one_when_it_came(server: Server) -> None:
    assert await server.names.addresses("www.example.com") == HERE
    server.now, server.all_hang = KEPT_S, True
    assert await soon(server.names.addresses("www.example.com")) == HERE
    assert len(server.asked) == 2
    server.over.set()
    await soon(server.names.wanted["www.example.com"].answer)
    await asyncio.sleep(0)
    assert await soon(server.names.addresses("www.example.com")) == HERE
    # Kept again: nobody was asked.
    assert len(server.asked) == 2


async def test_an_older_answer_serves_while_no_name_server_is_there_but_not_for_ever(server: Server) -> None:
    assert await server.names.addresses("www.example.com") == HERE
    server.fails = NO_SERVER
    server.now = STALE_S - 1
    assert await soon(server.names.addresses("www.example.com")) == HERE
    server.now = STALE_S
    with pytest.raises(socket.gaierror):
        await soon(server.names.addresses("www.example.com"))


async def test_a_name_that_was_taken_away_is_not_served_from_before(server: Server) -> None:
    assert await server.names.addresses("www.example.com") == HERE
    server.now, server.fails = KEPT_S, GONE
    with pytest.raises(socket.gaierror):
        await soon(server.names.addresses("www.example.com"))


async def test_a_machine_without_a_thread_to_give_is_a_failed_attempt(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with serving(answering(OK)) as far, open_outbound(LOCAL, server.names) as client:
        url = f"http://www.example.com:{far.port}/"
        with monkeypatch.context() as without:
            without.setattr(threading.Thread, "start", no_thread)
            with pytest.raises(NotResolved, match="no thread to look it up") as failed:
                await client.request("POST", url, body=b"{}")
            assert not failed.value.may_have_arrived
        assert (await client.request("POST", url, body=b"{}")).status == 200


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("hooks.example.com", "example.com"),
        ("a.b.Example.com.", "example.com"),
        ("hooks.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("hooks.example.de", "example.de"),
        ("hooks", "hooks"),
    ],
)
def test_the_site_of_a_name_is_whose_name_servers_answer_for_it(name: str, site: str) -> None:
    assert site_of(name) == site
