"""Categories over HTTP."""

import msgspec
from litestar import Response, Router, delete, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from tidings.access.guards import may
from tidings.access.principals import KeyHolder
from tidings.deliveries.categories.categories import delete_category, get_category, list_categories, put_category
from tidings.deliveries.categories.structs import CategoryFields, CategoryInfo, CategoryInPath, CategoryPage
from tidings.events.wake import Waker
from tidings.platform.paging import DEFAULT_LIMIT, After, Limit
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import responses


@get("/", guards=[may("integrations:read")], operation_id="ListCategories", responses=responses(200, None, 400, 401, 403, 422, 503))
async def get_categories(
    holder: NamedDependency[KeyHolder], database: NamedDependency[Database], limit: Limit = DEFAULT_LIMIT, after: After = None
) -> CategoryPage:
    """The categories for which channels were set, by their names."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_categories(connection, holder.tenant.id, after, limit)


@put(
    "/{category:str}",
    guards=[may("integrations:write")],
    operation_id="PutCategory",
    responses=responses(200, CategoryInfo, 400, 401, 403, 409, 413, 415, 422, 503) | responses(201, CategoryInfo),
)
async def put_one_category(
    category: CategoryInPath,
    data: JSONBody[CategoryFields],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
) -> Response[bytes]:
    """Send the notifications of a category through these channels too, whatever a notification names: 201 when it is new, else 200.

    It holds for what is published from now on.
    """
    async with tenant_transaction(database, holder.tenant.id) as connection:
        info, is_new = await put_category(connection, holder, category, data)
    waker.wake(holder.tenant.shard)
    return Response(msgspec.json.encode(info), status_code=201 if is_new else 200, media_type="application/json")


@get(
    "/{category:str}",
    guards=[may("integrations:read")],
    operation_id="GetCategory",
    responses=responses(200, None, 401, 403, 404, 422, 503),
)
async def get_one_category(
    category: CategoryInPath, holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> CategoryInfo:
    """Through which channels the notifications of a category go, besides those that they name."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await get_category(connection, holder.tenant.id, category)


@delete(
    "/{category:str}",
    guards=[may("integrations:write")],
    status_code=204,
    operation_id="DeleteCategory",
    responses=responses(204, None, 401, 403, 404, 422, 503),
)
async def delete_one_category(
    category: CategoryInPath, holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> None:
    """From now on its notifications go through the channels that they name, and no others."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await delete_category(connection, holder, category)
    waker.wake(holder.tenant.shard)


router = Router(
    path="/v1/categories",
    route_handlers=[get_categories, put_one_category, get_one_category, delete_one_category],
    tags=["Categories"],
)
