"""Publishing, and looking at what was published."""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody

from tidings.access.guards import key_holder, may
from tidings.access.idempotency import Answer, KeyHeader, OnceKey, json_response, once_key
from tidings.access.principals import KeyHolder
from tidings.errors import Invalid, NotFound, TidingsError
from tidings.events.wake import Waker
from tidings.notifications.draft import Draft, draft_of, named_recipients
from tidings.notifications.publish import Outcome, PublishDoor
from tidings.notifications.structs import Accepted, BatchAccepted, BatchResult, NewBatch, NewNotification, NotificationDetail
from tidings.notifications.timeline import detail_of
from tidings.notifications.withdraw import withdraw
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import field_of, problem_of, responses

MAX_BATCH_RECIPIENTS = 10_000


class Publisher(msgspec.Struct, frozen=True):
    """Who publishes, with which idempotency key, through which door."""

    holder: KeyHolder
    once: OnceKey | None
    door: PublishDoor

    async def publish(self, drafts: Sequence[Draft | TidingsError], answer: Callable[[Sequence[Outcome]], bytes]) -> Answer:
        return await self.door.publish(self.holder.tenant, self.holder.actor, drafts, self.once, answer)


def publishers_through(door: PublishDoor) -> Provide:
    """The one dependency of the hot routes: Litestar resolves several in a task each, a quarter of the CPU of a publish."""

    async def publisher(request: Request[Any, Any, Any], idempotency_key: KeyHeader = None) -> Publisher:
        return Publisher(await key_holder(request), await once_key(request, idempotency_key), door)

    return Provide(publisher)


@post(
    "/",
    guards=[may("notifications:write")],
    status_code=202,
    operation_id="PublishNotification",
    responses=responses(202, Accepted, 400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def publish_notification(data: JSONBody[NewNotification], publisher: NamedDependency[Publisher]) -> Response[bytes]:
    """Accept a notification. It is committed, with its inbox items, when this answers."""
    return json_response(await publisher.publish([draft_of(data, datetime.now(UTC))], answer_single))


def answer_single(outcomes: Sequence[Outcome]) -> bytes:
    [outcome] = outcomes
    if isinstance(outcome, TidingsError):
        raise outcome
    return msgspec.json.encode(outcome)


@post(
    "/batch",
    guards=[may("notifications:write")],
    status_code=202,
    operation_id="PublishBatch",
    responses=responses(202, BatchAccepted, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def publish_batch(data: JSONBody[NewBatch], publisher: NamedDependency[Publisher]) -> Response[bytes]:
    """Accept up to 1,000 notifications in one transaction. Each gets a result of its own; a wrong one stops no other."""
    now = datetime.now(UTC)
    drafts = [draft_or_error(one, now) for one in data.notifications]
    named = sum(named_recipients(draft) for draft in drafts if isinstance(draft, Draft))
    if named > MAX_BATCH_RECIPIENTS:
        raise Invalid(f"A batch names at most {MAX_BATCH_RECIPIENTS} recipients in all; this one names {named}.", field="notifications")
    return json_response(await publisher.publish(drafts, answer_batch))


def draft_or_error(wanted: dict[str, Any], now: datetime) -> Draft | TidingsError:
    try:
        return draft_of(msgspec.convert(wanted, NewNotification), now)
    except msgspec.ValidationError as error:
        detail, field = field_of(str(error))
        return Invalid(detail, field=field)
    except RecursionError:
        return Invalid("This notification is nested too deeply.", field="data")
    except TidingsError as error:
        return error


def answer_batch(outcomes: Sequence[Outcome]) -> bytes:
    # A BatchAccepted; an Accepted reads as the BatchResult that holds the same.
    return msgspec.json.encode({"results": [result_of(outcome) for outcome in outcomes]})


def result_of(outcome: Outcome) -> BatchResult | Accepted:
    return BatchResult(error=problem_of(outcome)) if isinstance(outcome, TidingsError) else outcome


@get(
    "/{notification_id:str}",
    guards=[may("notifications:read")],
    operation_id="GetNotification",
    responses=responses(200, None, 401, 403, 404),
)
async def get_notification(
    notification_id: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> NotificationDetail:
    """A notification and where it is on its way: accepted, sequenced, fanned out, streamed, seen, read."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await detail_of(connection, holder.tenant.id, notification_uuid(notification_id))


@delete(
    "/{notification_id:str}",
    guards=[may("notifications:write")],
    status_code=204,
    operation_id="RetractNotification",
    responses=responses(204, None, 401, 403, 404),
)
async def retract_notification(
    notification_id: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> None:
    """Take a notification out of every inbox and every open page."""
    identity = notification_uuid(notification_id)
    async with tenant_transaction(database, holder.tenant.id) as connection:
        if not await withdraw(connection, holder.tenant, identity, "retracted", holder.actor, datetime.now(UTC)):
            exists = await connection.fetchval(
                "SELECT EXISTS (SELECT FROM notifications WHERE project = $1 AND id = $2::uuid)", holder.tenant.id, identity
            )
            if not exists:
                raise NotFound(f"There is no notification {identity}.")
    waker.wake(holder.tenant.shard)


def notification_uuid(text: str) -> str:
    """What is no UUID names no notification. Raises NotFound."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise NotFound(f"There is no notification {text[:80]!r}.") from None


router = Router(
    path="/v1/notifications",
    route_handlers=[publish_notification, publish_batch, get_notification, retract_notification],
    tags=["Notifications"],
)
