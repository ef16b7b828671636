"""A project's own flags over HTTP. Those of the deployment are set by operators (`tidings flags`), and no project sees them."""

from typing import Annotated

from litestar import Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, Parameter

from tidings.access.guards import may
from tidings.access.principals import KeyHolder
from tidings.events.wake import Waker
from tidings.flags.evaluate import explain
from tidings.flags.store import LAST_VERSION, get_flag, history, list_flags, remove_flag, set_flag
from tidings.flags.structs import KEY_PATTERN, Asked, Definition, Explained, FlagFields, FlagHistory, FlagInfo, FlagPage
from tidings.platform.paging import DEFAULT_LIMIT, After, Limit
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.platform.problems import responses

FlagInPath = Annotated[str, Parameter(pattern=KEY_PATTERN, description="The flag's key.")]
Before = Annotated[int | None, Parameter(ge=1, le=LAST_VERSION, description="`next` of the page before.")]
Why = Annotated[str | None, Parameter(min_length=1, max_length=500, description="Why, for the history.")]
Expected = Annotated[int | None, Parameter(ge=1, le=LAST_VERSION, description="The version that is meant; a conflict when it is another.")]


@get("/", guards=[may("flags:read")], operation_id="ListFlags", responses=responses(200, None, 400, 401, 403, 422, 503))
async def get_flags(
    holder: NamedDependency[KeyHolder], database: NamedDependency[Database], limit: Limit = DEFAULT_LIMIT, after: After = None
) -> FlagPage:
    """The project's flags, by their keys."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await list_flags(connection, holder.tenant.id, after, limit)


@get("/{flag:str}", guards=[may("flags:read")], operation_id="GetFlag", responses=responses(200, None, 401, 403, 404, 422, 503))
async def get_one_flag(flag: FlagInPath, holder: NamedDependency[KeyHolder], database: NamedDependency[Database]) -> FlagInfo:
    """A flag, and who changed it last."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await get_flag(connection, holder.tenant.id, flag)


@put(
    "/{flag:str}",
    guards=[may("flags:write")],
    status_code=200,
    operation_id="PutFlag",
    responses=responses(200, None, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def put_flag(
    flag: FlagInPath,
    data: JSONBody[FlagFields],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
) -> FlagInfo:
    """Make a flag, or change it as a whole. `{}` is a boolean that is on, `{"enabled": false}` one that is off.

    Say the `version` that you changed, and nobody's change is lost: it is a conflict when there is a newer one.
    """
    async with tenant_transaction(database, holder.tenant.id) as connection:
        info = await set_flag(
            connection, holder.tenant, flag, definition_in(data), actor=holder.actor, reason=data.reason, expected=data.version
        )
    waker.wake(holder.tenant.shard)
    return info


@delete(
    "/{flag:str}",
    guards=[may("flags:write")],
    status_code=204,
    operation_id="DeleteFlag",
    responses=responses(204, None, 400, 401, 403, 404, 409, 422, 503),
)
async def delete_flag(
    flag: FlagInPath,
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
    reason: Why = None,
    version: Expected = None,
) -> None:
    """Take a flag away: whoever asks for it gets their default. Its history stays."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await remove_flag(connection, holder.tenant, flag, actor=holder.actor, reason=reason, expected=version)
    waker.wake(holder.tenant.shard)


@get(
    "/{flag:str}/history",
    guards=[may("flags:read")],
    operation_id="GetFlagHistory",
    responses=responses(200, None, 400, 401, 403, 404, 422, 503),
)
async def get_history(
    flag: FlagInPath,
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    limit: Limit = DEFAULT_LIMIT,
    after: Before = None,
) -> FlagHistory:
    """Who changed a flag, when, from what to what, and why: newest first, and also of one that was taken away."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return await history(connection, holder.tenant.id, flag, after or LAST_VERSION, limit)


@post(
    "/{flag:str}/evaluate",
    guards=[may("flags:read")],
    status_code=200,
    operation_id="EvaluateFlag",
    responses=responses(200, None, 400, 401, 403, 404, 413, 415, 422, 503),
)
async def post_evaluation(
    flag: FlagInPath, data: JSONBody[Asked], holder: NamedDependency[KeyHolder], database: NamedDependency[Database]
) -> Explained:
    """What a flag is for a context, and why. Asks PostgreSQL each time, so a change holds for the next call."""
    async with tenant_connection(database, holder.tenant.id) as connection:
        return explain(await get_flag(connection, holder.tenant.id, flag), data.context)


def definition_in(data: FlagFields) -> Definition:
    return Definition(**{name: getattr(data, name) for name in Definition.__struct_fields__})


router = Router(
    path="/v1/flags",
    route_handlers=[get_flags, get_one_flag, put_flag, delete_flag, get_history, post_evaluation],
    tags=["Flags"],
)
