"""The routes of the stream edge; the work is elsewhere, each in a call with a name."""

from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, Parameter

from tidings.access.guards import may
from tidings.access.idempotency import OnceKey, answer_once
from tidings.access.principals import KeyHolder, SubscriberSession
from tidings.errors import Malformed
from tidings.platform.postgres import Database, tenant_transaction
from tidings.platform.problems import responses
from tidings.platform.telemetry.belonging import belong_to_project
from tidings.stream.devices import acknowledge
from tidings.stream.edge import StreamEdge
from tidings.stream.log_reader import read_log
from tidings.stream.opening import EventStream, asked_cursor
from tidings.stream.poll import MOST_WAIT_S, Polled, poll
from tidings.stream.renewal import renew_stream
from tidings.stream.sessions import Ticket, cookie_age, hash_of, issue_ticket, without_ticket
from tidings.stream.shortcut import Shortcut
from tidings.stream.sign_in import COOKIE, visitor_with_token
from tidings.stream.structs import Acknowledged, Acknowledgement, LogPage, Renewal, Renewed

AnyRequest = Request[Any, Any, Any]
SUBSCRIBER: list[dict[str, list[str]]] = [{"subscriberToken": []}]

CursorParameter = Annotated[str | None, Parameter(description="Where to go on: `EPOCH.POSITION`. Without it, from now.")]
LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID", description="As `cursor`; wins over it.")]
Wait = Annotated[float, Parameter(ge=0, le=MOST_WAIT_S, description="Seconds to wait for an event.")]

STREAM = ResponseSpec(
    str,
    description="Server-Sent Events: `ready`, `notification`, `notification.updated`, `notification.retracted`, `inbox.counts`, "
    "`reset`, `reconnect`, `closed`.",
    media_type="text/event-stream",
    generate_examples=False,
)


async def counted_when_opened(response: Response[Any]) -> Response[Any]:
    """Instead of what the app does with answers: this one may still become a 429 or a 503."""
    return response


@get(
    "/v1/stream",
    operation_id="OpenStream",
    media_type="text/event-stream",
    security=[{"subscriberToken": []}, {}],
    responses={200: STREAM} | responses(200, None, 400, 401, 429, 503),
    middleware=[Shortcut],
    after_request=counted_when_opened,
)
async def open_stream(
    request: AnyRequest,
    edge: NamedDependency[StreamEdge],
    cursor: CursorParameter = None,
    last_event_id: LastEventId = None,
    ticket: Annotated[str | None, Parameter(max_length=100, description="From POST /v1/stream/tickets, for EventSource.")] = None,
) -> Response[None]:
    """Events as they happen, from a cursor on without a gap, or a `reset` that says why not.

    Sign in with `Authorization: Bearer`, with the cookie, or with a ticket.
    """
    edge.refuse_when_draining()
    endings_seen = edge.hub.endings
    # Before the ticket is used up.
    wanted = asked_cursor(last_event_id, cursor)
    visitor = await (edge.sessions.get(hash_of(ticket)) if ticket else visitor_with_token(request, edge.access))
    belong_to_project(visitor.tenant.key)
    return EventStream(edge, visitor, wanted, endings_seen)


@get("/v1/stream/poll", operation_id="PollStream", security=SUBSCRIBER, responses=responses(200, Polled, 400, 401, 429, 503))
async def poll_stream(
    request: AnyRequest,
    edge: NamedDependency[StreamEdge],
    cursor: CursorParameter = None,
    last_event_id: LastEventId = None,
    wait: Wait = 0,
) -> Polled:
    """What came after the cursor, waiting for it if need be; without a cursor the current one, at once.

    Events are as on the stream. When they changed the inbox, the last is `inbox.counts`, with its counts at the time of the answer and the
    answer's cursor as `id`. Those of an audience of more than 1,000 follow when all its inboxes are written, in an answer of their own.
    """
    # An answer at once instead would be asked for again at once: 97 times in 3 s by one client.
    edge.refuse_when_draining()
    endings_seen = edge.hub.endings
    wanted = asked_cursor(last_event_id, cursor)
    visitor = await visitor_with_token(request, edge.access)
    return await poll(edge, request, visitor, wanted, wait, endings_seen)


@post(
    "/v1/stream/tickets",
    operation_id="CreateTicket",
    status_code=201,
    security=SUBSCRIBER,
    responses=responses(201, Ticket, 400, 401, 409, 503),
)
async def create_ticket(
    database: NamedDependency[Database], session: NamedDependency[SubscriberSession], once: NamedDependency[OnceKey | None]
) -> Response[bytes]:
    """A ticket for EventSource, which cannot send headers: GET /v1/stream?ticket=… within 30 seconds.

    It opens one stream; the same URL reopens only that one, until the token behind it expires.
    """
    async with tenant_transaction(database, session.tenant.id) as connection:
        # A subscriber's keys are their own: nobody else's answer is replayed to them.
        own = once and OnceKey(f"subscriber:{session.subscriber}:{once.key}", once.request_hash)
        return await answer_once(
            connection, session.tenant.id, own, lambda: issue_ticket(connection, session), without_secret=without_ticket
        )


@post("/v1/stream/cookie", operation_id="SetStreamCookie", status_code=204, security=SUBSCRIBER, responses=responses(204, None, 400, 401))
async def set_cookie(request: AnyRequest, edge: NamedDependency[StreamEdge], session: NamedDependency[SubscriberSession]) -> Response[None]:
    """The third way to sign in: an HttpOnly cookie with the token, for /v1/stream only."""
    cookie = Cookie(
        COOKIE,
        value=request.headers["authorization"].partition(" ")[2].strip(),
        path="/v1/stream",
        max_age=cookie_age(session),
        httponly=True,
        samesite="lax",
        secure=edge.settings.base_url.startswith("https://"),
    )
    return Response(None, status_code=204, cookies=[cookie])


@post(
    "/v1/stream/renew",
    operation_id="RenewStream",
    status_code=200,
    security=SUBSCRIBER,
    responses=responses(200, Renewed, 400, 401, 404, 413, 415, 422),
)
async def renew(edge: NamedDependency[StreamEdge], session: NamedDependency[SubscriberSession], data: JSONBody[Renewal]) -> Renewed:
    """Sent with a new token: the stream goes on until that one expires."""
    return await renew_stream(edge, session, data.stream)


@post(
    "/v1/stream/ack",
    operation_id="AcknowledgeStream",
    status_code=200,
    security=SUBSCRIBER,
    responses=responses(200, Acknowledged, 400, 401, 410, 413, 415, 422),
)
async def ack(
    edge: NamedDependency[StreamEdge], session: NamedDependency[SubscriberSession], data: JSONBody[Acknowledgement]
) -> Acknowledged:
    """How far a device has come. It never goes back; a device that is behind may say so as often as it likes."""
    shard = session.tenant.shard
    head = (await edge.heads.get(shard)) if edge.shard(shard).position == 0 else edge.position(shard)
    return await acknowledge(edge.database, session, data, head)


@get("/v1/events", operation_id="ReadEvents", guards=[may("events:read")], responses=responses(200, LogPage, 400, 401, 403, 410, 503))
async def events(
    request: AnyRequest,
    edge: NamedDependency[StreamEdge],
    holder: NamedDependency[KeyHolder],
    after: Annotated[str, Parameter(description="`EPOCH.POSITION`, or 0 for the oldest that is retained.")] = "0",
    limit: Annotated[int, Parameter(ge=1, le=1000)] = 100,
    wait: Wait = 0,
) -> LogPage:
    """The ordered log itself. Keep `next` and give it as `after`: nothing is missed, and nothing comes twice.

    `next` moves on over events of other projects, so a page may be empty while there is more.
    """
    if not after:
        raise Malformed("after is empty: give a cursor, or 0.", field="after")
    return await read_log(edge, request, holder, after, limit, wait)


routers = [
    Router("/", route_handlers=[open_stream, poll_stream, create_ticket, set_cookie, renew, ack], tags=["Stream"]),
    Router("/", route_handlers=[events], tags=["Events"]),
]
