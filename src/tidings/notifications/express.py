"""Publishes that are plainly right, served before the framework sees them.

Routing, guards, injection and copies of the request cost more than half of a publish's CPU in the framework. Whatever is not plainly
right (another media type, an unknown key, a body that does not decode, an audience that is refused, an Idempotency-Key, a browser's
Origin) goes on to the framework with all that was read of it, so that one place alone says what is wrong, and how.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec
from litestar import Request, Response

from tidings.access.cache import AccessCache
from tidings.access.guards import BEARER
from tidings.access.principals import KeyHolder
from tidings.access.secret import PREFIX
from tidings.errors import TidingsError
from tidings.notifications.draft import Draft, draft_of, named_recipients
from tidings.notifications.publish import Outcome, PublishDoor
from tidings.notifications.routes import MAX_BATCH_RECIPIENTS, answer_batch, answer_single
from tidings.notifications.structs import NewNotification, PlainBatch
from tidings.platform.metrics import REQUESTS
from tidings.platform.postgres import POSTGRES_AWAY
from tidings.platform.problems import HANDLERS

# What ASGI hands over, as its specification names it.
Message: TypeAlias = Any
Scope: TypeAlias = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SCHEME = b"Bearer " + PREFIX.encode()
ACCEPTED = REQUESTS.labels(202)
# Any of these means more than a publish by a server: its answer has other headers, or its work another way.
FOR_THE_FRAMEWORK = frozenset((b"origin", b"idempotency-key", b"content-encoding", b"expect"))

_single = msgspec.json.Decoder(NewNotification)
_batch = msgspec.json.Decoder(PlainBatch)


class Express:
    """An ASGI application in front of another.   most_bytes: of a body; a longer one is for the framework to refuse.

    is_open: whether this way may be taken, for a project by its key.
    """

    def __init__(self, app: App, access: AccessCache, door: PublishDoor, most_bytes: int, is_open: Callable[[str], bool]) -> None:
        self.app = app
        self.access = access
        self.door = door
        self.most_bytes = most_bytes
        self.is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ways = WAYS.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"] else None
        holder = await self.publisher(scope["headers"]) if ways is not None else None
        if ways is None or holder is None or not self.is_open(holder.tenant.key):
            await self.app(scope, receive, send)
            return
        drafts_in, answer = ways
        messages, body = await self.read(receive)
        drafts = drafts_in(body) if body is not None else None
        if drafts is None:
            await self.app(scope, heard_again(messages, receive), send)
            return
        try:
            accepted = await self.door.publish(holder.tenant, holder.actor, drafts, None, answer)
        except Exception as error:
            await send_response(send, problem_for(scope, error))
        else:
            ACCEPTED.inc()
            await send_body(send, 202, b"application/json", accepted.body)

    async def publisher(self, headers: Iterable[tuple[bytes, bytes]]) -> KeyHolder | None:
        """Who may publish, and asks for it in the plainest way."""
        authorization = media_type = None
        for name, value in headers:
            if name == b"authorization" and authorization is None:
                authorization = value
            elif name == b"content-type" and media_type is None:
                media_type = value
            elif name in FOR_THE_FRAMEWORK or name in (b"authorization", b"content-type"):
                return None
        if authorization is None or media_type != b"application/json" or not authorization.startswith(SCHEME):
            return None
        credential = authorization[len(b"Bearer ") :].decode("latin-1")
        if not BEARER.fullmatch(credential):
            return None
        try:
            holder = await self.access.key_holder(credential)
        except (TidingsError, *POSTGRES_AWAY):
            return None
        return holder if holder.may("notifications:write") else None

    async def read(self, receive: Receive) -> tuple[list[Message], bytes | None]:
        """All that was heard, and the body; None when there is none to work on."""
        messages: list[Message] = []
        size = 0
        while True:
            message = await receive()
            messages.append(message)
            if message["type"] != "http.request" or (size := size + len(message.get("body", b""))) > self.most_bytes:
                return messages, None
            if not message.get("more_body", False):
                return messages, b"".join(one.get("body", b"") for one in messages)


def heard_again(messages: Sequence[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def hear() -> Message:
        for message in waiting:
            return message
        return await receive()

    return hear


def only_draft(body: bytes) -> list[Draft | TidingsError] | None:
    """None when something is wrong with it."""
    try:
        return [draft_of(_single.decode(body), datetime.now(UTC))]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TidingsError):
        return None


def batch_of_drafts(body: bytes) -> list[Draft | TidingsError] | None:
    """None when something is wrong with one of them: then each is looked at by itself, elsewhere."""
    try:
        wanted = _batch.decode(body).notifications
        now = datetime.now(UTC)
        drafts = [draft_of(one, now) for one in wanted]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TidingsError):
        return None
    return None if sum(map(named_recipients, drafts)) > MAX_BATCH_RECIPIENTS else [*drafts]


Read = Callable[[bytes], list[Draft | TidingsError] | None]
WAYS: Mapping[str, tuple[Read, Callable[[Sequence[Outcome]], bytes]]] = {
    "/v1/notifications": (only_draft, answer_single),
    "/v1/notifications/batch": (batch_of_drafts, answer_batch),
}


def problem_for(scope: Scope, error: Exception) -> Response[bytes]:
    """As the framework would answer it."""
    handler = next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
    response: Response[bytes] = handler(Request(scope), error)
    return response


async def send_response(send: Send, response: Response[bytes]) -> None:
    more = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers.items()]
    await send_body(send, response.status_code or 500, str(response.media_type).encode(), response.content, more)


async def send_body(send: Send, status: int, media_type: bytes, body: bytes, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
