"""A stream goes on under a newer token, whichever process holds it."""

import math
from typing import TYPE_CHECKING

import msgspec

from tidings.access.principals import SubscriberSession
from tidings.errors import NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.postgres import tenant_connection
from tidings.stream.control import RenewedBy
from tidings.stream.ids import number_in
from tidings.stream.structs import Renewed

if TYPE_CHECKING:
    from tidings.stream.edge import StreamEdge


async def renew_stream(edge: "StreamEdge", session: SubscriberSession, stream: str) -> Renewed:
    """Raises NotFound for a stream that is not this subscriber's."""
    tenant = session.tenant
    number = number_in(stream, tenant.id, session.subscriber)
    if number is None:
        raise NotFound(f"There is no stream {stream[:60]!r} of this subscriber. Its id is in the `ready` event.")
    issued_at = session.issued_at.timestamp()
    for connection in edge.hub.of(session.subscriber):
        if connection.number == number:
            edge.hub.renew(connection, issued_at, math.ceil(session.expires_at.timestamp()), session.kid)
            return Renewed(session.expires_at)
    # Another process holds it, and learns it from the log.
    event = NewEvent(
        project=tenant.id,
        shard=tenant.shard,
        type="stream.renewed",
        recipients=[session.subscriber],
        data=msgspec.json.encode({"stream": stream, "expires_at": session.expires_at}).decode(),
        internal=msgspec.json.encode(RenewedBy(issued_at, number, session.kid)).decode(),
        actor=session.actor,
    )
    async with tenant_connection(edge.database, tenant.id) as connection:
        await append(connection, [event])
    return Renewed(session.expires_at)
