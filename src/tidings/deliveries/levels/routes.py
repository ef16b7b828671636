"""Service levels over HTTP."""

from datetime import UTC, datetime
from typing import Annotated, cast

from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from tidings.access.guards import may
from tidings.access.principals import KeyHolder
from tidings.deliveries.levels.reading import WINDOWS, get_level, list_levels
from tidings.deliveries.levels.structs import LevelDetail, LevelPage, NewTarget, TargetInfo, WindowName
from tidings.deliveries.levels.targets import set_target
from tidings.errors import Invalid
from tidings.platform.paging import DEFAULT_LIMIT, After, Limit
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import responses

InWindow = Annotated[str, QueryParameter(description="Until now, and since how long ago.", enum=list(WINDOWS))]


@get("/", guards=[may("deliveries:read")], operation_id="ListServiceLevels", responses=responses(200, None, 400, 401, 403, 422, 503))
async def get_levels(
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    window: InWindow = "24h",
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> LevelPage:
    """How deliveries ended and how long they took: to each destination, and on the first page with each connector and in all."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_levels(connection, holder.tenant.id, known_window(window), after, limit, datetime.now(UTC))


def known_window(text: str) -> WindowName:
    if text not in WINDOWS:
        raise Invalid(f"window must be one of {', '.join(WINDOWS)}.", field="window")
    return cast(WindowName, text)


@get("/{key:str}", guards=[may("deliveries:read")], operation_id="GetServiceLevel", responses=responses(200, None, 401, 403, 404, 422, 503))
async def get_one_level(
    key: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], window: InWindow = "24h"
) -> LevelDetail:
    """The service level of one destination, and how it was in the course of the window."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await get_level(connection, holder.tenant.id, key, known_window(window), datetime.now(UTC))


@put(
    "/{key:str}",
    guards=[may("deliveries:write")],
    operation_id="PutServiceTarget",
    responses=responses(200, None, 400, 401, 403, 404, 413, 415, 422, 503),
)
async def put_target(
    key: FromPath[str], data: JSONBody[NewTarget], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> TargetInfo:
    """Set what is asked of deliveries to this destination. What is left out is as for all: 99.9 % arrive, 99 % of those within a minute."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        return await set_target(connection, holder.tenant, key, data)


router = Router(path="/v1/service-levels", route_handlers=[get_levels, get_one_level, put_target], tags=["Deliveries"])
