"""The inbox of the subscriber who asks."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody, Parameter

from tidings.access.principals import SubscriberSession
from tidings.errors import Invalid
from tidings.events.cursor import Cursor
from tidings.events.wake import Waker
from tidings.notifications.counts import count_one, fold
from tidings.notifications.inbox import View, read_page
from tidings.notifications.marks import Action, mark
from tidings.notifications.structs import Clicked, Counts, InboxPage, Mark, Marked
from tidings.platform.metrics import MARKS
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import responses

Position = Callable[[int], Cursor]
KnownTag = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description="The ETag of what the caller has; unchanged, it gets 304.")
]

MARK_PROBLEMS = responses(200, Marked, 400, 401, 404, 413, 415, 422, 503)


@get("/", operation_id="ReadInbox", responses=responses(200, InboxPage, 304, 400, 401, 422))
async def read_inbox(
    session: NamedDependency[SubscriberSession],
    database: NamedDependency[Database],
    position: NamedDependency[Position],
    limit: Annotated[int, Parameter(ge=1, le=200, description="Items a page.")] = 25,
    after: Annotated[str | None, Parameter(description="`next` of the page before.")] = None,
    unread: Annotated[bool, Parameter(description="Only what is unread.")] = False,
    archived: Annotated[bool, Parameter(description="Only what was archived.")] = False,
    category: Annotated[str | None, Parameter(max_length=100, description="Only this category.")] = None,
    if_none_match: KnownTag = None,
) -> Response[bytes]:
    """The newest items first. `cursor` is where to stream from: page and stream together miss nothing."""
    if unread and archived:
        raise Invalid("Ask for unread or for archived items, not both: archived items do not count as unread.", field="archived")
    view: View = "unread" if unread else "archived" if archived else "all"
    tenant = session.tenant
    # Read before the rows, so that what happens between the two is streamed and not lost.
    here = position(tenant.shard)
    async with tenant_connection(database, tenant.id) as connection:
        page = await read_page(connection, tenant.id, session.subscriber, view, category, after, limit, here)
    return with_etag(if_none_match, msgspec.json.encode(page))


@get("/counts", operation_id="CountInbox", responses=responses(200, Counts, 304, 401))
async def count_inbox(
    session: NamedDependency[SubscriberSession], database: NamedDependency[Database], if_none_match: KnownTag = None
) -> Response[bytes]:
    """How many items there are, unseen and unread; archived ones do not count."""
    async with tenant_connection(database, session.tenant.id) as connection:
        counts, should_fold = await count_one(connection, session.subscriber)
    if should_fold:
        await fold(database, session.tenant.id, session.subscriber)
    return with_etag(if_none_match, msgspec.json.encode(counts))


def with_etag(known: str | None, body: bytes) -> Response[bytes]:
    """304 when the caller has this already (RFC 9110 §13.1.2). Private: an inbox belongs in no shared cache."""
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if etag in [tag.strip().removeprefix("W/") for tag in (known or "").split(",")]:
        return Response(b"", status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@post("/seen", status_code=200, operation_id="MarkSeen", responses=MARK_PROBLEMS)
async def mark_seen(
    data: JSONBody[Mark], session: NamedDependency[SubscriberSession], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> Marked:
    """Mark items seen: they were on the screen."""
    return await mark_and_wake(database, waker, session, "seen", data)


@post("/read", status_code=200, operation_id="MarkRead", responses=MARK_PROBLEMS)
async def mark_read(
    data: JSONBody[Mark], session: NamedDependency[SubscriberSession], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> Marked:
    """Mark items read; what is read is seen too."""
    return await mark_and_wake(database, waker, session, "read", data)


@post("/unread", status_code=200, operation_id="MarkUnread", responses=MARK_PROBLEMS)
async def mark_unread(
    data: JSONBody[Mark], session: NamedDependency[SubscriberSession], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> Marked:
    """Mark items unread again; they stay seen."""
    return await mark_and_wake(database, waker, session, "unread", data)


@post("/archive", status_code=200, operation_id="Archive", responses=MARK_PROBLEMS)
async def archive(
    data: JSONBody[Mark], session: NamedDependency[SubscriberSession], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> Marked:
    """Put items away; they no longer count."""
    return await mark_and_wake(database, waker, session, "archived", data)


@post("/unarchive", status_code=200, operation_id="Unarchive", responses=MARK_PROBLEMS)
async def unarchive(
    data: JSONBody[Mark], session: NamedDependency[SubscriberSession], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> Marked:
    """Take items back into the inbox, as they were."""
    return await mark_and_wake(database, waker, session, "unarchived", data)


@post("/clicked", status_code=200, operation_id="MarkClicked", responses=responses(200, Marked, 400, 401, 413, 415, 422, 503))
async def mark_clicked(
    data: JSONBody[Clicked], session: NamedDependency[SubscriberSession], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> Marked:
    """Tell that items, or buttons of theirs, were clicked. Webhooks and analytics learn of each item once; the inbox stays as it is."""
    return await mark_and_wake(database, waker, session, "clicked", Mark(ids=data.ids))


async def mark_and_wake(database: Database, waker: Waker, session: SubscriberSession, action: Action, which: Mark) -> Marked:
    async with tenant_transaction(database, session.tenant.id) as connection:
        marked = await mark(connection, session, action, which, datetime.now(UTC))
    MARKS.labels(action).inc(marked.changed)
    waker.wake(session.tenant.shard)
    return marked


router = Router(
    path="/v1/inbox",
    route_handlers=[read_inbox, count_inbox, mark_seen, mark_read, mark_unread, archive, unarchive, mark_clicked],
    tags=["Inbox"],
    security=[{"subscriberToken": []}],
)
