"""What is connected to is what was checked: a name is resolved once for a connection, and all of the answer counts."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from outbound.ground import EVERYTHING, LOCAL, OK, Server, allowing, answering, names, serving

from tidings.outbound.attempt import Attempt
from tidings.outbound.client import Outbound, open_outbound
from tidings.outbound.connector import ADDRESSES_TRIED
from tidings.outbound.errors import Blocked, NotConnected, TimedOut
from tidings.outbound.names import KEPT_S, Names

CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


class Rebinding:
    """A name that leads to the first address, then to the second, and so on; and a clock that is moved by hand."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.now = 0.0

    def look_up(self, name: str) -> list[str]:
        self.asked += 1
        return self.answers[(self.asked - 1) % len(self.answers)]

    @asynccontextmanager
    async def client(self, *allow: str) -> AsyncIterator[Outbound]:
        async with open_outbound(allowing(*allow), Names(self.look_up, clock=lambda: self.now)) as client:
            yield client


async def test_a_name_is_resolved_once_for_a_connection_and_that_answer_is_used(canary: Server, tried: list[list[str]]) -> None:
    rebinding = Rebinding(["10.0.0.1"], ["127.0.0.1"])
    async with rebinding.client("10.0.0.0/8") as client:
        await client.request("POST", "http://rebinding.example/", body=b"{}")
    assert rebinding.asked == 1
    assert tried == [["10.0.0.1"]]


async def test_a_name_that_leads_elsewhere_the_next_time_is_checked_again(canary: Server, tried: list[list[str]]) -> None:
    rebinding = Rebinding(["10.0.0.1"], ["127.0.0.1"])
    async with rebinding.client("10.0.0.0/8") as client:
        await client.request("POST", "http://rebinding.example/", body=b"{}")
        assert await canary.others() == 1
        rebinding.now = KEPT_S
        with pytest.raises(Blocked) as refused:
            # Another port, so that no connection is there already.
            await client.request("POST", "http://rebinding.example:81/", body=b"{}")
    assert refused.value.address == "127.0.0.1"
    assert tried == [["10.0.0.1"]]
    assert await canary.others() == 1


async def test_an_answer_that_is_kept_is_still_held_against_what_the_request_is(canary: Server, tried: list[list[str]]) -> None:
    rebinding = Rebinding(["93.184.215.14"])
    async with rebinding.client() as client:
        for url in ("http://public.example/", "https://public.example:25/"):
            with pytest.raises(Blocked):
                await client.request("POST", url)
    assert rebinding.asked == 1
    assert await canary.others() == 0


async def test_an_answer_is_used_for_ten_seconds_by_connections_that_follow(canary: Server, tried: list[list[str]]) -> None:
    rebinding = Rebinding(["10.0.0.1"], ["10.0.0.2"])
    async with rebinding.client("10.0.0.0/8") as client:
        for port, now in ((80, 0.0), (81, KEPT_S - 1), (82, KEPT_S)):
            rebinding.now = now
            await client.request("POST", f"http://rebinding.example:{port}/", body=b"{}")
    assert tried == [["10.0.0.1"], ["10.0.0.1"], ["10.0.0.2"]]


async def test_one_bad_address_refuses_the_good_ones(canary: Server, tried: list[list[str]]) -> None:
    async with open_outbound(allowing("10.0.0.0/8"), names({"mixed.example": ["10.0.0.1", "192.168.0.1"]})) as client:
        with pytest.raises(Blocked) as refused:
            await client.request("POST", "http://mixed.example/", body=b"{}")
    assert refused.value.address == "192.168.0.1"
    assert await canary.others() == 0


async def test_a_bad_address_beyond_those_that_are_tried_refuses_too(canary: Server, tried: list[list[str]]) -> None:
    many = [f"10.0.0.{n}" for n in range(1, 40)]
    known = {"many.example": many, "many-and-bad.example": [*many, "127.0.0.1"]}
    async with open_outbound(allowing("10.0.0.0/8"), names(known)) as client:
        with pytest.raises(Blocked):
            await client.request("POST", "http://many-and-bad.example/", body=b"{}")
        assert tried == []
        await client.request("POST", "http://many.example/", body=b"{}")
    assert tried == [many[:ADDRESSES_TRIED]]


async def test_the_next_address_is_tried_when_one_takes_no_connection() -> None:
    # Nothing listens at 127.0.0.2: the server has 127.0.0.1 alone.
    known = {"two.example": ["127.0.0.2", "127.0.0.1"]}
    async with serving(answering(OK)) as server, open_outbound(LOCAL, names(known)) as client:
        assert (await client.request("GET", f"http://two.example:{server.port}/")).status == 200


async def test_a_port_that_nobody_listens_at_is_said_to_take_no_connection() -> None:
    async with serving(answering(OK)) as server:
        port = server.port
    async with open_outbound(LOCAL, names({"gone.example": ["127.0.0.1"]})) as client:
        with pytest.raises(NotConnected) as failed:
            await client.request("POST", f"http://gone.example:{port}/?key=hunter2")
    assert failed.value.detail == "gone.example took no connection: refused."
    assert not failed.value.may_have_arrived


async def test_what_fails_before_a_plain_request_is_no_failure_of_tls() -> None:
    async with open_outbound(LOCAL) as client:
        with socket.socket() as unfit:
            unfit.close()
            with pytest.raises(NotConnected, match=r"gone\.example took no connection"):
                await client.connector.speak("gone.example", unfit, False, Attempt(15, 5))


async def test_callers_of_one_name_share_a_lookup_and_a_name_server_that_says_nothing_holds_up_no_other() -> None:
    answer = threading.Event()
    asked: list[str] = []

    def look_up(name: str) -> list[str]:
        asked.append(name)
        if name == "hanging.example":
            answer.wait(60)
        return ["127.0.0.1"]

    async with serving(answering(OK)) as server, open_outbound(LOCAL, Names(look_up)) as client:
        hanging = f"http://hanging.example:{server.port}/"
        outcomes = await asyncio.gather(*(client.request("GET", hanging, connect_s=0.2) for _ in range(20)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [TimedOut] * 20
        assert {outcome.phase for outcome in outcomes if isinstance(outcome, TimedOut)} == {"dns"}
        assert (await client.request("GET", f"http://answering.example:{server.port}/")).status == 200
        assert asked == ["hanging.example", "answering.example"]
        # Who asks again joins the lookup that is still under way.
        late = asyncio.create_task(client.request("GET", hanging))
        await asyncio.sleep(0)
        answer.set()
        assert (await late).status == 200
        assert asked == ["hanging.example", "answering.example"]


async def test_the_systems_own_names_are_resolved() -> None:
    async with serving(answering(OK)) as server, open_outbound(EVERYTHING) as client:
        answer = await client.request("GET", f"http://localhost:{server.port}/")
    assert answer.status == 200
    assert answer.latency.dns_ms is not None
