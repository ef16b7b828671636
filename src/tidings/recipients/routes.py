"""People and topics over HTTP."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, Parameter

from tidings.access.cache import AccessCache
from tidings.access.guards import may
from tidings.access.idempotency import OnceKey, answer_once
from tidings.access.principals import KeyHolder
from tidings.events.wake import Waker
from tidings.platform.paging import DEFAULT_LIMIT, After, Limit
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import responses
from tidings.recipients.members import change_members, list_members
from tidings.recipients.search import attribute_filters, search_subscribers
from tidings.recipients.structs import (
    BulkDone,
    BulkSubscribers,
    MemberPage,
    MembersChange,
    MembersChanged,
    NamedSubscriber,
    SubscriberFields,
    SubscriberIdInPath,
    SubscriberInfo,
    SubscriberPage,
    SubscriberPatch,
    TopicFields,
    TopicInfo,
    TopicKeyInPath,
    TopicPage,
)
from tidings.recipients.subscribers import delete_subscriber, get_subscriber, patch_subscriber, put_bulk, put_subscribers
from tidings.recipients.topics import delete_topic, get_topic, list_topics, put_topic


@get(
    "/",
    guards=[may("subscribers:read")],
    operation_id="ListSubscribers",
    responses=responses(200, None, 400, 401, 403, 422, 503),
)
async def get_subscribers(
    request: Request[Any, Any, Any],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    id: Annotated[str | None, Parameter(max_length=255, description="Exactly this id.")] = None,
    email: Annotated[str | None, Parameter(max_length=320, description="This address, in upper or lower case.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> SubscriberPage:
    """List or search subscribers, in the order in which they were created.

    Attributes are asked for as in `?attribute.plan=pro`, or one level down as in `?attribute.company.size=5`; whoever matches everything
    that is asked is listed. `5` finds the number and the text, `true` the boolean and the text.
    """
    attributes = attribute_filters(request.query_params.multi_items())
    async with tenant_transaction(database, holder.tenant.id):
        return await search_subscribers(holder.tenant.id, id, email, attributes, after, limit)


@post(
    "/bulk",
    guards=[may("subscribers:write")],
    status_code=200,
    operation_id="PutSubscribers",
    responses=responses(200, BulkDone, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def post_bulk(
    data: JSONBody[BulkSubscribers],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
    once: NamedDependency[OnceKey | None],
) -> Response[bytes]:
    """Create or replace up to 1,000 subscribers in one transaction."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        answer = await answer_once(connection, holder.tenant.id, once, lambda: put_bulk(connection, holder, data.subscribers), status=200)
    waker.wake(holder.tenant.shard)
    return answer


@put(
    "/{subscriber_id:str}",
    guards=[may("subscribers:write")],
    operation_id="PutSubscriber",
    responses=responses(200, SubscriberInfo, 400, 401, 403, 413, 415, 422, 503) | responses(201, SubscriberInfo),
)
async def put_one(
    subscriber_id: SubscriberIdInPath,
    data: JSONBody[SubscriberFields],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
) -> Response[bytes]:
    """Create or replace a subscriber: 201 when it is new, else 200. What is left out is empty afterwards; PATCH keeps it."""
    wanted = NamedSubscriber(id=subscriber_id, **msgspec.structs.asdict(data))
    async with tenant_transaction(database, holder.tenant.id) as connection:
        [(info, is_new)] = await put_subscribers(connection, holder, [wanted])
    waker.wake(holder.tenant.shard)
    return created_or_not(info, is_new)


def created_or_not(info: SubscriberInfo | TopicInfo, is_new: bool) -> Response[bytes]:
    return Response(msgspec.json.encode(info), status_code=201 if is_new else 200, media_type="application/json")


@get(
    "/{subscriber_id:str}",
    guards=[may("subscribers:read")],
    operation_id="GetSubscriber",
    responses=responses(200, None, 401, 403, 404, 422, 503),
)
async def get_one(
    subscriber_id: SubscriberIdInPath, holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> SubscriberInfo:
    """A subscriber."""
    async with tenant_transaction(database, holder.tenant.id):
        return await get_subscriber(holder.tenant.id, subscriber_id)


@patch(
    "/{subscriber_id:str}",
    guards=[may("subscribers:write")],
    operation_id="PatchSubscriber",
    responses=responses(200, None, 400, 401, 403, 404, 413, 415, 422, 503),
)
async def patch_one(
    subscriber_id: SubscriberIdInPath,
    data: JSONBody[SubscriberPatch],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
) -> SubscriberInfo:
    """Change a subscriber. What is left out stays, null empties, attributes are merged (RFC 7396)."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        info = await patch_subscriber(connection, holder, subscriber_id, data)
    waker.wake(holder.tenant.shard)
    return info


@delete(
    "/{subscriber_id:str}",
    guards=[may("subscribers:write")],
    status_code=204,
    operation_id="DeleteSubscriber",
    responses=responses(204, None, 401, 403, 404, 422, 503),
)
async def delete_one(
    subscriber_id: SubscriberIdInPath,
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    access: NamedDependency[AccessCache],
    waker: NamedDependency[Waker],
) -> None:
    """Delete a subscriber: their inbox, memberships, browsers, what is known of them. Their tokens and streams end."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await delete_subscriber(connection, holder, subscriber_id)
    access.forget_here(holder.tenant.id, subscriber_id)
    waker.wake(holder.tenant.shard)


@get("/", guards=[may("topics:read")], operation_id="ListTopics", responses=responses(200, None, 400, 401, 403, 422, 503))
async def get_topics(
    holder: NamedDependency[KeyHolder], database: NamedDependency[Database], limit: Limit = DEFAULT_LIMIT, after: After = None
) -> TopicPage:
    """The topics of the project, in the order in which they were created."""
    async with tenant_transaction(database, holder.tenant.id):
        return await list_topics(holder.tenant.id, after, limit)


@put(
    "/{topic:str}",
    guards=[may("topics:write")],
    operation_id="PutTopic",
    responses=responses(200, TopicInfo, 400, 401, 403, 413, 415, 422, 503) | responses(201, TopicInfo),
)
async def put_one_topic(
    topic: TopicKeyInPath, data: JSONBody[TopicFields], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> Response[bytes]:
    """Create or rename a topic: 201 when it is new, else 200."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        info, is_new = await put_topic(connection, holder, topic, data)
    return created_or_not(info, is_new)


@get("/{topic:str}", guards=[may("topics:read")], operation_id="GetTopic", responses=responses(200, None, 401, 403, 404, 422, 503))
async def get_one_topic(topic: TopicKeyInPath, holder: NamedDependency[KeyHolder], database: NamedDependency[Database]) -> TopicInfo:
    """A topic and how many members it has."""
    async with tenant_transaction(database, holder.tenant.id):
        return await get_topic(holder.tenant.id, topic)


@delete(
    "/{topic:str}",
    guards=[may("topics:write")],
    status_code=204,
    operation_id="DeleteTopic",
    responses=responses(204, None, 401, 403, 404, 422, 503),
)
async def delete_one_topic(
    topic: TopicKeyInPath, holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> None:
    """Delete a topic. What was sent to it stays in the inboxes."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await delete_topic(connection, holder, topic)
    waker.wake(holder.tenant.shard)


@get(
    "/{topic:str}/subscribers",
    guards=[may("topics:read")],
    operation_id="ListMembers",
    responses=responses(200, None, 400, 401, 403, 404, 422, 503),
)
async def get_members(
    topic: TopicKeyInPath,
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> MemberPage:
    """The members of a topic."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_members(connection, holder.tenant.id, topic, after, limit)


@put(
    "/{topic:str}/subscribers",
    guards=[may("topics:write")],
    operation_id="ChangeMembers",
    responses=responses(200, None, 400, 401, 403, 413, 415, 422, 503),
)
async def put_members(
    topic: TopicKeyInPath,
    data: JSONBody[MembersChange],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
) -> MembersChanged:
    """Add and remove up to 1,000 members each, in one transaction. The topic and unknown subscribers are created."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        changed = await change_members(connection, holder, topic, data)
    waker.wake(holder.tenant.shard)
    return changed


subscribers_router = Router(
    path="/v1/subscribers", route_handlers=[get_subscribers, post_bulk, put_one, get_one, patch_one, delete_one], tags=["Subscribers"]
)
topics_router = Router(
    path="/v1/topics",
    route_handlers=[get_topics, put_one_topic, get_one_topic, delete_one_topic, get_members, put_members],
    tags=["Topics"],
)
router = Router(path="/", route_handlers=[subscribers_router, topics_router])
