"""The browsers of a person that take web pushes: shown by the browser, listed and forgotten. All inside the caller's tenant transaction."""

from urllib.parse import urlsplit

from tidings.access.principals import SubscriberSession
from tidings.access.tokens import refused
from tidings.errors import NotFound
from tidings.platform.postgres import Connection
from tidings.push.reading import read_subscription
from tidings.push.structs import NewSubscription, PushSubscriptionInfo, PushSubscriptions, Subscribed
from tidings.recipients.resolve import look_up
from tidings.recipients.subscribers import unknown

MAX_A_SUBSCRIBER = 20
MAX_USER_AGENT = 256

# The lock makes those who subscribe for one person, and whoever revokes their tokens or deletes them, take turns.
LOCK_SIGNED_IN = """
SELECT true FROM subscribers
WHERE project = $1 AND id = $2 AND deleted_at IS NULL AND (tokens_valid_after IS NULL OR tokens_valid_after <= $3) FOR NO KEY UPDATE
"""
# clock_timestamp, because now() is when the transaction began, before it waited for the lock.
PUT = """
INSERT INTO push_subscriptions (project, id, subscriber, endpoint, p256dh, auth, expires_at, user_agent, created_at, updated_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, at, at FROM clock_timestamp() AS at
ON CONFLICT (project, id) DO UPDATE SET
    subscriber = excluded.subscriber, p256dh = excluded.p256dh, auth = excluded.auth, expires_at = excluded.expires_at,
    user_agent = excluded.user_agent, updated_at = excluded.updated_at
RETURNING id, created_at, updated_at
"""
FORGET_LONGEST_UNSEEN = """
DELETE FROM push_subscriptions WHERE project = $1 AND id IN (
    SELECT id FROM push_subscriptions WHERE subscriber = $2 ORDER BY updated_at DESC, id OFFSET $3
)
"""
FORGET = "DELETE FROM push_subscriptions WHERE project = $1 AND id = $2 AND subscriber = $3 RETURNING id"
LIST = """
SELECT id, endpoint, user_agent, created_at, updated_at FROM push_subscriptions WHERE subscriber = $1 ORDER BY updated_at DESC, id
"""


async def put_subscription(
    connection: Connection, session: SubscriberSession, given: NewSubscription, user_agent: str | None
) -> Subscribed:
    """A browser that signs in as another person takes its subscription along. Raises Invalid, and Unauthenticated when the tokens of
    the person were revoked a moment ago.
    """
    read, project = read_subscription(given), session.tenant.id
    if not await connection.fetchval(LOCK_SIGNED_IN, project, session.subscriber, session.issued_at):
        raise refused("revoked", "The tokens of this subscriber were revoked after this one was issued; ask your server for a new one.")
    shown = user_agent and user_agent[:MAX_USER_AGENT]
    row = await connection.fetchrow(
        PUT, project, read.id, session.subscriber, read.endpoint, read.p256dh, read.auth, read.expires_at, shown
    )
    await connection.execute(FORGET_LONGEST_UNSEEN, project, session.subscriber, MAX_A_SUBSCRIBER)
    return Subscribed(*row)


async def forget_own(connection: Connection, session: SubscriberSession, push_id: str) -> None:
    """Nothing happens when it is gone already, or somebody else's."""
    await connection.execute(FORGET, session.tenant.id, push_id, session.subscriber)


async def list_subscriptions(connection: Connection, project: int, external_id: str) -> PushSubscriptions:
    """Those seen last first. Raises NotFound."""
    rows = await connection.fetch(LIST, await inner_id(connection, project, external_id))
    return PushSubscriptions(
        [
            PushSubscriptionInfo(
                row["id"], urlsplit(row["endpoint"]).hostname or "", row["user_agent"], row["created_at"], row["updated_at"]
            )
            for row in rows
        ]
    )


async def forget_subscription(connection: Connection, project: int, external_id: str, push_id: str) -> None:
    """Raises NotFound."""
    if await connection.fetchval(FORGET, project, push_id, await inner_id(connection, project, external_id)) is None:
        raise NotFound(f"{external_id[:255]!r} has no push subscription {push_id[:80]!r}.")


async def inner_id(connection: Connection, project: int, external_id: str) -> int:
    """Raises NotFound."""
    found = await look_up(connection, project, [external_id])
    if external_id not in found:
        raise unknown(external_id)
    return found[external_id]
