"""The browsers of a person, as those who push to them need them."""

from collections.abc import Collection
from datetime import datetime

import asyncpg
import msgspec
from yarl import URL

FIND = """
SELECT id, endpoint, p256dh, auth FROM push_subscriptions
WHERE project = $1 AND subscriber = $2 AND (expires_at IS NULL OR expires_at > $3) ORDER BY updated_at DESC, id
"""
# An id is a hash of the endpoint, so whoever it went to meanwhile has the same one, which is gone.
FORGET = "DELETE FROM push_subscriptions WHERE project = $1 AND id = ANY ($2)"


class Subscription(msgspec.Struct, frozen=True):
    id: str
    endpoint: str
    p256dh: bytes
    auth: bytes

    @property
    def audience(self) -> str:
        """The push service (RFC 8292 §2)."""
        return str(URL(self.endpoint).origin())


async def find_subscriptions(pool: asyncpg.Pool, project: int, subscriber: int | None, now: datetime) -> list[Subscription]:
    return [Subscription(*row) for row in await pool.fetch(FIND, project, subscriber, now)]


async def forget(pool: asyncpg.Pool, project: int, ids: Collection[str]) -> None:
    if ids:
        await pool.execute(FORGET, project, ids)
