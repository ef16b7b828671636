"""The notification to those who look after a project, if it has a topic of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from tidings.access.principals import Tenant
from tidings.notifications.audience import look_up, resolve
from tidings.notifications.draft import draft_of
from tidings.notifications.store import prepare, store
from tidings.notifications.structs import Audience, NewNotification
from tidings.platform.metrics import PUBLISHED
from tidings.platform.postgres import Connection

TOPIC = "tidings:operators"
CATEGORY = "service-levels"
BAD = {"success": "failed for good", "latency": "arrived late"}


async def notify_operators(connection: Connection, tenant: Tenant, kind: str, data: Mapping[str, Any], actor: str, now: datetime) -> None:
    """Publish to the topic's members, in the caller's transaction; nothing where there is no such topic."""
    draft = draft_of(notification(kind, data), now)
    directory = await look_up(connection, tenant.id, {actor: [draft]})
    if TOPIC not in directory.topics:
        return
    await store(connection, tenant, [prepare(draft, resolve(draft, directory), actor, now)])
    PUBLISHED.inc()


def notification(kind: str, data: Mapping[str, Any]) -> NewNotification:
    named = f"{data['connector']} {data['id']}"
    if kind == "service_level.missed":
        title = f"{named} misses its service level"
        hours = data["window_s"] // 3600
        body = (
            f"{data['bad']} of {data['ended']} deliveries {BAD[data['objective']]} in {hours} h: its error budget is spent "
            f"{data['burn_rate']:g} times as fast as it lasts."
        )
    else:
        title, body = f"{named} meets its service level again", None
    shown = msgspec.to_builtins({"type": kind} | dict(data))
    return NewNotification(to=[Audience(topic=TOPIC)], title=title, body=body, data=shown, category=CATEGORY, priority="high")
