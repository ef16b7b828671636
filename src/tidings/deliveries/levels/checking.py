"""Telling a project once when a destination spends its error budget too fast, and once when that is over."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tidings.access.principals import Tenant
from tidings.deliveries.levels.gauges import observe_waiting
from tidings.deliveries.levels.objectives import DEFAULT, WINDOWS, Breach, Tally, Target, breach, is_over
from tidings.deliveries.levels.operators import notify_operators
from tidings.deliveries.levels.tallies import count_ended, window_start
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.postgres import Connection

ACTOR = "system:service-levels"

# The spans that reach back six hours. Only destinations of which something went wrong, or that are told of as missed.
RECENT = f"""
WITH recent AS MATERIALIZED (
    SELECT t.destination, t.at, t.delivered, t.dead, CASE WHEN cardinality(t.latencies) <= tidings_latency_bucket(coalesce(g.p99_s, $1))
        THEN 0 ELSE (SELECT sum(late) FROM unnest(t.latencies[tidings_latency_bucket(coalesce(g.p99_s, $1)) + 1 :]) AS late) END AS late
    FROM service_tallies t LEFT JOIN service_targets g ON g.destination = t.destination
    WHERE t.span IN (1, 10) AND t.at >= least($2::timestamptz, $3::timestamptz, $4::timestamptz, $5::timestamptz) AND t.destination > 0
), summed AS (
    SELECT destination, {
    ", ".join(
        f"coalesce(sum({column}) FILTER (WHERE at >= ${number}), 0)::bigint AS {column}_{number}"
        for number in range(2, 2 + len(WINDOWS))
        for column in ("delivered", "dead", "late")
    )
}
    FROM recent GROUP BY 1 HAVING sum(dead) + sum(late) > 0 OR destination IN (SELECT destination FROM service_alarms)
)
SELECT d.id, d.key, d.connector, p.id AS project, p.key AS project_key, p.shard, g.success, g.p99_s, a.missed_at, summed.*
FROM summed JOIN destinations d ON d.id = summed.destination JOIN projects p ON p.id = d.project
LEFT JOIN service_targets g ON g.destination = d.id LEFT JOIN service_alarms a ON a.destination = d.id
WHERE d.deleted_at IS NULL ORDER BY d.id
"""
# The sums come after these columns, and after their destination.
FIRST_SUM = 10
RAISE = "INSERT INTO service_alarms (destination, project, missed_at) VALUES ($1, $2, $3)"
END = "DELETE FROM service_alarms WHERE destination = $1"
END_DELETED = "DELETE FROM service_alarms a USING destinations d WHERE d.id = a.destination AND d.deleted_at IS NOT NULL"


async def check_levels(connection: Connection, now: datetime) -> bool:
    """Count what has ended and judge it, in a transaction of its own, unless another process is at it. Whether there is more to do."""
    await observe_waiting(connection, now)
    async with connection.transaction():
        more = await count_ended(connection, now)
        if more is None:
            return False
        await judge(connection, now)
        return more


async def judge(connection: Connection, now: datetime) -> None:
    await connection.execute(END_DELETED)
    for row in await connection.fetch(RECENT, DEFAULT.p99_s, *(window_start(now, window) for window in WINDOWS)):
        target = DEFAULT if row["success"] is None else Target(row["success"], row["p99_s"])
        tallies = tallies_of(row)
        if row["missed_at"] is None and (found := breach(tallies, target)):
            await connection.execute(RAISE, row["id"], row["project"], now)
            await tell(connection, row, "service_level.missed", missed(found, target), now)
        elif row["missed_at"] is not None and is_over(tallies, target):
            await connection.execute(END, row["id"])
            await tell(connection, row, "service_level.met", {"missed_at": row["missed_at"]}, now)


def tallies_of(row: Any) -> dict[timedelta, Tally]:
    return {window: Tally(*row[FIRST_SUM + 3 * index : FIRST_SUM + 3 * index + 3]) for index, window in enumerate(WINDOWS)}


def missed(found: Breach, target: Target) -> dict[str, Any]:
    return {
        "objective": found.objective,
        "burn_rate": round(found.rate, 2),
        "window_s": int(found.rule.long.total_seconds()),
        "ended": found.tally.ended(found.objective),
        "bad": found.tally.bad(found.objective),
        "target": target,
    }


async def tell(connection: Connection, row: Mapping[str, Any], kind: str, more: Mapping[str, Any], now: datetime) -> None:
    tenant = Tenant(row["project"], row["project_key"], row["shard"])
    data = {"id": row["key"], "connector": row["connector"], **more}
    await notify_operators(connection, tenant, kind, data, ACTOR, now)
    await append(
        connection, [NewEvent(project=tenant.id, shard=tenant.shard, type=kind, data=msgspec.json.encode(data).decode(), actor=ACTOR)]
    )
