"""The plain way into a stream, past Litestar's reading of arguments, opens and refuses what the route itself does."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from tidings.access.guards import refuse_credentials_in_url
from tidings.access.principals import SubscriberSession, Tenant
from tidings.access.tokens import refused
from tidings.errors import Unavailable
from tidings.platform.problems import HANDLERS
from tidings.stream import opening, shortcut
from tidings.stream.routes import open_stream as route

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2ln"
CURSOR = "k3v9x2ab.1042"
AT = datetime(2026, 11, 23, tzinfo=UTC)


class Edge:
    """Signs in whoever has the token, and remembers what was to be opened."""

    def __init__(self) -> None:
        self.hub = SimpleNamespace(endings=7)
        self.access = self
        self.sessions = self
        self.is_draining = False
        self.opened: list[Any] = []

    async def session(self, token: str) -> SubscriberSession:
        if token != TOKEN:
            raise refused("signature", f"not {token}")
        return SubscriberSession(Tenant(1, "prj_1", 0), 5, "alice", AT, AT, "sk_1")

    async def get(self, ticket: bytes) -> Any:
        return ticket

    def refuse_when_draining(self) -> None:
        if self.is_draining:
            raise Unavailable("about to stop", retry_after=1)


async def opened(edge: Edge, scope: Any, receive: Any, send: Any, visitor: Any, cursor: Any, endings_seen: int) -> None:
    edge.opened.append((visitor, cursor, endings_seen))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"open"})


EDGE = Edge()
APP = Litestar(
    route_handlers=[route],
    dependencies={"edge": Provide(lambda: EDGE, sync_to_thread=False)},
    exception_handlers=HANDLERS,
    before_request=refuse_credentials_in_url,
    state=State({"tidings": EDGE}),
    openapi_config=None,
)

CURSORS = st.sampled_from(
    ["", CURSOR, "eyjabcde.1", "k3v9x2ab.01", "k3v9x2ab.", "K3V9X2AB.1", f"{CURSOR}%0A", "k3v9x2ab.1234567890123456789", "x"]
)
BEARERS = st.sampled_from(
    [
        f"Bearer {TOKEN}",
        f"Bearer {TOKEN}x",
        f"bearer {TOKEN}",
        f"Bearer  {TOKEN} ",
        f"Bearer {TOKEN}\n",
        "Bearer tdk_1",
        "Bearer",
        "Basic eyJ",
        f"Bearer {TOKEN[:-1]}=",
        "Bearer eyJé",
    ]
)
HEADERS = st.lists(
    st.tuples(st.just("authorization"), BEARERS)
    | st.tuples(st.just("last-event-id"), CURSORS)
    | st.tuples(st.just("cookie"), st.sampled_from([f"tidings_stream={TOKEN}", "tidings_stream=x", "a=b"]))
    | st.tuples(st.sampled_from(["accept", "origin"]), st.sampled_from(["text/event-stream", "null"])),
    max_size=4,
)
QUERIES = st.lists(
    st.builds("{}={}".format, st.sampled_from(["cursor", "ticket", "token", "x", "Cursor", "cursor%20"]), CURSORS | st.just(TOKEN)),
    max_size=2,
).map("&".join)


async def asked(headers: list[tuple[str, str]], query: str) -> Any:
    """The answer, and what was opened."""
    EDGE.opened.clear()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/stream",
        "raw_path": b"/v1/stream",
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("x", 80),
        "client": None,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    await APP(scope, receive, send)  # type: ignore[arg-type]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]), list(EDGE.opened)


@pytest.fixture(autouse=True)
def nothing_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "open_stream", opened)
    monkeypatch.setattr(shortcut, "open_stream", opened)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HEADERS, QUERIES, st.booleans())
@example([("authorization", f"Bearer {TOKEN}"), ("last-event-id", CURSOR)], "cursor=k3v9x2ab.1", False)
@example([("authorization", f"Bearer {TOKEN}")], "cursor=eyjabcde.1", False)
def test_both_ways_open_and_refuse_the_same(headers: list[tuple[str, str]], query: str, is_draining: bool) -> None:
    EDGE.is_draining = is_draining
    either_way = asyncio.run(asked(headers, query))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortcut, "plainly_asked", lambda scope: None)
        the_long_way = asyncio.run(asked(headers, query))
    assert either_way == the_long_way


def test_an_ordinary_request_goes_the_short_way() -> None:
    headers = [(b"host", b"x"), (b"authorization", f"Bearer {TOKEN}".encode()), (b"last-event-id", CURSOR.encode())]
    assert shortcut.plainly_asked({"query_string": b"", "headers": headers}) == (TOKEN, None, CURSOR)
    assert shortcut.plainly_asked({"query_string": b"cursor=" + CURSOR.encode(), "headers": headers[:2]}) == (TOKEN, CURSOR, None)
