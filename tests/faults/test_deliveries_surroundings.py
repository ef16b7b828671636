"""Deliveries while clocks step, while names do not resolve, and while PostgreSQL's disk is full."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from faults import test_postgres
from faults.delivering import ALLOWED, Door, delivering
from faults.deployment import Deployment, Part
from faults.listener import until
from faults.test_postgres import LIBFAKETIME, Clock, fill, refused

RATE = 30.0
# Of the endpoint that has one, in attempts a second.
PACE = 15.0

needs_faketime = pytest.mark.skipif(LIBFAKETIME is None, reason="libfaketime (Debian's package faketime) is not installed")
small_disk = test_postgres.small_disk


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    state = tmp_path_factory.mktemp("surroundings") / "state"
    async with Deployment(state, planners=1, senders=1, environ=ALLOWED) as deployment:
        yield deployment


@asynccontextmanager
async def beside(deployment: Deployment, *parts: Part) -> AsyncIterator[None]:
    """Further processes, as long as this lasts."""
    try:
        for part in parts:
            await part.start()
        yield
    finally:
        for part in parts:
            await part.kill()


# Clocks that step


@needs_faketime
async def test_a_planner_and_a_worker_whose_clocks_step_send_nothing_twice_too_soon_or_too_late(
    deployment: Deployment, api_key: str, seed: int, tmp_path: Path
) -> None:
    """An hour ahead, two back, and right again, beside a planner and a worker whose clocks are right."""
    clock = Clock(tmp_path / "clock")
    planner = Part(deployment, "planner-stepping", ("worker", "planner"), clock.wrapper)
    sender = Part(deployment, "sender-stepping", ("worker", "deliveries"), clock.wrapper)
    async with beside(deployment, planner, sender), delivering(deployment, api_key, seed, rate=RATE) as under_way:
        # Some attempts take longer than a lease, which holds because it is renewed.
        await under_way.endpoint(Door("/slow", seed, fails=0.2, hangs=0.03, hangs_s=12), [2] * 10)
        paced = await under_way.endpoint(Door("/paced", seed), [2] * 10, rate=PACE)
        under_way.load.publish()
        for offset in ("+3600", "-3600", "+0"):
            clock.set(offset)
            await under_way.until_accepted(RATE * 3)
        await under_way.load.stop_publishing()
        # What is paced waits for its turn; nothing waits for an hour.
        await under_way.settled(within=30 + len(under_way.accepted) / PACE)
        ledger = await under_way.without_faults()
        # Nobody was killed: whatever came twice was taken from somebody who had it.
        assert ledger.outcomes().keys() == {"delivered", "retry"}
        assert ledger.states() == {"delivered": 2 * len(under_way.accepted)}
        # A busy machine may hold up the first ones, and they come nearer to the others; not by seconds.
        times = [arrival.at for arrival in ledger.arrivals[paced]]
        assert len(times) < PACE * (max(times) - min(times) + 3)
        # Both had their part in it.
        assert {planner.is_running, sender.is_running} == {True}
        assert any(attempt.worker.endswith(f":{sender.pid}") for one in ledger.deliveries for attempt in one.attempts)


@needs_faketime
async def test_an_endpoints_order_holds_over_a_planner_whose_clock_is_an_hour_behind(
    deployment: Deployment, api_key: str, seed: int, tmp_path: Path
) -> None:
    clock = Clock(tmp_path / "clock")
    clock.set("-3600")
    late = Part(deployment, "planner-late", ("worker", "planner"), clock.wrapper)
    async with delivering(deployment, api_key, seed, rate=RATE) as under_way:
        door = Door("/ordered", seed)
        door.is_open.clear()
        await under_way.endpoint(door, [1] * 10, order_by="endpoint")
        under_way.load.publish()
        await under_way.until_accepted(RATE)
        await under_way.planned(30)
        await deployment.planners[0].kill()
        async with beside(deployment, late):
            await under_way.until_accepted(RATE)
            await under_way.load.stop_publishing()
            await under_way.planned(len(under_way.accepted))
            door.is_open.set()
            await under_way.settled(within=60)
        ledger = await under_way.without_faults()
        assert [arrival.id for arrival in door.arrivals] == [delivery.id for delivery in ledger.deliveries]


# Names


class Dns(asyncio.DatagramProtocol):
    """A name server that knows every name: 127.0.0.1. Closed, its machine says that nobody listens there."""

    HOST = "127.53.53.53"

    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Raises OSError where this process may not."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=(self.HOST, 53))

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by its class.
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self.transport is not None
        end = data.index(b"\0", 12) + 5
        question, is_a = data[12:end], data[end - 4 : end - 2] == b"\0\1"
        # A response, recursion available, one question, an answer to A alone (RFC 1035 §4.1): the name as above, A, IN, 1 s, four bytes.
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + bytes((127, 0, 0, 1)) if is_a else b""
        self.transport.sendto(data[:2] + b"\x81\x80\0\1" + bytes((0, int(is_a))) + b"\0\0\0\0" + question + answer, addr)


@pytest.fixture
async def asking_dns(tmp_path: Path) -> AsyncIterator[tuple[Dns, tuple[str, ...]]]:
    """The server, closed, and the command that runs a process for which it is the only one."""
    dns, settings = Dns(), tmp_path / "resolv.conf"
    settings.write_text(f"nameserver {Dns.HOST}\noptions timeout:1 attempts:1\n")
    wrapper = ("unshare", "--mount", "sh", "-c", f'mount --bind {settings} /etc/resolv.conf && exec "$@"', "sh")
    try:
        await dns.open()
        dns.close()
    except OSError as error:
        pytest.skip(f"a name server needs port 53: {error}")
    trial = await asyncio.create_subprocess_exec(*wrapper, "true", stderr=asyncio.subprocess.DEVNULL)
    if await trial.wait() != 0:
        pytest.skip("a resolv.conf of one's own is a mount, and mounts are root's")
    yield dns, wrapper
    dns.close()


async def test_while_names_do_not_resolve_deliveries_wait_and_other_endpoints_are_not_disturbed(
    deployment: Deployment, api_key: str, seed: int, asking_dns: tuple[Dns, tuple[str, ...]]
) -> None:
    dns, wrapper = asking_dns
    await deployment.senders[0].kill()
    sender = Part(deployment, "sender-asking", ("worker", "deliveries"), wrapper)
    async with beside(deployment, sender), delivering(deployment, api_key, seed, rate=RATE) as under_way:
        named, literal = Door("/named", seed), Door("/literal", seed)
        by_name = await under_way.endpoint(named, [1] * 20, host="receiver.test")
        await under_way.endpoint(literal, [1] * 20)
        under_way.load.publish()
        await under_way.until_breaker(by_name, "open", within=20)
        await under_way.until_accepted(RATE)
        known = len(under_way.accepted)
        await until(lambda: len(literal.arrivals) >= known, 10, "those that need no name")
        assert named.arrivals == []
        await dns.open()
        await under_way.load.stop_publishing()
        # The first probe comes after 15 s.
        await under_way.settled(within=60)
        ledger = await under_way.without_faults()
        assert ledger.states() == {"delivered": 2 * len(under_way.accepted)}
        failures = {(one.endpoint, attempt.reason) for one in ledger.deliveries for attempt in one.attempts if attempt.outcome == "retry"}
        assert failures == {(by_name, "not_resolved")}


# A disk that is full


async def test_while_postgresqls_disk_is_full_nothing_is_lost_settled_wrongly_or_counted_and_not_made(small_disk: Path, seed: int) -> None:
    options = {"max_wal_size": "48MB", "min_wal_size": "32MB", "shared_buffers": "16MB"}
    async with (
        Deployment(small_disk, planners=1, senders=1, environ=ALLOWED, postgres=options) as deployment,
        delivering(deployment, await deployment.new_project(), seed, rate=RATE) as under_way,
    ):
        others = await deployment.new_project()
        await under_way.endpoint(Door("/hook", seed, fails=0.2, hangs=0.1, hangs_s=1), [1] * 10)
        under_way.load.publish()
        await under_way.until_accepted(RATE)
        lines, began = [len(part.lines()) for part in deployment.own], time.monotonic()
        filler = fill(small_disk / "postgres", leave=256 * 1024)
        try:
            # Together, because PostgreSQL first fills the segments of its log that it has already.
            await asyncio.gather(*(refused(deployment, others, within=60) for _ in range(8)))
            await asyncio.sleep(5)  # and goes on being full for a while
        finally:
            filler.unlink()
        # It may have ended itself, when not even its own log could be written; whoever runs it starts it again.
        has_ended = not deployment.postgres.is_running
        if has_ended:
            await deployment.postgres.start()
        await deployment.ready()
        for part, before in zip(deployment.own, lines, strict=True):
            new = part.lines()[before:]
            assert len(new) <= max(16, time.monotonic() - began), "\n".join(new)
        await under_way.until_accepted(RATE)
        await under_way.load.stop_publishing()
        await under_way.settled(within=60)
        ledger = await under_way.without_faults()
        await under_way.nobody_else_is_hurt()
        arrived = ledger.arrived()
        assert ledger.states().keys() == {"delivered"}
        unmade = [one for one in ledger.deliveries if len(arrived[one.id]) != len(one.attempts)]
        # One was claimed, and PostgreSQL ended before it could say so.
        assert not unmade or has_ended, unmade
