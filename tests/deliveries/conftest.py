"""The doors of endpoints and deliveries, called in this process on a database of their own: nobody plans or sends there but the test."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from in_process import Api, Silent, database, given, state_dir
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from own_database import SHARDS

from tidings.access import routes as access_routes
from tidings.access.cache import AccessCache
from tidings.access.guards import dependencies
from tidings.access.idempotency import once_key
from tidings.access.projects import create_project
from tidings.deliveries.categories import routes as category_routes
from tidings.deliveries.destinations import endpoint_routes, integration_routes
from tidings.deliveries.destinations.endpoints import url_check
from tidings.deliveries.destinations.members import members_check
from tidings.deliveries.ledger import routes as delivery_routes
from tidings.outbound.networks import policy_of
from tidings.platform.ids import uuid7
from tidings.platform.postgres import Database
from tidings.platform.problems import HANDLERS
from tidings.platform.secrets import load_secret
from tidings.recipients import routes as recipient_routes
from tidings.settings import Settings
from tidings.vault import Vault, load_vault

__all__ = ["database", "state_dir"]

URL = "https://hooks.example.com/tidings"
WRITE = """
INSERT INTO deliveries (id, project, destination, notification, subscriber, type, shard, position, event_at, accepted_at, order_key, state,
    attempts, next_attempt_at, lease_until, reason, finished_at)
SELECT $1, $2, id, $4, $5, $6, 0, 1, $7, $7, $8, $9, $10, $11, $12, $13, $14 FROM destinations WHERE key = $3
"""


class Deliveries(Api):
    """Endpoints and deliveries of one project."""

    vault: Vault

    async def endpoint(self, **fields: Any) -> Any:
        return await self.ok("POST", "/v1/endpoints", {"url": URL, "events": ["notification.*"]} | fields)

    async def deliver(self, endpoint: str, state: str = "pending", **fields: Any) -> str:
        """A delivery as the planner and the workers would have left it; its id."""
        now = datetime.now(UTC)
        is_over = state in ("delivered", "dead", "cancelled")
        known = {
            "type": "notification.created", "at": now, "attempts": int(is_over), "next_attempt_at": now + timedelta(hours=1),
            "finished_at": now if is_over else None,
        } | fields  # fmt: skip
        identity = known.get("id") or uuid7()
        await self.database.system.execute(
            WRITE, identity, self.tenant.id, endpoint, known.get("notification"), known.get("subscriber"), known["type"], known["at"],
            known.get("order_key"), state, known["attempts"], known["next_attempt_at"], known.get("lease_until"), known.get("reason"),
            known["finished_at"],
        )  # fmt: skip
        return str(identity)

    async def row(self, delivery: str) -> Any:
        return await self.database.system.fetchrow("SELECT * FROM deliveries WHERE id = $1::uuid", delivery)

    async def lane(self, endpoint: str) -> Any:
        return await self.database.system.fetchrow(
            "SELECT l.* FROM lanes l JOIN destinations d ON d.id = l.destination WHERE d.key = $1", endpoint
        )

    async def told(self) -> list[str]:
        """The types of the events that were appended since the last call."""
        return [event.type for event in await self.outbox()]


@pytest.fixture
async def api(database: Database, state_dir: Path) -> AsyncIterator[Deliveries]:
    """A project of its own for each test."""
    settings = Settings(state_dir=state_dir)
    load_secret(settings)
    access, vault = AccessCache(database, settings), load_vault(settings)
    tenant, secret = await create_project(database, "deliveries", SHARDS)
    policy = policy_of(settings)
    held = {
        "database": database,
        "access": access,
        "waker": Silent(),
        "vault": vault,
        "check_target": url_check(policy),
        "check_members": members_check(policy),
    }
    app = Litestar(
        route_handlers=[
            *(access_routes.router, recipient_routes.router),
            *(endpoint_routes.router, integration_routes.router, category_routes.router, delivery_routes.router),
        ],
        dependencies={name: given(value) for name, value in held.items()} | dependencies | {"once": Provide(once_key)},
        exception_handlers=HANDLERS,
        state=State({"tidings": SimpleNamespace(access=access)}),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x") as client:
        api = Deliveries(client, database, settings, access, tenant, secret, vault)
        await api.outbox()
        yield api
    await access.stop()
