"""The plain way into a stream, past Litestar's machinery for arguments: a token in the Authorization header, perhaps a cursor.

Nearly all streams are opened like this. Building a request, reading its parameters by their types and resolving dependencies took 110 of
the 500 µs of an opening. What is not plain (a ticket, the cookie, an odd query or a header twice) goes the long way through the route,
and so does everything that needs an answer about its arguments; both ends are the same calls. A property test holds one against the other.
"""

import re
from typing import Any, NamedTuple, Protocol, cast

from tidings.stream.edge import StreamEdge
from tidings.stream.opening import asked_cursor, open_stream
from tidings.stream.sign_in import visitor_of

# As `eyJ`, the Base64 of `{"`, because an API key here has an answer of its own.
TOKEN = re.compile(rb"Bearer (eyJ[A-Za-z0-9\-._]+)")
CURSOR = re.compile(rb"[a-z0-9]{8}\.[0-9]{1,18}")
QUERY = re.compile(rb"cursor=([a-z0-9]{8}\.[0-9]{1,18})")


class HoldsEdge(Protocol):
    edge: StreamEdge


class Asked(NamedTuple):
    token: str
    cursor: str | None
    last_event_id: str | None


class Shortcut:
    """Middleware of the stream's route."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asked = plainly_asked(scope)
        if asked is None:
            await self.app(scope, receive, send)
            return
        edge = cast(HoldsEdge, scope["litestar_app"].state.tidings).edge
        edge.refuse_when_draining()
        endings_seen = edge.hub.endings
        wanted = asked_cursor(asked.last_event_id, asked.cursor)
        session = await edge.access.session(asked.token)
        if not edge.may_be_short(session.tenant.key):
            await self.app(scope, receive, send)
            return
        await open_stream(edge, scope, receive, send, visitor_of(session), wanted, endings_seen)


def plainly_asked(scope: Any) -> Asked | None:
    """None for what the route has to look at."""
    cursor: str | None = None
    if query := scope["query_string"]:
        match = QUERY.fullmatch(query)
        if match is None:
            return None
        cursor = match[1].decode()
    token: str | None = None
    last_event_id: str | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            match = TOKEN.fullmatch(value)
            if match is None or token is not None:
                return None
            token = match[1].decode()
        elif name == b"last-event-id":
            if last_event_id is not None or not CURSOR.fullmatch(value):
                return None
            last_event_id = value.decode()
    return None if token is None else Asked(token, cursor, last_event_id)
