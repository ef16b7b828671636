"""Endpoints over HTTP."""

from datetime import UTC, datetime

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tidings.access.guards import may
from tidings.access.idempotency import OnceKey, answer_once
from tidings.access.principals import KeyHolder
from tidings.deliveries.destinations import rotation
from tidings.deliveries.destinations.endpoints import (
    UrlCheck,
    create_endpoint,
    get_endpoint,
    list_endpoints,
    patch_endpoint,
    without_secret,
)
from tidings.deliveries.destinations.kinds import ENDPOINT
from tidings.deliveries.destinations.rows import delete as delete_destination
from tidings.deliveries.destinations.structs import (
    Enabled,
    Enabling,
    EndpointCreated,
    EndpointDetail,
    EndpointInfo,
    EndpointPage,
    EndpointPatch,
    EndpointSecret,
    NewEndpoint,
    SecretRotated,
    SecretRotation,
)
from tidings.deliveries.destinations.switching import disable, enable
from tidings.events.wake import Waker
from tidings.platform.paging import DEFAULT_LIMIT, After, Limit
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import responses
from tidings.vault import Vault


@post(
    "/",
    guards=[may("endpoints:write")],
    operation_id="CreateEndpoint",
    responses=responses(201, EndpointCreated, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def post_endpoint(
    data: JSONBody[NewEndpoint],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    vault: NamedDependency[Vault],
    check_target: NamedDependency[UrlCheck],
    waker: NamedDependency[Waker],
    once: NamedDependency[OnceKey | None],
) -> Response[bytes]:
    """Register a URL that gets the project's events, signed as Standard Webhooks say, tried again until it takes them.

    The answer has the secret that verifies the signatures; for `v1a` the public key of a pair whose private half stays here.
    """
    async with tenant_transaction(database, holder.tenant.id) as connection:
        answer = await answer_once(
            connection,
            holder.tenant.id,
            once,
            lambda: create_endpoint(connection, holder, vault, check_target, data),
            without_secret=without_secret,
        )
    waker.wake(holder.tenant.shard)
    return answer


@get("/", guards=[may("endpoints:read")], operation_id="ListEndpoints", responses=responses(200, None, 400, 401, 403, 422, 503))
async def get_endpoints(
    holder: NamedDependency[KeyHolder], database: NamedDependency[Database], limit: Limit = DEFAULT_LIMIT, after: After = None
) -> EndpointPage:
    """The endpoints of the project, in the order in which they were created."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_endpoints(connection, holder.tenant, after, limit)


@get("/{endpoint:str}", guards=[may("endpoints:read")], operation_id="GetEndpoint", responses=responses(200, None, 401, 403, 404, 422, 503))
async def get_one_endpoint(
    endpoint: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> EndpointDetail:
    """An endpoint: whether it answers, what waits for it, why the last delivery failed."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await get_endpoint(connection, holder.tenant, endpoint)


@patch(
    "/{endpoint:str}",
    guards=[may("endpoints:write")],
    operation_id="PatchEndpoint",
    responses=responses(200, None, 400, 401, 403, 404, 413, 415, 422, 503),
)
async def patch_one_endpoint(
    endpoint: FromPath[str],
    data: JSONBody[EndpointPatch],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    vault: NamedDependency[Vault],
    check_target: NamedDependency[UrlCheck],
    waker: NamedDependency[Waker],
) -> EndpointInfo:
    """Change an endpoint. What is left out stays, null empties, headers are merged (RFC 7396)."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        info = await patch_endpoint(connection, holder, vault, check_target, endpoint, data)
    waker.wake(holder.tenant.shard)
    return info


@delete(
    "/{endpoint:str}",
    guards=[may("endpoints:write")],
    status_code=204,
    operation_id="DeleteEndpoint",
    responses=responses(204, None, 401, 403, 404, 422, 503),
)
async def delete_one_endpoint(
    endpoint: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> None:
    """Delete an endpoint and its secrets. What waits for it is cancelled; what was sent there stays listed."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await delete_destination(connection, ENDPOINT, holder, endpoint)
    waker.wake(holder.tenant.shard)


@post(
    "/{endpoint:str}/disable",
    guards=[may("endpoints:write")],
    status_code=200,
    operation_id="DisableEndpoint",
    responses=responses(200, None, 401, 403, 404, 422, 503),
)
async def post_disabling(
    endpoint: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> EndpointDetail:
    """Send nothing there for now. What waits, and what happens meanwhile, is held."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await disable(connection, ENDPOINT, holder, endpoint)
        detail = await get_endpoint(connection, holder.tenant, endpoint)
    waker.wake(holder.tenant.shard)
    return detail


@post(
    "/{endpoint:str}/enable",
    guards=[may("endpoints:write")],
    operation_id="EnableEndpoint",
    responses=responses(200, Enabled, 400, 401, 403, 404, 409, 413, 415, 422, 503),
    status_code=200,
)
async def post_enabling(
    endpoint: FromPath[str],
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
            connection, holder.tenant.id, once, lambda: enable(connection, ENDPOINT, holder, endpoint, backfill), status=200
        )
    waker.wake(holder.tenant.shard)
    return answer


@get(
    "/{endpoint:str}/secret",
    guards=[may("endpoints:write")],
    operation_id="GetEndpointSecret",
    responses=responses(200, EndpointSecret, 401, 403, 404, 422, 503),
)
async def get_secret(
    endpoint: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], vault: NamedDependency[Vault]
) -> Response[bytes]:
    """What verifies the endpoint's signatures, the newest first. Needs the scope `endpoints:write`."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        secret = await rotation.show_secret(connection, holder.tenant, vault, endpoint, datetime.now(UTC))
    return Response(msgspec.json.encode(secret), media_type="application/json", headers={"Cache-Control": "no-store"})


@post(
    "/{endpoint:str}/secret/rotate",
    guards=[may("endpoints:write")],
    status_code=200,
    operation_id="RotateEndpointSecret",
    responses=responses(200, SecretRotated, 400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def post_secret_rotation(
    endpoint: FromPath[str],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    vault: NamedDependency[Vault],
    waker: NamedDependency[Waker],
    once: NamedDependency[OnceKey | None],
    data: JSONBody[SecretRotation | None] = None,
) -> Response[bytes]:
    """Sign with a new key. For `overlap` seconds (24 hours unless said otherwise) requests carry the signatures of the older ones too."""
    wanted, now = data or SecretRotation(), datetime.now(UTC)
    async with tenant_transaction(database, holder.tenant.id) as connection:
        answer = await answer_once(
            connection,
            holder.tenant.id,
            once,
            lambda: rotation.rotate_secret(connection, holder, vault, endpoint, wanted, now),
            status=200,
            without_secret=rotation.without_secret,
        )
    waker.wake(holder.tenant.shard)
    return answer


router = Router(
    path="/v1/endpoints",
    route_handlers=[
        post_endpoint,
        get_endpoints,
        get_one_endpoint,
        patch_one_endpoint,
        delete_one_endpoint,
        post_disabling,
        post_enabling,
        get_secret,
        post_secret_rotation,
    ],
    tags=["Endpoints"],
)
