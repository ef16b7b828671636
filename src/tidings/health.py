"""For load balancers and operators: alive, ready, and in figures.

Degraded is not down: without Redis everything accepted is still kept and still arrives, within two seconds.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from litestar import Response, Router, get
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tidings.platform.postgres import POSTGRES_AWAY, Database
from tidings.stream.edge import StreamEdge

State = Literal["ok", "degraded", "draining", "down"]
TIMEOUT_S = 2.0
# Pages of every origin may see when and over which protocol this was answered, as the doctor does: it is nobody's secret.
TIMED = ResponseHeader(name="Timing-Allow-Origin", value="*", description="For browsers: timings and the protocol are no secret.")


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    status: State
    detail: str | None = None


class StreamsHeld(msgspec.Struct, frozen=True):
    """open: in this process.   processes: of the API, this one among them; null while Redis, which counts them, is away.

    drain_s: over how long at most its streams are sent away when it stops.   readiness_delay_s: for how long it says so before.
    """

    open: int
    processes: int | None
    drain_s: float
    readiness_delay_s: float


class Health(msgspec.Struct, frozen=True):
    """status: the worst that matters. A degraded process serves; a draining one or one without PostgreSQL should get no requests.

    time: by the clock of this process. A proxy puts its own into `Date`.
    """

    status: State
    checks: dict[str, Check]
    time: datetime
    streams: StreamsHeld


@get("/health/live", operation_id="Live")
async def live() -> dict[str, str]:
    """The process runs. Restart it when this does not answer."""
    return {"status": "ok"}


@get("/health/ready", operation_id="Ready")
async def ready(database: NamedDependency[Database], edge: NamedDependency[StreamEdge]) -> Response[Health]:
    """Whether to send requests here, with the state of each thing it depends on. 503 while draining or without PostgreSQL."""
    checks = {"redis": redis_check(edge)} | await postgres_checks(database)
    status = overall(checks, edge.is_draining)
    health = Health(status, checks, datetime.now(UTC), await streams_held(edge))
    return Response(health, status_code=503 if status in ("draining", "down") else 200)


def overall(checks: dict[str, Check], is_draining: bool) -> State:
    if is_draining:
        return "draining"
    if checks["postgresql"].status == "down":
        return "down"
    return "ok" if all(check.status == "ok" for check in checks.values()) else "degraded"


async def streams_held(edge: StreamEdge) -> StreamsHeld:
    """Costs one O(1) command of Redis; what is open is a count that is kept anyway."""
    settings = edge.settings
    return StreamsHeld(edge.hub.wheel.count, await edge.admission.processes(), settings.drain_s, settings.readiness_delay_s)


def redis_check(edge: StreamEdge) -> Check:
    if edge.redis_away:
        return Check("degraded", "Redis cannot be reached: events come from PostgreSQL, up to two seconds later")
    return Check("ok")


LEADERLESS = "SELECT array_agg(shard) FROM shards WHERE lease_until IS NULL OR lease_until < clock_timestamp()"


async def postgres_checks(database: Database) -> dict[str, Check]:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            leaderless = await database.system.fetchval(LEADERLESS)
    except POSTGRES_AWAY as error:
        return {"postgresql": Check("down", f"PostgreSQL cannot be asked: {type(error).__name__}")}
    if leaderless is None:
        return {"postgresql": Check("ok"), "sequencer": Check("ok")}
    waits = Check("degraded", f"No sequencer leads the shards {leaderless}: publishes are kept, but wait")
    return {"postgresql": Check("ok"), "sequencer": waits}


@get("/metrics", operation_id="Metrics", media_type="text/plain", include_in_schema=False)
async def metrics() -> Response[bytes]:
    """Prometheus figures of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


routes: list[Any] = [live, ready, metrics]
router = Router(path="/", route_handlers=routes, tags=["Health"], security=[{}], response_headers=[TIMED])
