"""The demo page and what it asks for: tokens of two made-up people, and sending to them. Nobody else can be reached through it.

It is there only when TIDINGS_DEMO_PROJECT names a project: whoever reaches the page may then publish to these people in it.
Inboxes and streams go through the public API, with the tokens.
"""

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from tidings.access.cache import AccessCache
from tidings.access.principals import Tenant
from tidings.access.structs import TokenCreated
from tidings.demo.assets import ASSETS, PAGE, Asset
from tidings.demo.origin import refuse_other_sites
from tidings.demo.people import ACTOR, TOPIC, ensure_members
from tidings.errors import NotFound
from tidings.events.wake import Waker
from tidings.notifications.draft import draft_of
from tidings.notifications.publish import PublishDoor
from tidings.notifications.routes import answer_single, notification_uuid
from tidings.notifications.structs import Accepted, Audience, NewNotification
from tidings.notifications.withdraw import withdraw
from tidings.platform.postgres import Database, tenant_transaction
from tidings.settings import Settings

TOKEN_TTL_S = 900
SWITCHED_OFF = (
    "The demo page is switched off here. `tidings run` turns it on for its demo project; elsewhere set TIDINGS_DEMO_PROJECT to the key "
    "of a project (prj_…). Whoever reaches the page may then publish to the people of the demo in it."
)
# Everything comes from this server; nothing may frame the page, and its form is sent by script alone.
CONTENT_SECURITY_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Person = Literal["ana", "ben"]
AUDIENCES: dict[str, list[str | Audience]] = {"ana": ["ana"], "ben": ["ben"], "both": ["ana", "ben"], "topic": [Audience(topic=TOPIC)]}


class WhoseToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    person: Person


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """nonce: comes back in the notification's data, so that the page knows which click it belongs to."""

    to: Literal["ana", "ben", "both", "topic"]
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    body: Annotated[str, Meta(max_length=4000)] = ""
    nonce: Annotated[str, Meta(max_length=40)] | None = None


class Sent(msgspec.Struct, frozen=True):
    """committed_ms: from the arrival of the request until it was committed, as the server measured it."""

    id: str
    recipients: int
    committed_ms: float


class Outage(msgspec.Struct, frozen=True):
    """Commands for a terminal on the server's machine that freeze its Redis or Valkey, and let it go on."""

    freeze: str
    thaw: str


class Retraction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[str, Meta(max_length=40)]


async def demo_tenant(settings: Settings, access: AccessCache) -> Tenant:
    """The project of the demo. Raises NotFound where there is none."""
    if settings.demo_project is None:
        raise NotFound(SWITCHED_OFF)
    return await access.tenant(settings.demo_project)


@get("/", media_type="text/html")
async def show_page(settings: NamedDependency[Settings]) -> Response[bytes]:
    """The page itself."""
    if settings.demo_project is None:
        raise NotFound(SWITCHED_OFF)
    return Response(PAGE.content, media_type=PAGE.media_type, headers=PAGE_HEADERS)


@get("/assets/{name:str}")
async def show_asset(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """What the page is made of."""
    asset = ASSETS.get(name)
    if asset is None:
        raise NotFound(f"The demo page has no {name[:80]!r}.")
    return unless_known(request, asset)


def unless_known(request: Request[Any, Any, Any], asset: Asset) -> Response[bytes]:
    headers = {"ETag": asset.etag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


@get("/outage")
async def tell_outage(demo: Tenant, settings: NamedDependency[Settings]) -> Outage:
    """How to see what happens without Redis. The port tells this one from others on the machine."""
    port = urlsplit(settings.stream_redis_url or settings.redis_url or "").port
    pattern = f"'[s]erver .*:{port}'" if port else "'(valkey|redis)-[s]erver'"
    return Outage(f"pkill -STOP -f {pattern}", f"pkill -CONT -f {pattern}")


@post("/token", status_code=201)
async def make_token(
    data: JSONBody[WhoseToken],
    demo: Tenant,
    access: NamedDependency[AccessCache],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
) -> TokenCreated:
    """A token for one of the two; both are made members of the topic."""
    if await ensure_members(database, demo):
        waker.wake(demo.shard)
    token, expires_at = await access.mint(demo, data.person, TOKEN_TTL_S, ACTOR)
    return TokenCreated(token=token, expires_at=expires_at)


@post("/send", status_code=202)
async def send(data: JSONBody[Message], demo: Tenant, door: NamedDependency[PublishDoor]) -> Sent:
    """Publish through the same door as everybody."""
    arrived = time.perf_counter()
    wanted = NewNotification(
        to=AUDIENCES[data.to],
        title=data.title,
        body=data.body or None,
        data={"demo": data.nonce} if data.nonce else None,
        category="demo",
    )
    answer = await door.publish(demo, ACTOR, [draft_of(wanted, datetime.now(UTC))], None, answer_single)
    accepted = msgspec.json.decode(answer.body, type=Accepted)
    return Sent(accepted.id, accepted.recipients, round(1000 * (time.perf_counter() - arrived), 2))


@post("/retract", status_code=204)
async def retract(data: JSONBody[Retraction], demo: Tenant, database: NamedDependency[Database], waker: NamedDependency[Waker]) -> None:
    """Take back what was sent from the page; nothing else of the project."""
    identity = notification_uuid(data.id)
    async with tenant_transaction(database, demo.id) as connection:
        sender = await connection.fetchval("SELECT created_by FROM notifications WHERE project = $1 AND id = $2::uuid", demo.id, identity)
        if sender != ACTOR:
            raise NotFound(f"The demo page sent no {identity}.")
        await withdraw(connection, demo, identity, "retracted", ACTOR, datetime.now(UTC))
    waker.wake(demo.shard)


router = Router(
    path="/demo",
    route_handlers=[
        show_page,
        show_asset,
        Router(path="/", route_handlers=[tell_outage, make_token, send, retract], guards=[refuse_other_sites]),
    ],
    dependencies={"demo": Provide(demo_tenant)},
    include_in_schema=False,
)
