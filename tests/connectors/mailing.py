"""A reach with a database behind it, for connectors that ask whom not to write to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from in_process import Api

from connectors.far_end import LOOPBACK, claimed, reaching
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.ledger.claim import Claimed

ALICE = {"name": "Alice Adams", "email": "alice@example.com", "locale": "en"}


@asynccontextmanager
async def reaching_with(api: Api, allow: Any = LOOPBACK) -> AsyncIterator[Reach]:
    async with reaching(api.database.system, allow=allow) as reach:
        yield reach


async def subscriber(api: Api, name: str = "alice", **fields: Any) -> int:
    """Their inner id."""
    known = {"email": "alice@example.com"} | fields
    await api.ok("PUT", f"/v1/subscribers/{name}", known)
    return int(
        await api.database.system.fetchval("SELECT id FROM subscribers WHERE project = $1 AND external_id = $2", api.tenant.id, name)
    )


def letter_to(api: Api, subscriber: int, **notification: Any) -> Claimed:
    return claimed(to=ALICE | {"subscriber": subscriber}, project=api.tenant.id, **notification)
