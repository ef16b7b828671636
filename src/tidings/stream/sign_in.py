"""Who opens a stream: a subscriber with a token in the Authorization header, with the cookie, or with a ticket in the URL."""

import math
from typing import Any

import msgspec
from litestar import Request

from tidings.access.cache import AccessCache
from tidings.access.guards import session_of
from tidings.access.principals import SubscriberSession, Tenant

COOKIE = "tidings_stream"

AnyRequest = Request[Any, Any, Any]


class Visitor(msgspec.Struct, frozen=True):
    """A subscriber at the door of a stream. issued_at, expires_at: of the token, Unix seconds.   signed_by: the `kid` of its key.

    session, generation: of the ticket, if it was one (SHA-256 of the ticket).
    """

    tenant: Tenant
    subscriber: int
    issued_at: float
    expires_at: int
    signed_by: str | None = None
    session: bytes | None = None
    generation: int = 0


def visitor_of(session: SubscriberSession) -> Visitor:
    return Visitor(
        session.tenant, session.subscriber, session.issued_at.timestamp(), math.ceil(session.expires_at.timestamp()), session.kid
    )


async def visitor_with_token(request: AnyRequest, access: AccessCache) -> Visitor:
    """By Bearer token, else by the cookie. Raises Unauthenticated."""
    if "authorization" not in request.headers and (token := request.cookies.get(COOKIE)):
        return visitor_of(await access.session(token))
    return visitor_of(await session_of(request))
