"""Ending a subscriber's tokens, all that were issued until now, and what their browsers may get without one: web pushes."""

from datetime import datetime

import msgspec

from tidings.access.principals import Tenant
from tidings.errors import NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.postgres import Connection

# clock_timestamp, because now() is when the transaction began: a token made while it waited for the row would slip through.
REVOKE = """
UPDATE subscribers SET tokens_valid_after = greatest(tokens_valid_after, clock_timestamp())
WHERE project = $1 AND external_id = $2 AND deleted_at IS NULL RETURNING id, tokens_valid_after
"""


async def revoke_tokens(connection: Connection, tenant: Tenant, external_id: str, actor: str) -> datetime:
    """Tokens issued before the time that is returned are refused. Raises NotFound."""
    row = await connection.fetchrow(REVOKE, tenant.id, external_id)
    if row is None:
        raise NotFound(f"There is no subscriber {external_id!r}.")
    # The row that was changed is locked: a browser that subscribes meanwhile waits for it, and is then refused (push/subscriptions.py).
    await connection.execute("DELETE FROM push_subscriptions WHERE subscriber = $1", row["id"])
    valid_after: datetime = row["tokens_valid_after"]
    data = msgspec.json.encode({"subscriber": external_id, "valid_after": valid_after}).decode()
    event = NewEvent(
        project=tenant.id, shard=tenant.shard, type="subscriber.tokens_revoked", data=data, actor=actor, recipients=[row["id"]]
    )
    await append(connection, [event])
    return valid_after
