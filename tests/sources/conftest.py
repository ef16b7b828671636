"""Sources called in this process, on a database of their own: nobody sequences there but the test."""

import base64
import hmac
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import standardwebhooks
import stripe
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
from tidings.notifications.publish import PublishDoor
from tidings.platform.postgres import Database
from tidings.platform.problems import HANDLERS
from tidings.platform.secrets import load_secret
from tidings.recipients import routes as recipient_routes
from tidings.settings import Settings
from tidings.sources import inbound_routes
from tidings.sources import routes as source_routes
from tidings.vault import Vault, load_vault

__all__ = ["database", "state_dir"]

BASE_URL = "https://tidings.example.com"
STRIPE_SECRET = "whsec_" + "5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH"
GITHUB_SECRET = "It's a Secret to Everybody"
STANDARD_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SECRETS = {"stripe": STRIPE_SECRET, "github": GITHUB_SECRET, "standard_webhooks": STANDARD_SECRET}

INVOICE_PAID = {
    "when": {"type": "invoice.paid"},
    "to": [{"subscriber": "{{data.object.metadata.user_id}}"}],
    "title": "Invoice {{data.object.number}} paid",
    "body": "{{data.object.amount_paid|money:data.object.currency}}",
}


def invoice(event: str | None = None, **members: Any) -> dict[str, Any]:
    """A Stripe event."""
    invoice = {
        "id": "in_1",
        "object": "invoice",
        "number": "A-17",
        "amount_paid": 4900,
        "currency": "eur",
        "metadata": {"user_id": "alice"},
    }
    return {"id": event or f"evt_{uuid4().hex}", "object": "event", "type": "invoice.paid", "data": {"object": invoice | members}}


def stripe_headers(body: bytes, secret: str = STRIPE_SECRET, at: int | None = None) -> dict[str, str]:
    """As Stripe's own library makes them."""
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at)}


def github_headers(body: bytes, event: str = "ping", delivery: str | None = None, secret: str = GITHUB_SECRET) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, "sha256").hexdigest()
    return {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery or str(uuid4()), "X-Hub-Signature-256": f"sha256={signature}"}


def standard_headers(body: bytes, identity: str = "msg_1", secret: str = STANDARD_SECRET, at: int | None = None) -> dict[str, str]:
    """As the library of Standard Webhooks signs."""
    at = int(time.time()) if at is None else at
    signature = standardwebhooks.Webhook(secret).sign(identity, datetime.fromtimestamp(at, UTC), body.decode())
    return {"webhook-id": identity, "webhook-timestamp": str(at), "webhook-signature": signature}


class Sources(Api):
    """Sources of one project."""

    vault: Vault

    async def source(self, kind: str = "stripe", **fields: Any) -> str:
        """Its id."""
        body = {"kind": kind, "name": "test", "secret": SECRETS[kind]} | fields
        return str((await self.ok("POST", "/v1/sources", body))["id"])

    async def arrives(self, source: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        """What the service is answered, which has no API key."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.client.post(f"/v1/inbound/{source}", content=content, headers={"Content-Type": "application/json"} | headers)

    async def stripe(self, source: str, event: dict[str, Any]) -> str:
        """The outcome."""
        body = msgspec.json.encode(event)
        answer = await self.arrives(source, body, stripe_headers(body))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["outcome"])

    async def github(self, source: str, event: str, payload: dict[str, Any]) -> str:
        body = msgspec.json.encode(payload)
        answer = await self.arrives(source, body, github_headers(body, event))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["outcome"])

    async def history(self, source: str) -> list[Any]:
        events: list[Any] = (await self.ok("GET", f"/v1/sources/{source}/events"))["items"]
        return events

    async def published(self) -> list[Any]:
        """The project's notifications, in their order."""
        rows: list[Any] = await self.database.system.fetch("SELECT * FROM notifications WHERE project = $1 ORDER BY id", self.tenant.id)
        return rows


async def sources_of(database: Database, state_dir: Path, backlog: int = 0) -> AsyncIterator[Sources]:
    settings = Settings(state_dir=state_dir, public_url=BASE_URL)
    load_secret(settings)
    access, vault = AccessCache(database, settings), load_vault(settings)
    tenant, secret = await create_project(database, "sources", SHARDS)
    door = PublishDoor(database, Silent(), lambda shard: backlog, 1000)
    held = {"database": database, "access": access, "waker": Silent(), "vault": vault, "door": door, "settings": settings}
    app = Litestar(
        route_handlers=[access_routes.router, recipient_routes.router, source_routes.router, inbound_routes.router],
        dependencies={name: given(value) for name, value in held.items()} | dependencies | {"once": Provide(once_key)},
        exception_handlers=HANDLERS,
        request_max_body_size=1024 * 1024,
        state=State({"tidings": SimpleNamespace(access=access)}),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x") as client:
        yield Sources(client, database, settings, access, tenant, secret, vault)
    await access.stop()


@pytest.fixture
async def api(database: Database, state_dir: Path) -> AsyncIterator[Sources]:
    """A project of its own for each test."""
    async for api in sources_of(database, state_dir):
        yield api


@pytest.fixture
async def other(database: Database, state_dir: Path) -> AsyncIterator[Sources]:
    """Another project on the same database."""
    async for api in sources_of(database, state_dir):
        yield api


@pytest.fixture
async def overloaded(database: Database, state_dir: Path) -> AsyncIterator[Sources]:
    """A project whose shard has a full backlog."""
    async for api in sources_of(database, state_dir, backlog=1000):
        yield api
