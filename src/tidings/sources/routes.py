"""Sources over HTTP, as their project sets them up."""

from datetime import UTC, datetime

from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tidings.access.guards import may
from tidings.access.idempotency import OnceKey, answer_once
from tidings.access.principals import KeyHolder
from tidings.platform.paging import DEFAULT_LIMIT, After, Limit
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import responses
from tidings.settings import Settings
from tidings.sources.history import list_events
from tidings.sources.sources import create_source, delete_source, get_source, list_sources, patch_source, rotate_secret
from tidings.sources.structs import (
    NewSource,
    SourceEventPage,
    SourceInfo,
    SourcePage,
    SourcePatch,
    SourceSecretRotated,
    SourceSecretRotation,
    Trial,
    Tried,
)
from tidings.sources.trial import try_event
from tidings.vault import Vault


@post(
    "/",
    guards=[may("sources:write")],
    operation_id="CreateSource",
    responses=responses(201, SourceInfo, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def post_source(
    data: JSONBody[NewSource],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    vault: NamedDependency[Vault],
    settings: NamedDependency[Settings],
    once: NamedDependency[OnceKey | None],
) -> Response[bytes]:
    """Make a URL to which another service sends its events, and say which of them become notifications."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        return await answer_once(
            connection, holder.tenant.id, once, lambda: create_source(connection, holder, vault, settings.base_url, data)
        )


@get("/", guards=[may("sources:read")], operation_id="ListSources", responses=responses(200, None, 400, 401, 403, 422, 503))
async def get_sources(
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> SourcePage:
    """The sources of the project, in the order in which they were created."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_sources(connection, holder.tenant, settings.base_url, after, limit)


@get("/{source:str}", guards=[may("sources:read")], operation_id="GetSource", responses=responses(200, None, 401, 403, 404, 422, 503))
async def get_one_source(
    source: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], settings: NamedDependency[Settings]
) -> SourceInfo:
    """A source with its mappings. Its secret is never shown."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await get_source(connection, holder.tenant, settings.base_url, source)


@patch(
    "/{source:str}",
    guards=[may("sources:write")],
    operation_id="PatchSource",
    responses=responses(200, None, 400, 401, 403, 404, 413, 415, 422, 503),
)
async def patch_one_source(
    source: FromPath[str],
    data: JSONBody[SourcePatch],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> SourceInfo:
    """Change the name or the mappings of a source. What is left out stays."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        return await patch_source(connection, holder.tenant, settings.base_url, source, data)


@delete(
    "/{source:str}",
    guards=[may("sources:write")],
    status_code=204,
    operation_id="DeleteSource",
    responses=responses(204, None, 401, 403, 404, 422, 503),
)
async def delete_one_source(source: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]) -> None:
    """Delete a source and its secret. What it published stays."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await delete_source(connection, holder.tenant, source)


@post(
    "/{source:str}/secret/rotate",
    guards=[may("sources:write")],
    status_code=200,
    operation_id="RotateSourceSecret",
    responses=responses(200, SourceSecretRotated, 400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def post_secret_rotation(
    source: FromPath[str],
    data: JSONBody[SourceSecretRotation],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    vault: NamedDependency[Vault],
    once: NamedDependency[OnceKey | None],
) -> Response[bytes]:
    """Set the secret, the first or a new one. For `overlap` seconds (24 hours unless said otherwise) the one before counts too."""
    now = datetime.now(UTC)
    async with tenant_transaction(database, holder.tenant.id) as connection:
        return await answer_once(
            connection, holder.tenant.id, once, lambda: rotate_secret(connection, holder.tenant, vault, source, data, now), status=200
        )


@post(
    "/{source:str}/try",
    guards=[may("sources:read")],
    status_code=200,
    operation_id="TrySource",
    responses=responses(200, None, 400, 401, 403, 404, 413, 415, 422, 503),
)
async def post_trial(
    source: FromPath[str], data: JSONBody[Trial], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> Tried:
    """What an event would become by the source's mappings. Nothing is published, nothing kept, no signature needed."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await try_event(connection, holder.tenant, source, data, datetime.now(UTC))


@get(
    "/{source:str}/events",
    guards=[may("sources:read")],
    operation_id="ListSourceEvents",
    responses=responses(200, None, 400, 401, 403, 404, 422, 503),
)
async def get_source_events(
    source: FromPath[str],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> SourceEventPage:
    """What came from the source and what became of it, the latest first."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_events(connection, holder.tenant, source, after, limit)


router = Router(
    path="/v1/sources",
    route_handlers=[
        post_source,
        get_sources,
        get_one_source,
        patch_one_source,
        delete_one_source,
        post_secret_rotation,
        post_trial,
        get_source_events,
    ],
    tags=["Sources"],
)
