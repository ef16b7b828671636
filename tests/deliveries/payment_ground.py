"""A Stripe that makes payment links, and a project that asks for them in this process.

Stripe is the server of tests/connectors/test_stripe_meter.py, which holds idempotency keys as Stripe says that it does, with payment links
in place of meter events. That it takes what Stripe's own library sends, a test of the links shows, by having it send.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from aiohttp import web
from connectors.far_end import reaching
from connectors.test_stripe_meter import CUSTOMER, KEY, Stripe, error
from in_process import Api, Silent, given
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from own_database import SHARDS

from tidings.access import routes as access_routes
from tidings.access.cache import AccessCache
from tidings.access.guards import dependencies
from tidings.access.idempotency import once_key
from tidings.access.projects import create_project
from tidings.deliveries.destinations import endpoint_routes, integration_routes
from tidings.deliveries.destinations.endpoints import url_check
from tidings.deliveries.destinations.members import members_check
from tidings.deliveries.payment_links import routes as payment_link_routes
from tidings.deliveries.payment_links import stripe as payment_links
from tidings.outbound.networks import policy_of
from tidings.platform.postgres import Database
from tidings.platform.problems import HANDLERS
from tidings.platform.secrets import load_secret
from tidings.settings import Settings
from tidings.vault import load_vault

PRICE = "price_1MoBy5LkdIwHu7ixZhnattbh"
WANTED = {
    "price": PRICE,
    "quantity": 2,
    "metadata": {"order": "17", "für": "Anna & Öl"},
    "after_completion_url": "https://shop.example.com/ok?a=1",
}
KNOWN = re.compile(r"line_items\[0\]\[(price|quantity)\]|metadata\[[^\[\]]{1,40}\]|after_completion\[(type|redirect\]\[url)\]")


@dataclass
class Links(Stripe):
    """POST /v1/payment_links, as far as it is used.   links: what each was made of.   address: in place of Stripe's own.   is_hanging: it
    takes the request, and never answers.   takes_s: seconds before it answers.   versions: as they were asked for.
    """

    links: list[dict[str, str]] = field(default_factory=list)
    address: str = "https://buy.stripe.com/test_"
    is_hanging: bool = False
    takes_s: float = 0.0
    versions: list[str] = field(default_factory=list)

    async def create(self, request: web.Request) -> web.StreamResponse:
        self.versions.append(request.headers["Stripe-Version"])
        await asyncio.sleep(self.takes_s)
        answer = await super().create(request)
        if self.is_hanging:
            await asyncio.sleep(60)
        return answer

    def take(self, fields: dict[str, str]) -> web.Response:
        for name in fields:
            if not KNOWN.fullmatch(name):
                return error(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
        if fields["line_items[0][price]"] != PRICE:
            words = f"No such price: '{fields['line_items[0][price]']}'"
            return error(400, words, code="resource_missing", param="line_items[0][price]")
        if not 1 <= int(fields["line_items[0][quantity]"]) <= 10_000:
            return error(400, "Invalid quantity", code="parameter_invalid_integer", param="line_items[0][quantity]")
        if ".test" in fields.get("after_completion[redirect][url]", ""):
            return error(400, "Not a valid URL", code="url_invalid", param="after_completion[redirect][url]")
        if ("after_completion[type]" in fields) != ("after_completion[redirect][url]" in fields):
            return error(400, "Missing required param", code="parameter_missing", param="after_completion[type]")
        if "metadata[refused]" in fields:
            return error(400, "Not this one", param="metadata[refused]")
        self.links.append(fields)
        # Of the size that such a link has, with all that belongs to it.
        link = {"id": f"plink_{len(self.links)}", "object": "payment_link", "active": True, "url": f"{self.address}{len(self.links)}"}
        return web.json_response(link | {"metadata": {"filler": "x" * 30_000}})


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Links]:
    service = Links()
    app = web.Application()
    app.router.add_post("/v1/payment_links", service.create)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setattr(payment_links, "BASE", service.url)
    yield service
    await runner.cleanup()


@pytest.fixture
async def shop(database: Database, state_dir: Path) -> AsyncIterator[Api]:
    """A project of its own, called in this process."""
    settings = Settings(state_dir=state_dir)
    load_secret(settings)
    cache, vault, policy = AccessCache(database, settings), load_vault(settings), policy_of(settings)
    tenant, secret = await create_project(database, "shop", SHARDS)
    async with reaching(database.system, vault) as reach:
        held = {
            "database": database,
            "access": cache,
            "waker": Silent(),
            "vault": vault,
            "reach": reach,
            "check_target": url_check(policy),
            "check_members": members_check(policy),
        }
        app = Litestar(
            route_handlers=[access_routes.router, endpoint_routes.router, integration_routes.router, payment_link_routes.router],
            dependencies={name: given(value) for name, value in held.items()} | dependencies | {"once": Provide(once_key)},
            exception_handlers=HANDLERS,
            state=State({"tidings": SimpleNamespace(access=cache)}),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x") as client:
            yield Api(client, database, settings, cache, tenant, secret)
    await cache.stop()


async def metering(shop: Api, stripe_key: str = KEY) -> str:
    config = {"event_name": "notifications_sent", "customer": CUSTOMER}
    body = {"connector": "stripe_meter", "config": config, "credentials": {"key": stripe_key}}
    return str((await shop.ok("POST", "/v1/integrations", body))["id"])


async def ask(shop: Api, integration: str, body: Any = None, **headers: str) -> httpx.Response:
    answer = await shop("POST", f"/v1/integrations/{integration}/payment-links", body or {"price": PRICE}, **headers)
    assert "rk_test" not in answer.text and not [value for value in answer.headers.values() if "rk_test" in value]
    return answer


def problem(answer: httpx.Response) -> tuple[int, str | None]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json().get("field")
