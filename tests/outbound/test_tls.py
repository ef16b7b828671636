"""A certificate must prove the host of the URL, to the system's authorities or to those of SSL_CERT_FILE."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from certificate import make_certificate
from outbound.authority import Authority
from outbound.ground import LOCAL, OK, answering, names, serving

from tidings.outbound.client import Outbound, open_outbound
from tidings.outbound.errors import BrokenAnswer, TimedOut, TlsFailed


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def client(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outbound]:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with open_outbound(LOCAL, names({"hooks.example": ["127.0.0.1"]})) as client:
        yield client


async def test_a_proven_host_is_spoken_to_under_its_name(client: Outbound, authority: Authority) -> None:
    asked: list[str | None] = []
    seen: list[bytes] = []
    tls = authority.context("hooks.example")
    tls.sni_callback = lambda _, name, __: asked.append(name)
    async with serving(answering(OK, seen), tls) as server:
        first = await client.request("POST", f"https://Hooks.Example:{server.port}/a", body=b"{}")
        second = await client.request("POST", f"https://hooks.example:{server.port}/b", body=b"{}")

    assert (first.status, second.status) == (200, 200)
    assert asked == ["hooks.example"]
    assert all(f"\r\nhost: hooks.example:{server.port}\r\n".encode() in request.lower() for request in seen)
    took = first.latency
    assert None not in (took.dns_ms, took.connect_ms, took.tls_ms, took.first_byte_ms)
    assert took.total_ms >= sum(step or 0 for step in (took.dns_ms, took.connect_ms, took.tls_ms, took.first_byte_ms)) - 0.01
    assert (first.reused, second.reused) == (False, True)
    assert (second.latency.dns_ms, second.latency.connect_ms, second.latency.tls_ms) == (None, None, None)
    assert second.latency.first_byte_ms is not None


async def test_an_address_is_proven_as_an_address(client: Outbound, authority: Authority) -> None:
    async with serving(answering(OK), authority.context("127.0.0.1")) as server:
        assert (await client.request("GET", f"https://127.0.0.1:{server.port}/")).status == 200


async def test_a_certificate_that_signs_itself_is_not_accepted(client: Outbound, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.certificate, made.key)
    await assert_not_accepted(client, tls, "self-signed certificate")


async def test_an_expired_certificate_is_not_accepted(client: Outbound, authority: Authority) -> None:
    await assert_not_accepted(client, authority.context("hooks.example", valid_for=timedelta(days=-1)), "certificate has expired")


async def test_a_certificate_of_another_host_is_not_accepted(client: Outbound, authority: Authority) -> None:
    await assert_not_accepted(client, authority.context("other.example", "127.0.0.1"), "Hostname mismatch")


async def test_an_authority_that_nobody_named_is_not_trusted(authority: Authority) -> None:
    async with open_outbound(LOCAL, names({"hooks.example": ["127.0.0.1"]})) as client:
        await assert_not_accepted(client, authority.context("hooks.example"), "unable to get local issuer certificate")


async def assert_not_accepted(client: Outbound, tls: ssl.SSLContext, reason: str) -> None:
    seen: list[bytes] = []
    async with serving(answering(OK, seen), tls) as server:
        with pytest.raises(TlsFailed, match=reason) as failed:
            await client.request("POST", f"https://hooks.example:{server.port}/?key=hunter2", body=b"secret")
    assert seen == []
    assert not failed.value.may_have_arrived
    assert failed.value.latency is not None
    assert failed.value.latency.tls_ms is not None
    assert "hunter2" not in str(failed.value)


async def test_a_server_without_tls_is_said_to_be_one(client: Outbound) -> None:
    async def answer_anything(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(OK)
        await writer.drain()

    async with serving(answer_anything) as server:
        with pytest.raises(TlsFailed, match="handshake failed"):
            await client.request("POST", f"https://hooks.example:{server.port}/", body=b"{}")


async def test_a_server_that_hangs_up_in_the_handshake_is_said_to(client: Outbound) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with serving(hang_up) as server:
        with pytest.raises(TlsFailed, match="ended during the TLS handshake"):
            await client.request("POST", f"https://hooks.example:{server.port}/", body=b"{}")


async def test_a_handshake_that_does_not_go_on_ends(client: Outbound) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(hang) as server:
        with pytest.raises(TimedOut, match=r"longer than 0\.2 s, in the TLS handshake") as late:
            await client.request("POST", f"https://hooks.example:{server.port}/", body=b"{}", connect_s=0.2)
    assert late.value.phase == "tls"


async def test_https_never_falls_back_to_the_connections_of_http(client: Outbound) -> None:
    async with serving(answering(OK)) as server:
        assert (await client.request("GET", f"http://hooks.example:{server.port}/")).status == 200
        with pytest.raises((TlsFailed, TimedOut, BrokenAnswer)):
            await client.request("GET", f"https://hooks.example:{server.port}/", connect_s=0.2)
        assert server.connections == 2
