"""`tidings doctor` against a real API process, alone and behind real proxies that do something wrong."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from certificate import Certificate
from doctor.between import (
    BUFFERING,
    CACHEABLE,
    CACHED,
    COMPRESSING,
    ELSEWHERE,
    HIDING_HEALTH,
    IMPATIENT_HAPROXY,
    IMPATIENT_NGINX,
    SENT_ON,
)
from doctor.conftest import NewProxy
from doctor.running_doctor import Examined, begin_doctor, doctor, examined
from running import Api, Running

from tidings.platform.embedded.memory import free_port

LIBFAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
PRODUCT = ["nginx.conf", "haproxy.cfg"]


async def through(proxy: NewProxy, certificate: Certificate, token: str, name: str, replaced: Any = None, idle: float = 2) -> Examined:
    """What it says through a proxy whose certificate this machine knows."""
    started = await proxy(name, replaced)
    return await doctor(started.url, token, idle=idle, SSL_CERT_FILE=str(certificate.certificate))


async def test_a_healthy_tidings_has_nothing_to_change_and_its_heartbeats_are_heard(api: Api, token: str) -> None:
    found = await doctor(api.base_url, token, idle=21)
    assert (found.code, found.report["ok"], found.unchecked) == (0, True, {}), found.out
    assert set(found.severities.values()) == {"ok"}
    assert list(found.severities) == [
        *("reachable", "token", "protocol", "buffering", "compression", "caching"),
        *("heartbeats", "stream-idle", "poll-idle", "clock", "drain"),
    ]
    assert found.report["facts"]["held"]["heardAtS"], "no heartbeat was heard"


async def test_people_are_shown_it_in_words(api: Api, token: str) -> None:
    found = await examined(await begin_doctor(api.base_url, "--idle", "1", TIDINGS_TOKEN=token))
    assert found.code == 0
    assert "✓ Streams come through at once: Headers after" in found.out
    assert "– Not looked at: heartbeats. A stream was held for 1.0 s" in found.out
    assert found.out.endswith("Nothing to change.\n")
    assert found.err == "Asking for a plain answer …\nOpening a stream …\nHolding a stream and a long poll for 1.0 s …\n"


@pytest.mark.parametrize("name", PRODUCT)
async def test_the_configurations_of_the_documentation_are_healthy(
    proxy: NewProxy, certificate: Certificate, token: str, name: str
) -> None:
    found = await through(proxy, certificate, token, name)
    assert (found.code, found.flaws) == (0, {}), found.out
    assert found.report["facts"]["protocol"] == "h2"
    assert found.severities["certificate"] == "ok"


async def test_http_1_over_tls_is_told(proxy: NewProxy, certificate: Certificate, token: str) -> None:
    found = await through(proxy, certificate, token, "nginx-least.conf")
    assert (found.code, found.flaws) == (1, {"protocol": "warning"}), found.out
    assert "http2 on" in found.finding("protocol")["change"]


async def test_a_proxy_that_buffers_is_told(proxy: NewProxy, certificate: Certificate, token: str) -> None:
    found = await through(proxy, certificate, token, "nginx.conf", BUFFERING)
    assert (found.code, found.flaws) == (1, {"buffering": "error"}), found.out
    assert "proxy_buffering off" in found.finding("buffering")["change"]
    assert found.severities["poll-idle"] == "ok"


async def test_a_proxy_that_compresses_is_told(proxy: NewProxy, certificate: Certificate, token: str) -> None:
    found = await through(proxy, certificate, token, "nginx.conf", COMPRESSING)
    assert (found.code, found.flaws) == (1, {"compression": "warning"}), found.out
    assert found.report["facts"]["opening"]["readyS"] < 5


@pytest.mark.parametrize(("replaced", "severity"), [(CACHEABLE, "warning"), (CACHED, "error")], ids=["changed", "cached"])
async def test_a_cache_is_told(proxy: NewProxy, certificate: Certificate, token: str, replaced: Any, severity: str) -> None:
    found = await through(proxy, certificate, token, "nginx.conf", replaced)
    assert (found.code, found.flaws) == (1, {"caching": severity}), found.out


@pytest.mark.parametrize(("name", "replaced"), list(zip(PRODUCT, [IMPATIENT_NGINX, IMPATIENT_HAPROXY], strict=True)), ids=PRODUCT)
async def test_an_idle_time_out_is_told(proxy: NewProxy, certificate: Certificate, token: str, name: str, replaced: Any) -> None:
    found = await through(proxy, certificate, token, name, replaced, idle=8)
    assert (found.code, found.flaws) == (1, {"stream-idle": "error", "poll-idle": "error"}), found.out
    assert "proxy_read_timeout" in found.finding("stream-idle")["change"]
    assert "was answered 504 after" in found.finding("poll-idle")["found"]
    assert 2.5 < found.report["facts"]["held"]["heldS"] < 4


async def test_where_health_is_hidden_the_clock_is_read_all_the_same(proxy: NewProxy, certificate: Certificate, token: str) -> None:
    found = await through(proxy, certificate, token, "nginx.conf", HIDING_HEALTH)
    assert found.code == 0
    assert "drain" in found.unchecked
    assert found.report["facts"]["clock"]["withinS"] >= 0.5


async def test_a_short_drain_window_is_told(tidings: Running, token: str) -> None:
    found = await doctor(tidings.base_url, token)
    assert (found.code, found.flaws) == (1, {"drain": "warning"}), found.out
    assert "TIDINGS_DRAIN_S" in found.finding("drain")["change"]


async def test_a_process_that_stops_meanwhile_is_no_proxy_that_cuts(api: Api, token: str) -> None:
    process = await begin_doctor(api.base_url, "--json", "--idle", "20", TIDINGS_TOKEN=token)
    assert process.stderr is not None
    while not (await process.stderr.readline()).startswith(b"Holding"):
        pass
    await api.end()
    found = await examined(process)
    assert "reconnect, drain" in found.unchecked["stream-idle"]
    assert "stream-idle" not in found.flaws


@pytest.mark.skipif(LIBFAKETIME is None, reason="libfaketime (Debian's package faketime) is not installed")
@pytest.mark.parametrize(("offset", "severity"), [("+90s", "error"), ("-20s", "warning"), ("+2s", "ok")])
async def test_a_clock_that_is_off_is_told(api: Api, token: str, offset: str, severity: str) -> None:
    found = await doctor(api.base_url, token, LD_PRELOAD=str(LIBFAKETIME), FAKETIME=offset, DONT_FAKE_MONOTONIC="1")
    assert found.severities["clock"] == severity, found.out
    assert abs(found.report["facts"]["clock"]["aheadS"] - float(offset.rstrip("s"))) < 1


async def test_a_refused_token_is_a_finding(api: Api, token: str) -> None:
    found = await doctor(api.base_url, token[:-8])
    assert (found.code, found.severities) == (1, {"token": "error"})


@pytest.mark.parametrize("replaced", [ELSEWHERE, SENT_ON], ids=["404", "301"])
async def test_something_else_that_answers_is_told(proxy: NewProxy, certificate: Certificate, token: str, replaced: Any) -> None:
    found = await through(proxy, certificate, token, "nginx.conf", replaced)
    assert (found.code, found.severities) == (2, {"reachable": "error"})


async def test_a_certificate_that_is_not_trusted_is_told(proxy: NewProxy, token: str) -> None:
    found = await doctor((await proxy("nginx.conf")).url, token)
    assert (found.code, found.severities) == (2, {"certificate": "error"})
    assert "self-signed" in found.finding("certificate")["found"]


async def test_nobody_there_is_told(token: str) -> None:
    found = await doctor(f"http://127.0.0.1:{free_port()}", token)
    assert (found.code, found.severities) == (2, {"reachable": "error"})
    assert "Connection refused" in found.finding("reachable")["found"]


async def test_what_speaks_no_http_is_told(token: str) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.write(b"220 mail.example ESMTP\r\n"), "127.0.0.1", 0)
    async with server:
        found = await doctor(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", token)
    assert (found.code, found.severities) == (2, {"reachable": "error"})
    assert "does not speak HTTP" in found.finding("reachable")["found"]


@pytest.mark.parametrize(("url", "typed"), [("tidings.example", "token"), ("ftp://tidings.example", "token"), ("http://127.0.0.1:9", "")])
async def test_what_was_asked_wrongly_is_said(url: str, typed: str) -> None:
    found = await examined(await begin_doctor(url), typed)
    assert found.code == 2
    assert "Usage: tidings doctor" in found.err


async def test_a_token_is_no_argument() -> None:
    assert (await examined(await begin_doctor("http://127.0.0.1:9", "--token", "eyJ"))).code == 2
