"""Backups over HTTP, for the deployment's operators: the holders of API keys of the project that TIDINGS_OPERATORS names.

Whoever may see a backup's run learns how much there is of everybody; whoever may start one makes the database work. So no other project's
key gets in, whatever its scopes.
"""

from typing import Annotated, Any

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, Parameter

from tidings.access.guards import Anyone, holder_of, may
from tidings.access.principals import KeyHolder
from tidings.backups.queue import wake_workers
from tidings.backups.runs import Run, ask, find_run, list_runs
from tidings.backups.schedule import is_followed
from tidings.backups.structs import BackupRun, BackupRunPage, NewBackupRun
from tidings.deliveries.ledger.clock import time_of
from tidings.errors import Conflict, Forbidden, NotFound
from tidings.platform.paging import DEFAULT_LIMIT, Limit
from tidings.platform.postgres import Database
from tidings.platform.problems import responses
from tidings.settings import Settings

Before = Annotated[str | None, Parameter(max_length=100, description="`next` of the page before.")]


async def of_operators(connection: Anyone, _: BaseRouteHandler) -> None:
    """A guard. Raises Forbidden."""
    settings: Settings = connection.app.state.tidings.settings
    holder = await holder_of(connection)
    if settings.operators is None or holder.tenant.key != settings.operators:
        raise Forbidden("Only the operators of this deployment see its backups: keys of the project that TIDINGS_OPERATORS names.")


@get(
    "/",
    guards=[may("backups:read"), of_operators],
    operation_id="ListBackupRuns",
    responses=responses(200, None, 400, 401, 403, 422, 503),
)
async def get_runs(database: NamedDependency[Database], limit: Limit = DEFAULT_LIMIT, after: Before = None) -> BackupRunPage:
    """What was done about backups, is under way and waits, the newest first."""
    async with database.system.acquire() as connection:
        runs = await list_runs(connection, limit + 1, after)
    return BackupRunPage([shown(run) for run in runs[:limit]], runs[limit - 1].id if len(runs) > limit else None)


@get(
    "/{run:str}",
    guards=[may("backups:read"), of_operators],
    operation_id="GetBackupRun",
    responses=responses(200, None, 401, 403, 404, 422, 503),
)
async def get_one_run(run: FromPath[str], database: NamedDependency[Database]) -> BackupRun:
    """One of them; how far it is, as long as it is under way."""
    async with database.system.acquire() as connection:
        found = await find_run(connection, run)
    if found is None:
        raise NotFound(f"There is no run {run!r}.")
    return shown(found)


@post(
    "/",
    guards=[may("backups:write"), of_operators],
    status_code=202,
    operation_id="StartBackupRun",
    responses=responses(202, None, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def post_run(
    data: JSONBody[NewBackupRun],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> BackupRun:
    """Have a backup made or proven by the backups' worker. One that waits for the same already is answered instead of a second."""
    async with database.system.acquire() as connection:
        now = await time_of(connection)
        if not await is_followed(connection, now):
            raise Conflict(
                "Nobody would do it: no backups' worker has looked at this database of late. "
                "Run one, with TIDINGS_BACKUP_URL and a TIDINGS_BACKUP_SCHEDULE that names something."
            )
        run = await ask(connection, data.task, holder.actor, now)
    assert settings.redis_url is not None
    await wake_workers(settings.redis_url)
    return shown(run)


def shown(run: Run) -> BackupRun:
    fields: dict[str, Any] = {name: getattr(run, name) for name in BackupRun.__struct_fields__}
    return msgspec.convert(fields, BackupRun)


router = Router(path="/v1/backups", route_handlers=[get_runs, get_one_run, post_run], tags=["Backups"])
