"""Who may come in: guards that name a scope, and dependencies that hand a route its principal, never a raw credential.

The process's AccessCache is found at `app.state.tidings.access`.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler

from tidings.access.cache import AccessCache
from tidings.access.principals import KeyHolder, SubscriberSession
from tidings.access.scopes import SCOPES
from tidings.access.secret import PREFIX
from tidings.errors import Forbidden, Malformed, Unauthenticated

Anyone = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Anyone, BaseRouteHandler], Awaitable[None]]

HOLDER = "tidings.holder"
IN_URL = re.compile(rb"(?:^|&)(?i:(api_key|apikey|token|access_token|key|authorization))=[^&]|=(tdk_|eyJ)")
# What `Authorization: Bearer` may hold (RFC 6750 §2.1); anything else would not survive into a log line or an answer.
BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


class HoldsAccess(Protocol):
    access: AccessCache


def access_of(connection: Anyone) -> AccessCache:
    return cast(HoldsAccess, connection.app.state.tidings).access


def bearer(connection: Anyone) -> str:
    """The credential of `Authorization: Bearer …`. Raises Unauthenticated."""
    for name, value in connection.scope["headers"]:
        if name == b"authorization":
            scheme, _, credential = value.decode("latin-1").partition(" ")
            credential = credential.strip()
            if scheme.lower() != "bearer" or not BEARER.fullmatch(credential):
                raise Unauthenticated("The Authorization header must read `Bearer` and a credential.", reason="malformed")
            return credential
    raise Unauthenticated(
        "There is no Authorization header: send `Authorization: Bearer` and an API key, or a subscriber token.", reason="missing"
    )


async def key_holder(request: Request[Any, Any, Any]) -> KeyHolder:
    """The holder of the API key. Raises Unauthenticated."""
    return await holder_of(request)


async def holder_of(connection: Anyone) -> KeyHolder:
    known: KeyHolder | None = connection.scope["state"].get(HOLDER)
    if known is not None:
        return known
    credential = bearer(connection)
    if credential.startswith("eyJ"):
        raise Unauthenticated("This is a subscriber token; here an API key is needed.", reason="wrong_kind")
    holder = await access_of(connection).key_holder(credential)
    connection.scope["state"][HOLDER] = holder
    return holder


async def subscriber_session(request: Request[Any, Any, Any]) -> SubscriberSession:
    """The subscriber whose token it is. Raises Unauthenticated."""
    return await session_of(request)


async def session_of(connection: Anyone) -> SubscriberSession:
    credential = bearer(connection)
    if credential.startswith(PREFIX):
        raise Unauthenticated(
            "This is an API key; here a subscriber token is needed (POST /v1/subscribers/ID/tokens makes one).", reason="wrong_kind"
        )
    return await access_of(connection).session(credential)


async def either(request: Request[Any, Any, Any]) -> KeyHolder | SubscriberSession:
    if bearer(request).startswith(PREFIX):
        return await holder_of(request)
    return await session_of(request)


def may(scope: str) -> Guard:
    """A guard that lets pass whose API key has the scope. Raises Forbidden, naming it."""
    assert scope in SCOPES, scope

    async def guard(connection: Anyone, _: BaseRouteHandler) -> None:
        holder = await holder_of(connection)
        if not holder.may(scope):
            raise Forbidden(f"This API key lacks the scope {scope}.", scope=scope)

    return guard


async def refuse_credentials_in_url(request: Request[Any, Any, Any]) -> None:
    """URLs end up in logs, histories and Referer headers, so nothing long-lived may stand there. Raises Malformed."""
    query = request.scope["query_string"]
    if query and (found := IN_URL.search(query)):
        name = (found[1] or found[2]).decode("ascii", "replace")
        raise Malformed(
            f"There is a credential in the URL ({name}), where logs and browser histories keep it. Send it as `Authorization: Bearer`; "
            "an EventSource, which cannot send headers, uses a ticket of POST /v1/stream/tickets. Replace the one that was in the URL."
        )


dependencies: dict[str, Provide] = {
    "holder": Provide(key_holder),
    "session": Provide(subscriber_session),
    "caller": Provide(either),
}
