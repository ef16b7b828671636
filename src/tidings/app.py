"""The API process put together: what it holds, what it serves, how it starts and how it ends."""

import asyncio
import contextlib
from functools import partial
from typing import Any, Literal

import msgspec
from litestar import Litestar, Request, Response
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from loguru import logger

from tidings import health
from tidings.access import routes as access_routes
from tidings.access.cache import AccessCache
from tidings.access.guards import dependencies as access_dependencies
from tidings.access.guards import refuse_credentials_in_url
from tidings.access.idempotency import once_key
from tidings.backups import routes as backup_routes
from tidings.browser.routes import open_to_every_site
from tidings.browser.routes import router as browser_router
from tidings.deliveries.categories import routes as category_routes
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.ses.inbound import routes as ses_inbound_routes
from tidings.deliveries.destinations import endpoint_routes, integration_routes
from tidings.deliveries.destinations.endpoints import url_check
from tidings.deliveries.destinations.members import members_check
from tidings.deliveries.explain import routes as explain_routes
from tidings.deliveries.ledger import routes as delivery_routes
from tidings.deliveries.levels import routes as level_routes
from tidings.deliveries.payment_links import routes as payment_link_routes
from tidings.deliveries.suppressions import routes as suppression_routes
from tidings.deliveries.trial import routes as trial_routes
from tidings.demo.routes import router as demo_router
from tidings.errors import UnsupportedMediaType
from tidings.events.wake import Waker
from tidings.flags import routes as flag_routes
from tidings.flags.flags import FOLLOWED_POLL_S, Flags
from tidings.flags.known import SHORT_PUBLISH, SHORT_STREAM, SHORT_WRITE
from tidings.notifications import inbox_routes
from tidings.notifications import routes as notification_routes
from tidings.notifications.express import Express
from tidings.notifications.publish import PublishDoor
from tidings.openapi import complete, openapi_config
from tidings.outbound.client import open_outbound
from tidings.outbound.networks import policy_of
from tidings.platform.ids import rise_above
from tidings.platform.metrics import REQUESTS
from tidings.platform.postgres import NOT_YET, POSTGRES_AWAY, Database, open_database
from tidings.platform.problems import HANDLERS
from tidings.platform.redis import open_redis
from tidings.platform.telemetry.requests import NamedRequests
from tidings.push import routes as push_routes
from tidings.recipients import routes as recipient_routes
from tidings.reference import routes as reference
from tidings.settings import Settings
from tidings.sources import inbound_routes
from tidings.sources import routes as source_routes
from tidings.stream import routes as stream_routes
from tidings.stream.edge import StreamEdge
from tidings.vault import Vault, load_vault

MOST_BODY_BYTES = 1024 * 1024
AWAY_S = 1.0

Role = Literal["all", "api", "stream"]


class Process(msgspec.Struct, frozen=True):
    """Everything an API process holds."""

    settings: Settings
    database: Database
    redis: Any
    waker: Waker
    flags: Flags
    access: AccessCache
    edge: StreamEdge
    door: PublishDoor
    vault: Vault
    reach: Reach
    closing: contextlib.AsyncExitStack

    async def start(self) -> None:
        self.waker.start()
        await self.flags.start()
        self.access.start()
        await self.edge.start()

    async def stop(self) -> None:
        await self.edge.stop()
        await self.access.stop()
        await self.flags.stop()
        await self.waker.stop()
        await self.redis.aclose()
        await self.closing.aclose()
        await self.database.close()


async def open_process(settings: Settings) -> Process:
    """Connect, waiting for PostgreSQL; Redis may be away."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    vault = load_vault(settings)
    database = await database_when_there(settings.database_url, settings.database_pool)
    newest = await database.system.fetchval("SELECT id FROM notifications ORDER BY id DESC LIMIT 1")
    if newest is not None:
        rise_above(newest)
    redis = open_redis(settings.redis_url)
    access = AccessCache(database, settings)
    flags = Flags(database.system, settings.state_dir, FOLLOWED_POLL_S)
    edge = StreamEdge(database, settings, access, partial(flags.is_on, SHORT_STREAM))
    edge.listen(access.apply)
    edge.listen(flags.heard)
    waker = Waker(redis)
    door = PublishDoor(database, waker, edge.backlog, settings.backlog_limit, edge.let_in, partial(flags.is_on, SHORT_WRITE))
    with contextlib.suppress(*POSTGRES_AWAY):
        await door.warm_up()
    closing = contextlib.AsyncExitStack()
    outbound = await closing.enter_async_context(open_outbound(settings))
    reach = Reach(outbound, database.system, vault, settings.base_url)
    return Process(settings, database, redis, waker, flags, access, edge, door, vault, reach, closing)


async def database_when_there(url: str, size: int) -> Database:
    told = False
    while True:
        try:
            return await open_database(url, tenant_size=size, name="tidings api")
        except NOT_YET as error:
            if not told:
                logger.warning("PostgreSQL cannot be reached ({}); waiting for it", error)
            told = True
            await asyncio.sleep(AWAY_S)


def create_app(process: Process, role: Role = "all") -> Litestar:
    """What this process serves. Streams may have processes of their own: a broadcast holds the loop about 10 µs a connection."""
    streams = stream_routes.routers
    api = [
        notification_routes.router,
        inbox_routes.router,
        recipient_routes.router,
        access_routes.router,
        push_routes.router,
        endpoint_routes.router,
        integration_routes.router,
        category_routes.router,
        flag_routes.router,
        delivery_routes.router,
        source_routes.router,
        inbound_routes.router,
        trial_routes.router,
        payment_link_routes.router,
        explain_routes.router,
        level_routes.router,
        suppression_routes.router,
        backup_routes.router,
        ses_inbound_routes.router,
        browser_router,
        demo_router,
        reference.router,
    ]
    app = Litestar(
        route_handlers=[health.router, *(api if role != "stream" else []), *(streams if role != "api" else [])],
        dependencies=dependencies_of(process) | access_dependencies,
        exception_handlers=HANDLERS,
        before_request=check_request,
        after_request=count_answer,
        before_send=[open_to_every_site],
        cors_config=cors_of(process.settings),
        openapi_config=openapi_config(process.settings),
        request_max_body_size=MOST_BODY_BYTES,
        state=State({"tidings": process}),
        debug=False,
        # Litestar would put a handler of its own on the root logger; ours stand in platform/logging.py.
        logging_config=None,
    )
    complete(app.openapi_schema)
    return app


def create_front(process: Process, role: Role = "all") -> Any:
    """The ASGI application that is served: requests by their names, plain publishes (notifications/express.py), then everything."""
    app = create_app(process, role)
    if role == "stream":
        return NamedRequests(app)
    return NamedRequests(Express(app, process.access, process.door, MOST_BODY_BYTES, partial(process.flags.is_on, SHORT_PUBLISH)))


async def check_request(request: Request[Any, Any, Any]) -> None:
    """What holds for every route. Raises Malformed or UnsupportedMediaType."""
    await refuse_credentials_in_url(request)
    if request.method in ("POST", "PUT", "PATCH") and has_body(request) and "any_media_type" not in request.route_handler.opt:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise UnsupportedMediaType(f"The body came as {media_type or 'no media type'}; send `Content-Type: application/json`.")


async def count_answer(response: Response[Any]) -> Response[Any]:
    # None: of a GET that answers bytes of its own, whose status is the route's.
    REQUESTS.labels(response.status_code or 200).inc()
    return response


def has_body(request: Request[Any, Any, Any]) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def dependencies_of(process: Process) -> dict[str, Provide]:
    """What handlers ask for by name."""
    policy = policy_of(process.settings)
    held: dict[str, Any] = {
        "process": process,
        "settings": process.settings,
        "database": process.database,
        "waker": process.waker,
        "access": process.access,
        "edge": process.edge,
        "door": process.door,
        "vault": process.vault,
        "reach": process.reach,
        "check_target": url_check(policy),
        "check_members": members_check(policy),
        "position": process.edge.position,
    }
    return {name: provide(value) for name, value in held.items()} | {
        "once": Provide(once_key),
        "publisher": notification_routes.publishers_through(process.door),
    }


def provide(value: Any) -> Provide:
    def give() -> Any:
        return value

    return Provide(give, sync_to_thread=False)


def cors_of(settings: Settings) -> CORSConfig:
    # Credentials (the stream cookie) are for named origins only: browsers refuse them with `*`.
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            *("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "If-None-Match", "Cache-Control"),
            *("X-Request-Id", "traceparent", "tracestate"),
        ],
        # The last three are for the doctor: clocks, caches and compressors on the way.
        expose_headers=["ETag", "Retry-After", "Idempotency-Replayed", "X-Request-Id", "Date", "Age", "Content-Encoding"],
        allow_credentials="*" not in settings.cors_origins,
        max_age=86400,
    )
