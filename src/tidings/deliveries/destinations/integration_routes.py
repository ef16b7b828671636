"""Integrations, and the connectors they are made of, over HTTP."""

from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tidings.access.guards import may
from tidings.access.idempotency import OnceKey, answer_once
from tidings.access.principals import KeyHolder
from tidings.deliveries.destinations.connectors import list_connectors
from tidings.deliveries.destinations.integration_structs import (
    ConnectorList,
    IntegrationDetail,
    IntegrationInfo,
    IntegrationPage,
    IntegrationPatch,
    NewIntegration,
)
from tidings.deliveries.destinations.integrations import create_integration, get_integration, list_integrations, patch_integration
from tidings.deliveries.destinations.kinds import INTEGRATION
from tidings.deliveries.destinations.members import MembersCheck
from tidings.deliveries.destinations.rows import delete as delete_destination
from tidings.deliveries.destinations.structs import Enabled, Enabling
from tidings.deliveries.destinations.switching import disable, enable
from tidings.events.wake import Waker
from tidings.platform.paging import DEFAULT_LIMIT, After, Limit
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import responses
from tidings.vault import Vault


@get("/v1/connectors", guards=[may("integrations:read")], operation_id="ListConnectors", responses=responses(200, None, 401, 403, 503))
async def get_connectors(holder: NamedDependency[KeyHolder], database: NamedDependency[Database]) -> ConnectorList:
    """The ways out there are, with the JSON schemas of what an integration of each takes. Of `webhook`, endpoints are made instead."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_connectors(connection)


@post(
    "/",
    guards=[may("integrations:write")],
    operation_id="CreateIntegration",
    responses=responses(201, IntegrationInfo, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def post_integration(
    data: JSONBody[NewIntegration],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    vault: NamedDependency[Vault],
    check_members: NamedDependency[MembersCheck],
    waker: NamedDependency[Waker],
    once: NamedDependency[OnceKey | None],
) -> Response[bytes]:
    """Connect the project to a service: its mail server, its chat, its analytics. The credentials are sealed, and never shown again."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        answer = await answer_once(
            connection,
            holder.tenant.id,
            once,
            lambda: create_integration(connection, holder, vault, check_members, data),
        )
    waker.wake(holder.tenant.shard)
    return answer


@get("/", guards=[may("integrations:read")], operation_id="ListIntegrations", responses=responses(200, None, 400, 401, 403, 422, 503))
async def get_integrations(
    holder: NamedDependency[KeyHolder], database: NamedDependency[Database], limit: Limit = DEFAULT_LIMIT, after: After = None
) -> IntegrationPage:
    """The integrations of the project, in the order in which they were created."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_integrations(connection, holder.tenant, after, limit)


@get(
    "/{integration:str}",
    guards=[may("integrations:read")],
    operation_id="GetIntegration",
    responses=responses(200, None, 401, 403, 404, 422, 503),
)
async def get_one_integration(
    integration: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> IntegrationDetail:
    """An integration: whether it answers, what waits for it, why the last delivery failed."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await get_integration(connection, holder.tenant, integration)


@patch(
    "/{integration:str}",
    guards=[may("integrations:write")],
    operation_id="PatchIntegration",
    responses=responses(200, None, 400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def patch_one_integration(
    integration: FromPath[str],
    data: JSONBody[IntegrationPatch],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    vault: NamedDependency[Vault],
    check_members: NamedDependency[MembersCheck],
    waker: NamedDependency[Waker],
) -> IntegrationInfo:
    """Change an integration. What is left out stays; config and credentials are merged (RFC 7396), then checked as a whole."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        info = await patch_integration(connection, holder, vault, check_members, integration, data)
    waker.wake(holder.tenant.shard)
    return info


@delete(
    "/{integration:str}",
    guards=[may("integrations:write")],
    status_code=204,
    operation_id="DeleteIntegration",
    responses=responses(204, None, 401, 403, 404, 422, 503),
)
async def delete_one_integration(
    integration: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> None:
    """Delete an integration and its credentials. What waits for it is cancelled; what was sent there stays listed."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await delete_destination(connection, INTEGRATION, holder, integration)
    waker.wake(holder.tenant.shard)


@post(
    "/{integration:str}/disable",
    guards=[may("integrations:write")],
    status_code=200,
    operation_id="DisableIntegration",
    responses=responses(200, None, 401, 403, 404, 422, 503),
)
async def post_disabling(
    integration: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> IntegrationDetail:
    """Send nothing there for now. What waits, and what happens meanwhile, is held."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await disable(connection, INTEGRATION, holder, integration)
        detail = await get_integration(connection, holder.tenant, integration)
    waker.wake(holder.tenant.shard)
    return detail


@post(
    "/{integration:str}/enable",
    guards=[may("integrations:write")],
    status_code=200,
    operation_id="EnableIntegration",
    responses=responses(200, Enabled, 400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def post_enabling(
    integration: FromPath[str],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
    once: NamedDependency[OnceKey | None],
    data: JSONBody[Enabling | None] = None,
) -> Response[bytes]:
    """Send there again. The answer says what was held meanwhile; with `backfill` a replay sends that too."""
    backfill = (data or Enabling()).backfill
    async with tenant_transaction(database, holder.tenant.id) as connection:
        answer = await answer_once(
            connection, holder.tenant.id, once, lambda: enable(connection, INTEGRATION, holder, integration, backfill), status=200
        )
    waker.wake(holder.tenant.shard)
    return answer


integrations_router = Router(
    path="/v1/integrations",
    route_handlers=[
        post_integration,
        get_integrations,
        get_one_integration,
        patch_one_integration,
        delete_one_integration,
        post_disabling,
        post_enabling,
    ],
)
router = Router(path="/", route_handlers=[get_connectors, integrations_router], tags=["Integrations"])
