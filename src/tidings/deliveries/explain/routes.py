"""Explanations over HTTP."""

from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter

from tidings.access.guards import may
from tidings.access.principals import KeyHolder
from tidings.deliveries.explain.in_app import in_app_story
from tidings.deliveries.explain.known import look_up
from tidings.deliveries.explain.outside import outside_stories
from tidings.deliveries.explain.structs import Explanation
from tidings.notifications.routes import notification_uuid
from tidings.platform.postgres import Database, tenant_connection
from tidings.platform.problems import responses
from tidings.recipients.structs import ADDRESSABLE


@get(
    "/v1/notifications/{notification_id:str}/explain",
    guards=[may("notifications:read")],
    operation_id="ExplainNotification",
    responses=responses(200, None, 400, 401, 403, 404, 422, 503),
)
async def get_explanation(
    notification_id: FromPath[str],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    subscriber: Annotated[str, Parameter(min_length=1, max_length=255, pattern=ADDRESSABLE, description="The person.")],
) -> Explanation:
    """Why a person got a notification, or did not: for each channel, step by step."""
    notification = notification_uuid(notification_id)
    async with tenant_connection(database, holder.tenant.id) as connection:
        known = await look_up(connection, holder.tenant, notification, subscriber)
        inbox = await in_app_story(connection, holder.tenant.id, known)
        return Explanation(notification, subscriber, [inbox, *await outside_stories(connection, holder.tenant.id, known)])


router = Router(path="/", route_handlers=[get_explanation], tags=["Notifications"])
