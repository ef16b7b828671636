"""Setting what is asked of deliveries to a destination."""

from tidings.access.principals import Tenant
from tidings.deliveries.levels.objectives import DEFAULT, Target
from tidings.deliveries.levels.reading import unknown
from tidings.deliveries.levels.structs import NewTarget, TargetInfo
from tidings.platform.postgres import Connection

DESTINATION = "SELECT id FROM destinations WHERE project = $1 AND key = $2 AND deleted_at IS NULL"
SET = """
INSERT INTO service_targets (destination, project, success, p99_s) VALUES ($1, $2, $3, $4)
ON CONFLICT (destination) DO UPDATE SET success = excluded.success, p99_s = excluded.p99_s, updated_at = now()
"""
UNSET = "DELETE FROM service_targets WHERE destination = $1"


async def set_target(connection: Connection, tenant: Tenant, key: str, wanted: NewTarget) -> TargetInfo:
    """Inside the caller's tenant transaction. The default is kept as no target of its own. Raises NotFound."""
    destination = await connection.fetchval(DESTINATION, tenant.id, key)
    if destination is None:
        raise unknown(key)
    is_default = Target(wanted.success, wanted.p99_s) == DEFAULT
    if is_default:
        await connection.execute(UNSET, destination)
    else:
        await connection.execute(SET, destination, tenant.id, wanted.success, wanted.p99_s)
    return TargetInfo(success=wanted.success, p99_s=wanted.p99_s, is_default=is_default)
