"""A service at the far end of a connector: a real HTTP server that judges what it gets as the service would, and keeps it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any, cast

from aiohttp import web

from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import open_outbound
from tidings.outbound.networks import Policy
from tidings.settings import Settings

LOOPBACK = (ip_network("127.0.0.0/8"),)
# What a deployment allows that sends to this machine.
ALLOWING = Policy(LOOPBACK)
PUBLIC = Policy()
NOTIFICATION_ID = "01936f2e-7c1a-7d3e-8b4f-0123456789ab"
BASE_URL = "https://tidings.example.com"


@dataclass
class Got:
    """headers: by lower-case name."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Judge = Callable[[Got], web.StreamResponse]


@dataclass
class FarEnd:
    """got: all requests, in order.   answers: each once, before it judges.   is_silent: it takes requests and ends their connections."""

    judge: Judge
    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    is_silent: bool = False

    def answer(self, status: int, body: Any = "", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        text = body if isinstance(body, str) else json.dumps(body)
        self.answers.append(web.Response(status=status, text=text, headers=named))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        got = Got(request.path, dict(request.query), {name.lower(): value for name, value in request.headers.items()}, await request.read())
        self.got.append(got)
        if self.is_silent:
            assert request.transport is not None
            request.transport.abort()
        return self.answers.pop(0) if self.answers else self.judge(got)


@asynccontextmanager
async def far_end(judge: Judge) -> AsyncIterator[FarEnd]:
    service = FarEnd(judge)
    app = web.Application()
    app.router.add_post("/{path:.*}", service.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


@asynccontextmanager
async def reaching(pool: Any = None, vault: Any = None, allow: Any = LOOPBACK) -> AsyncIterator[Reach]:
    async with open_outbound(Settings(outbound_allow=allow)) as outbound:
        yield Reach(outbound, cast(Any, pool), cast(Any, vault), BASE_URL)


def destination(connector: str, config: dict[str, Any], secrets: dict[str, Any], project: int = 1) -> Destination:
    return Destination(1, "int_1", project, "prj_1", 0, connector, config, secrets, None)


def claimed(*, to: dict[str, Any] | None = None, project: int = 1, **notification: Any) -> Claimed:
    """A delivery of a notification.   to: what is known of the person."""
    now = datetime.now(UTC)
    shown: dict[str, Any] = {
        "id": NOTIFICATION_ID,
        "title": "Your export is ready",
        "body": None,
        "url": None,
        "data": None,
        "category": None,
        "priority": "normal",
        "collapse_key": None,
        "expires_at": None,
        "created_at": "2026-11-25T12:00:00Z",
    } | notification
    return Claimed(
        id="01936f2e-7c1a-7d3e-8b4f-aaaaaaaaaaaa", number=1, round=0, project=project, destination=1, destination_as_of=now, order_key=None,
        type="notification.created", accepted_at=now, notification=NOTIFICATION_ID, subscriber=(to or {}).pop("subscriber", None),
        data=json.dumps(shown, ensure_ascii=False), internal=None, actor=None, recipients=1, **(to or {}),
    )  # fmt: skip


def seconds_until(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - datetime.now(UTC)).total_seconds()


def is_in(outcome: Outcome, seconds: float) -> bool:
    """Whether it is to be tried again in about so many seconds. The bound is for machines that are busy."""
    assert outcome.retry_after is not None
    return timedelta(seconds=seconds - 60) < outcome.retry_after - datetime.now(UTC) <= timedelta(seconds=seconds)
