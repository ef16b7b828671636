"""Apprise: its services reach what the outbound client lets them, and nothing by any other way.

The canary is a server that notices every connection. Where nothing on this machine is allowed, nothing may come to it.
"""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import pytest
import requests
from aiohttp import web
from outbound.ground import OK, Server, allowing, names, serving

from connectors.apprise_urls import urls_of_services
from connectors.far_end import ALLOWING, BASE_URL, PUBLIC, FarEnd, Got, claimed, destination, far_end, reaching
from tidings.deliveries.connectors.apprise import connector as apprise_connector
from tidings.deliveries.connectors.apprise.carrying import MOST_REQUESTS
from tidings.deliveries.connectors.apprise.connector import AppriseConfig, AppriseCredentials, AppriseService
from tidings.deliveries.connectors.apprise.fence import Fenced, fence
from tidings.deliveries.connectors.apprise.message import Text, text_of
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.notified import read_notification
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Answer, open_outbound
from tidings.outbound.latency import Latency
from tidings.outbound.names import Names
from tidings.settings import Settings


async def send(reach: Reach, url: str, delivery: Claimed | None = None, **config: Any) -> Outcome:
    [outcome] = await AppriseService().send(reach, destination("apprise", config, {"url": url}), [delivery or claimed()])
    return outcome


@asynccontextmanager
async def reaching_by(settings: Settings, known: Names | None = None) -> AsyncIterator[Reach]:
    async with open_outbound(settings, known) as outbound:
        yield Reach(outbound, cast(Any, None), cast(Any, None), BASE_URL)


@pytest.fixture
async def canary() -> AsyncIterator[Server]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(65536):
            writer.write(OK)
            await writer.drain()

    async with serving(answer) as server:
        yield server


@pytest.fixture
async def service() -> AsyncIterator[FarEnd]:
    async with far_end(lambda got: web.json_response({"id": "1"})) as service:
        yield service


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    async with reaching() as reach:
        yield reach


def url_of(scheme: str, service: FarEnd, rest: str = "") -> str:
    return f"{scheme}://{service.url.removeprefix('http://')}{rest}"


def json_text(got: Got) -> tuple[str, str]:
    return got.json["title"], got.json["message"]


def ntfy_text(got: Got) -> tuple[str, str]:
    return got.json["title"], got.json["message"]


def mattermost_text(got: Got) -> tuple[str, str]:
    title, _, body = got.json["text"].partition("\n")
    return title.strip("# \r"), body.strip()


@pytest.mark.parametrize(
    ("scheme", "rest", "text"),
    [
        ("json", "/hook", json_text),
        ("gotify", "/AbCdEfGh1234567", json_text),
        ("ntfy", "/alerts", ntfy_text),
        ("mmost", "/AbCdEfGh1234567", mattermost_text),
    ],
)
async def test_services_are_told(reach: Reach, service: FarEnd, scheme: str, rest: str, text: Callable[[Got], tuple[str, str]]) -> None:
    delivery = claimed(title="Grüße & <b>Hallo</b> 👋🏽", body="1,204 rows, 3 MB.", url="/exports/17")
    outcome = await send(reach, url_of(scheme, service, rest), delivery, link_base="https://app.example.com/")
    assert (outcome.kind, outcome.status, outcome.response) == ("delivered", 200, b"")
    [got] = service.got
    title, body = text(got)
    assert title == "Grüße & <b>Hallo</b> 👋🏽"
    assert body == "1,204 rows, 3 MB.\nhttps://app.example.com/exports/17"


@pytest.mark.parametrize(
    ("notification", "link_base", "text"),
    [
        ({"title": "A"}, None, Text("", "A")),
        ({"title": "A", "body": "B"}, None, Text("A", "B")),
        ({"title": "A", "url": "/x"}, None, Text("", "A")),
        ({"title": "A", "url": "https://example.com/x"}, None, Text("A", "https://example.com/x")),
        ({"title": "A", "body": "B", "url": "/x"}, "https://app.example.com/", Text("A", "B\nhttps://app.example.com/x")),
        ({"title": "A", "url": "javascript:alert(1)"}, "https://app.example.com/", Text("", "A")),
    ],
)
def test_the_text(notification: dict[str, Any], link_base: str | None, text: Text) -> None:
    delivery = claimed(**notification)
    read = read_notification(delivery, delivery.accepted_at)
    assert not isinstance(read, Outcome)
    assert text_of(read, link_base) == text


async def test_a_long_text_is_cut_to_what_the_service_takes(reach: Reach, service: FarEnd) -> None:
    outcome = await send(reach, url_of("mmost", service, "/AbCdEfGh1234567"), claimed(body="x" * 100_000))
    assert outcome.kind == "delivered"
    [got] = service.got
    assert 1000 < len(got.json["text"]) <= 16_383


async def test_every_service_of_apprise_stays_inside(canary: Server) -> None:
    """All that there are, with hosts of this machine, while every name leads to it too; nothing of it is allowed."""
    urls = list(urls_of_services("127.0.0.1", canary.port))
    async with reaching_by(allowing(), Names(lambda name: ["127.0.0.1"])) as reach:
        outcomes = [(service, await send(reach, url)) for service, url in urls]
    assert await canary.others() == 0
    assert not [one for one in outcomes if one[1].kind == "delivered"]
    # Not that nothing had been tried.
    assert len({service for service, outcome in outcomes if outcome.reason != "not_understood"}) > 120
    assert len({service for service, outcome in outcomes if outcome.reason == "blocked"}) > 100


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "rebinding.example",
        "mixed.example",
    ],
)
@pytest.mark.parametrize("scheme", ["json", "jsons", "form", "xml", "gotifys", "ntfys"])
async def test_no_way_of_writing_an_address_leads_inside(canary: Server, scheme: str, host: str) -> None:
    known = names({"rebinding.example": ["127.0.0.1"], "localhost": ["127.0.0.1"], "mixed.example": ["93.184.215.14", "127.0.0.1"]})
    async with reaching_by(allowing(), known) as reach:
        outcome = await send(reach, f"{scheme}://{host}:{canary.port}/AbCdEfGh1234567")
    assert outcome.kind != "delivered"
    assert await canary.others() == 0


async def test_a_redirect_is_not_followed(canary: Server, service: FarEnd) -> None:
    """Neither to what is not allowed nor to what is: the service's own credentials would go along."""
    async with reaching_by(allowing("127.0.0.1/32")) as reach:
        for target in (f"http://127.0.0.2:{canary.port}/", f"http://127.0.0.1:{canary.port}/"):
            service.answer(307, "", Location=target)
            outcome = await send(reach, url_of("json", service, "/hook?redirect=yes"))
            assert (outcome.kind, outcome.reason) == ("retry", "http_307")
    assert len(service.got) == 2
    assert await canary.others() == 0


async def test_proxies_of_the_environment_are_not_asked(
    reach: Reach, canary: Server, service: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    assert (await send(reach, url_of("json", service, "/hook"))).kind == "delivered"
    assert await canary.others() == 0


class Recorder:
    """In place of the outbound client, since the hosts of these services are on the internet. bodies: what would have left."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def request(self, method: str, url: str, *, body: bytes | None = None, **_: Any) -> Answer:
        self.bodies.append(body or b"")
        latency = Latency(total_ms=0.0)
        return Answer(status=200, headers={}, body=b'{"ok": true}', truncated=False, reused=False, latency=latency)


@pytest.mark.parametrize(
    "url",
    [
        f"discord://{'1' * 18}/{'a' * 68}/?template=",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=",
        f"workflows://prod-1.example.com:443/{'a' * 32}/AbCdEfGh1234567-_/?template=",
    ],
)
async def test_a_file_of_this_machine_is_not_sent(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.json"
    # What each of these services demands of a template.
    blocks, attachments = [{"type": "s3cret"}], [{"contentType": "s3cret"}]
    secret.write_text(json.dumps({"type": "message", "text": "s3cret", "content": "s3cret", "blocks": blocks, "attachments": attachments}))
    recorder = Recorder()
    reach = Reach(cast(Any, recorder), cast(Any, None), cast(Any, None), BASE_URL)
    await send(reach, f"{url}{secret}")
    assert not [body for body in recorder.bodies if b"s3cret" in body]
    # Without the fence Apprise does send it.
    monkeypatch.setattr("tidings.deliveries.connectors.apprise.fence.fence", nullcontext)
    await send(reach, f"{url}{secret}")
    assert [body for body in recorder.bodies if b"s3cret" in body]


@pytest.mark.parametrize(
    "url", ["mailto://user:pass@127.0.0.1:{}?smtp=127.0.0.1", "mqtt://127.0.0.1:{}/topic", "syslog://", "rsyslog://127.0.0.1:{}"]
)
async def test_what_is_not_http_is_refused(reach: Reach, canary: Server, url: str) -> None:
    """Also where everything on this machine is allowed."""
    outcome = await send(reach, url.format(canary.port))
    assert (outcome.kind, outcome.reason) in [("refused", "not_over_http"), ("refused", "not_understood")]
    assert await canary.others() == 0


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, "refused", "http_400"),
        (401, "retry", "unauthorized"),
        (404, "refused", "http_404"),
        (429, "retry", "http_429"),
        (503, "retry", "http_503"),
    ],
)
async def test_what_answers_mean(reach: Reach, service: FarEnd, status: int, kind: str, reason: str) -> None:
    service.answer(status, {"token": "s3cret"})
    outcome = await send(reach, url_of("json", service, "/hook"))
    assert (outcome.kind, outcome.reason, outcome.response) == (kind, reason, b"")


async def test_what_may_have_arrived_is_not_sent_again(reach: Reach, service: FarEnd) -> None:
    assert not AppriseService.repeats
    service.is_silent = True
    outcome = await send(reach, url_of("json", service, "/hook"))
    assert (outcome.kind, outcome.reason) == ("unknown", "broken_answer")
    assert len(service.got) == 1
    outcome = await send(reach, "json://127.0.0.1:1/hook")
    assert (outcome.kind, outcome.reason) == ("retry", "not_connected")


async def test_what_was_taken_in_part_is_not_sent_again(reach: Reach, service: FarEnd) -> None:
    service.answer(200)
    service.answer(503)
    outcome = await send(reach, url_of("ntfy", service, "/one/two"))
    assert (outcome.kind, outcome.reason) == ("unknown", "partly")
    assert len(service.got) == 2


async def test_a_url_with_many_targets_ends_at_a_bound(reach: Reach, service: FarEnd) -> None:
    outcome = await send(reach, url_of("ntfy", service, "/" + "/".join(f"t{number}" for number in range(100))))
    assert outcome.kind == "unknown"
    assert len(service.got) == MOST_REQUESTS


@pytest.mark.parametrize("url", ["nosuch://example.com", "slack://too/short", "gotify://", "https://example.com/hook"])
async def test_a_url_that_is_not_understood(reach: Reach, url: str) -> None:
    outcome = await send(reach, url)
    assert (outcome.kind, outcome.reason) == ("refused", "not_understood")


async def test_credentials_in_the_url_are_told_to_nobody(reach: Reach, service: FarEnd, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(0):
        service.answer(400, "no")
        outcomes = [await send(reach, url_of("json", service, "/hook/s3cret?+X-Token=s3cret"))]
        service.is_silent = True
        outcomes += [await send(reach, url_of("gotify", service, "/s3cretAbCdEfGh1"))]
        outcomes += [await send(reach, "nosuch://s3cret"), await send(reach, "jsons://user:s3cret@10.0.0.1/")]
    assert "s3cret" not in repr(outcomes) + caplog.text


async def test_without_the_extra_it_waits(reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_connector, "find_spec", lambda name: None)
    outcome = await send(reach, "ntfys://ntfy.example.com/alerts")
    assert (outcome.kind, outcome.reason) == ("retry", "not_installed")
    with pytest.raises(Invalid):
        AppriseService().check(AppriseConfig(), AppriseCredentials("ntfys://ntfy.example.com/alerts"), PUBLIC)


@pytest.mark.parametrize(
    ("url", "link_base", "named"),
    [
        ("ntfys://ntfy.example.com/alerts", "https://app.example.com/", None),
        ("ntfy.example.com", None, "credentials.url"),
        ("ntfys://", None, "credentials.url"),
        ("json://a", "app", "config.link_base"),
    ],
)
def test_what_is_checked(url: str, link_base: str | None, named: str | None) -> None:
    arguments = AppriseConfig(link_base=link_base), AppriseCredentials(url), ALLOWING
    if named is None:
        AppriseService().check(*arguments)
        return
    with pytest.raises(Invalid) as refused:
        AppriseService().check(*arguments)
    assert refused.value.field == named


UPWARDS = Path(requests.__file__).parent / "../../../../../../../../../etc/passwd"
FORBIDDEN: list[Callable[[], Any]] = [
    lambda: socket.create_connection(("127.0.0.1", 1)),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    lambda: socket.getaddrinfo("localhost", 80),
    lambda: subprocess.run(["true"]),
    Path("/etc/passwd").read_text,
    Path("/proc/self/environ").read_text,
    UPWARDS.read_text,
    lambda: os.open(requests.__file__, os.O_WRONLY),
    lambda: Path("/tmp/of-apprise").mkdir(),
]


@pytest.mark.parametrize("act", FORBIDDEN)
def test_inside_the_fence_nothing_reaches_out(act: Callable[[], Any]) -> None:
    with fence(), pytest.raises(Fenced):
        act()


def test_the_fence_is_around_its_thread_for_its_time() -> None:
    with fence():
        Path(requests.__file__).read_text()
    assert Path("/etc/passwd").read_text()
    socket.socket().close()
