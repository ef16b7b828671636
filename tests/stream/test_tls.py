"""A detached stream over TLS that the process itself speaks."""

import asyncio
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from certificate import Certificate, make_certificate
from stream.raw import head, raw
from stream_ground import Ground
from stream_house import House

from tidings.errors import Misconfigured
from tidings.platform.tls import tls_context
from tidings.settings import Settings


@pytest.fixture
def trusting(certificate: Certificate) -> ssl.SSLContext:
    """A client that knows the certificate and checks it."""
    return ssl.create_default_context(cafile=str(certificate.certificate))


@pytest.fixture
async def house(ground: Ground, stack: AsyncExitStack, way: Any, encrypted: dict[str, Any]) -> House:
    """A process that speaks TLS."""
    return await ground.open(stack, way, **encrypted)


async def test_events_arrive_and_a_stream_resumes(house: House) -> None:
    assert house.url.startswith("https://")
    alice = await house.listen("alice")
    await house.publish("before", "alice")
    assert await alice.titles(1) == ["before"]
    alice.drop()
    for number in range(50):
        await house.publish(f"missed {number}", "alice")
    await house.settled()

    again = await house.listen("alice", alice.last_id)
    await house.publish("live", "alice")

    assert await again.titles(51) == [f"missed {number}" for number in range(50)] + ["live"]


async def test_the_certificate_is_the_one_that_was_set_and_the_version_is_new(house: House, trusting: ssl.SSLContext) -> None:
    async with raw(house.url, trusting) as client:
        assert client.writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        await client.send(await head(house, "alice"))
        await client.until(b"event: ready")


async def test_requests_in_front_and_bytes_behind_are_not_mixed_up(house: House, trusting: ssl.SSLContext) -> None:
    """What lies decrypted in the TLS layer when the socket changes hands is neither lost nor answered twice."""
    async with raw(house.url, trusting) as client:
        await client.send(await head(house, "alice", path="/v1/stream/poll") + await head(house, "alice", "Content-Length: 5") + b"hello")
        await client.until(b"event: ready")
        await house.publish("hello", "alice")
        await client.until(b'"hello"')
    assert client.received.count(b"HTTP/1.1 200") == 2


async def test_a_long_replay_arrives_whole_at_a_slow_reader(house: House, trusting: ssl.SSLContext) -> None:
    cursor = (await house.listen("alice")).ready["cursor"]
    for number in range(60):
        await house.publish(f"{number} " + "x" * 20_000, "alice")
    await house.settled()
    async with raw(house.url, trusting) as client:
        await client.send(await head(house, "alice", f"Last-Event-ID: {cursor}"))
        received = await client.until(b'"59 xx')

    titles = [part.split(b'"', 1)[0].split()[0] for part in received.split(b'"title": "')[1:]]
    assert titles == [str(number).encode() for number in range(60)]


async def test_a_client_that_does_not_read_is_cut_off(
    ground: Ground, stack: AsyncExitStack, way: Any, encrypted: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    house = await ground.open(stack, way, connection_buffer_bytes=65536, **encrypted)
    owner = await house.inner("slow")
    async with raw(house.url, trusting) as slow:
        await slow.send(await head(house, "slow"))
        await slow.until(b"event: ready")
        (connection,) = house.edge.hub.of(owner)
        most = 0
        while house.edge.hub.of(owner):
            connection.write(b": " + b"x" * 20_000 + b"\n\n")
            await asyncio.sleep(0.001)
            if connection.transport is not None:
                most = max(most, connection.transport.get_write_buffer_size())
    assert most < 3 * 65536
    assert not house.edge.hub.paused


async def test_the_end_is_a_clean_one(house: House, trusting: ssl.SSLContext) -> None:
    """The client is told that nothing was cut off (close_notify): without it, asyncio raises an error here."""
    async with raw(house.url, trusting) as client:
        await client.send(await head(house, "alice", "Connection: close"))
        await client.until(b"event: ready")
        (connection,) = house.edge.hub.everyone()

        connection.close("revoked")

        await client.until(b"event: closed")
        async with asyncio.timeout(10):
            assert await client.reader.read() in (b"", b"0\r\n\r\n")
    await house.until(lambda: not house.edge.hub.everyone())


async def test_a_client_that_leaves_politely_or_not_leaves_nothing(house: House, trusting: ssl.SSLContext) -> None:
    for politely in (True, False):
        async with raw(house.url, trusting) as client:
            await client.send(await head(house, "alice"))
            await client.until(b"event: ready")
            if politely:
                client.writer.close()
            else:
                client.reset()
            await house.until(lambda: not house.edge.hub.everyone() and not house.edge.admission.subscribers)


async def test_a_plain_request_is_no_trouble(house: House) -> None:
    async with raw(house.url.replace("https", "http")) as client:
        await client.send(await head(house, "alice"))
        assert b"200" not in await client.end()
    await house.listen("alice")


def test_files_that_do_not_fit_stop_the_start(certificate: Certificate, tmp_path: Path) -> None:
    other = make_certificate(tmp_path)
    plain = Settings(tls_certificate=certificate.certificate, tls_key=certificate.key)
    for wrong in ({"tls_key": other.key}, {"tls_certificate": Path(__file__)}):
        with pytest.raises(Misconfigured, match=r"TIDINGS_TLS_CERTIFICATE=.*TIDINGS_TLS_KEY="):
            tls_context(msgspec.structs.replace(plain, **wrong))
    assert tls_context(plain) is not None
    assert tls_context(Settings()) is None
