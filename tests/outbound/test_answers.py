"""An answer takes bounded time and memory, and is taken as it is: no redirect, cookie, proxy or compression is acted upon."""

import asyncio
import gzip
from pathlib import Path

import pytest
from outbound.ground import HEAD, LOCAL, OK, answering, client, names, pouring, read_request, serving, url_of

from tidings.outbound.attempt import Attempt
from tidings.outbound.client import Outbound, open_outbound
from tidings.outbound.errors import Blocked, BrokenAnswer, HeadTooLarge, TimedOut
from tidings.outbound.wire import Wire

WITHOUT_END = HEAD + b"Content-Length: 1000000000000\r\n\r\n"


__all__ = ["client"]


async def test_an_answer_is_told_as_it_came(client: Outbound) -> None:
    seen: list[bytes] = []
    answer = b"HTTP/1.1 418 No\r\nX-One: a\r\nx-one: \xfc\r\nContent-Length: 4\r\n\r\n\x00\xff\r\n"
    async with serving(answering(answer, seen)) as server:
        answered = await client.request("POST", url_of(server), headers={"X-Signature": "v1,abc"}, body=b'{"a":1}')
    assert (answered.status, answered.body, answered.truncated) == (418, b"\x00\xff\r\n", False)
    assert answered.headers == {"x-one": "a, ü", "content-length": "4"}
    request = seen[0].lower()
    assert request.startswith(b"post /hook?key=hunter2 http/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"a":1}')
    assert b"\r\naccept-encoding: identity\r\n" in request
    assert b"\r\nx-signature: v1,abc\r\n" in request
    assert b"content-type" not in request


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer(client: Outbound, status: int) -> None:
    async with serving(answering(OK)) as elsewhere:
        redirect = f"HTTP/1.1 {status} Go\r\nLocation: http://127.0.0.1:{elsewhere.port}/\r\nContent-Length: 0\r\n\r\n"
        async with serving(answering(redirect.encode())) as server:
            answered = await client.request("GET", url_of(server))
        assert answered.status == status
        assert answered.headers["location"] == f"http://127.0.0.1:{elsewhere.port}/"
        assert await elsewhere.others() == 0


async def test_a_compressed_answer_stays_compressed(client: Outbound) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    answer = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    async with serving(answering(answer)) as server:
        answered = await client.request("GET", url_of(server))
    assert answered.body == bomb[: 16 * 1024]


async def test_of_a_body_that_does_not_end_the_beginning_is_kept_and_the_connection_closed(client: Outbound) -> None:
    closed = asyncio.Event()
    pour = pouring(WITHOUT_END, b"x" * 65536)

    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await pour(reader, writer)
        finally:
            closed.set()

    async with serving(until_closed) as server:
        answered = await client.request("GET", url_of(server), keep_bytes=1000)
        await asyncio.wait_for(closed.wait(), 10)
    assert (answered.body, answered.truncated) == (b"x" * 1000, True)


@pytest.mark.parametrize(("keep", "truncated"), [(0, True), (4, True), (5, False), (6, False)])
async def test_a_body_is_truncated_only_if_there_was_more(client: Outbound, keep: int, truncated: bool) -> None:
    async with serving(answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")) as server:
        answered = await client.request("GET", url_of(server), keep_bytes=keep)
    assert (answered.body, answered.truncated) == (b"abcde"[:keep], truncated)


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 200 ", HEAD, HEAD + b"X-A: "])
async def test_a_head_that_drips_ends_with_its_time(client: Outbound, beginning: bytes) -> None:
    async with serving(pouring(beginning, b"H", 0.02)) as server:
        with pytest.raises(TimedOut, match="until its answer began") as late:
            await client.request("POST", url_of(server), body=b"{}", timeout_s=0.3)
    assert late.value.phase == "answer"
    assert late.value.may_have_arrived
    assert late.value.status_seen is None
    assert late.value.latency is not None
    assert late.value.latency.connect_ms is not None
    assert "hunter2" not in str(late.value)


async def test_a_body_that_drips_ends_with_its_time(client: Outbound) -> None:
    async with serving(pouring(WITHOUT_END, b"x", 0.02)) as server:
        with pytest.raises(TimedOut, match="until its answer was whole") as late:
            await client.request("POST", url_of(server), body=b"{}", timeout_s=0.3)
    assert (late.value.phase, late.value.status_seen) == ("body", 200)


@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        (HEAD, b"X-A: b\r\n"),
        (HEAD, b"X-Long: " + b"x" * 4000 + b"\r\n"),
        (HEAD + b"X-Long: ", b"x" * 1000),
        (HEAD, b"X-Long: " + b"x" * 700 + b"\r\n"),
        (b"HTTP/1.1 200 ", b"O" * 1000),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    ],
    ids=["many headers", "large headers", "headers that are large together", "one header", "the reason", "informational answers"],
)
async def test_a_head_that_does_not_end_is_broken_off(client: Outbound, beginning: bytes, more: bytes) -> None:
    async with serving(pouring(beginning, more)) as server:
        with pytest.raises(HeadTooLarge):
            await client.request("GET", url_of(server))


@pytest.mark.parametrize("more", [b"X-A: b\r\n", b"X-Long: " + b"x" * 4000 + b"\r\n", b"x" * 65536], ids=["many", "large", "one"])
async def test_trailers_that_do_not_end_are_broken_off(client: Outbound, more: bytes) -> None:
    async with serving(pouring(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", more)) as server:
        # Which of them depends on whether the beginning was told before.
        with pytest.raises((BrokenAnswer, HeadTooLarge)):
            await client.request("GET", url_of(server))


async def test_an_informational_answer_is_passed_over(client: Outbound) -> None:
    async with serving(answering(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)) as server:
        assert (await client.request("GET", url_of(server))).status == 200


async def test_a_large_body_in_one_piece_with_the_head_counts_as_no_head(client: Outbound) -> None:
    async with serving(answering(HEAD + b"Content-Length: 500000\r\n\r\n" + b"x" * 500_000)) as server:
        answered = await client.request("GET", url_of(server), keep_bytes=500_000)
    assert len(answered.body) == 500_000


async def test_more_headers_than_any_server_sends_are_too_many(client: Outbound) -> None:
    async with serving(answering(HEAD + b"a:b\r\n" * 5000 + b"Content-Length: 0\r\n\r\n")) as server:
        with pytest.raises(HeadTooLarge):
            await client.request("GET", url_of(server))


@pytest.mark.parametrize("encoding", [b"", b"Transfer-Encoding: gzip\r\n"], ids=["not said", "not chunked"])
async def test_a_body_whose_end_is_not_said_ends_with_the_connection(client: Outbound, encoding: bytes) -> None:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HEAD + encoding + b"\r\nabc")
        await writer.drain()

    async with serving(end) as server:
        answered = await client.request("GET", url_of(server))
    assert (answered.body, answered.truncated) == (b"abc", False)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 103 Early Hints\r\n\r\n" + OK,
        b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
async def test_what_is_no_answer_of_http_is_said_to_be_none(client: Outbound, answer: bytes) -> None:
    async with serving(answering(answer)) as server:
        with pytest.raises(BrokenAnswer):
            await client.request("GET", url_of(server), timeout_s=5)


async def test_an_answer_of_http_1_0_is_one_and_ends_its_connection(client: Outbound) -> None:
    async with serving(answering(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")) as server:
        answers = [await client.request("GET", url_of(server)) for _ in range(2)]
    assert [(answer.status, answer.body, answer.reused) for answer in answers] == [(200, b"ok", False)] * 2


async def test_a_connection_that_was_lost_as_soon_as_it_was_made_is_a_broken_answer() -> None:
    lost = Wire("hooks.example")
    with pytest.raises(BrokenAnswer, match="without an answer"):
        await lost.exchange(b"", Attempt(15, 5), 0)


@pytest.mark.parametrize(
    "beginning", [HEAD + b"Content-Length: 10\r\n\r\nabc", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc"], ids=["length", "chunk"]
)
async def test_an_answer_that_breaks_off_is_no_answer(client: Outbound, beginning: bytes) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(beginning)
        await writer.drain()

    async with serving(break_off) as server:
        with pytest.raises(BrokenAnswer) as broken:
            await client.request("POST", url_of(server), body=b"{}")
    assert broken.value.may_have_arrived
    assert broken.value.status_seen == 200


async def test_cookies_are_not_kept(client: Outbound) -> None:
    seen: list[bytes] = []
    async with serving(answering(HEAD + b"Set-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n", seen)) as server:
        for _ in range(2):
            assert (await client.request("GET", url_of(server))).headers["set-cookie"] == "a=b; Path=/"
    assert all(b"\r\ncookie:" not in request.lower() for request in seen)


async def test_the_environments_proxy_and_netrc_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    netrc = tmp_path / "netrc"
    netrc.write_text("machine hooks.example login someone password hunter2\n")
    netrc.chmod(0o600)
    async with serving(answering(OK)) as proxy, serving(answering(OK, seen)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NETRC", str(netrc))
        async with open_outbound(LOCAL, names({"hooks.example": ["127.0.0.1"]})) as client:
            await client.request("POST", url_of(server), body=b"{}")
        assert await proxy.others() == 0
    assert b"authorization" not in seen[0].lower()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "internal.example"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Expect", "100-continue"),
        ("Proxy-Authorization", "Basic x"),
        ("X-A\r\nHost", "b"),
        ("X A", "b"),
        ("", "b"),
        ("X-Key", "hunter2\r\nHost: internal.example"),
        ("X-Key", "hunter2\nHost: internal.example"),
        ("X-Key", "hunter2\rHost: internal.example"),
        ("X-Key", "hunter2\x00"),
        ("X-Key", "hunter2\ud800"),
        ("X-Key", "\udfffhunter2"),
    ],
)
async def test_headers_that_would_change_the_request_itself_are_refused(client: Outbound, name: str, value: str) -> None:
    async with serving(answering(OK)) as server:
        with pytest.raises(Blocked) as refused:
            await client.request("POST", url_of(server), headers={name: value}, body=b"{}")
        assert await server.others() == 0
    assert "hunter2" not in str(refused.value)
