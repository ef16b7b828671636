"""Error budgets of all projects together, as the planner shows them at /metrics: what is left of 30 days, and how fast it is spent."""

from datetime import datetime, timedelta

from tidings.deliveries.levels.objectives import DEFAULT, OBJECTIVES, WINDOWS, Tally, budget_left, burn_rate
from tidings.deliveries.levels.tallies import window_start
from tidings.platform.metrics import BUDGET_LEFT, BURN_RATE, LEVELS_MISSED
from tidings.platform.postgres import Connection

WHOLE = timedelta(days=30)
# The whole window first, then those of the burn rates.
SPANS = (WHOLE, *WINDOWS)
NAMES = {window: f"{minutes // 60}h" if (minutes := window // timedelta(minutes=1)) >= 60 else f"{minutes}m" for window in WINDOWS}

ENDED = f"""
SELECT connector, {
    ", ".join(
        f"coalesce(sum({column}) FILTER (WHERE at >= ${number}), 0)::bigint"
        for number in range(2, 2 + len(SPANS))
        for column in ("delivered", "dead", "late")
    )
}
FROM (
    SELECT connector, at, delivered, dead, CASE WHEN cardinality(latencies) <= tidings_latency_bucket($1) THEN 0
        ELSE (SELECT sum(late) FROM unnest(latencies[tidings_latency_bucket($1) + 1 :]) AS late) END AS late
    FROM service_tallies WHERE destination = 0 AND at >= $2
) AS counted GROUP BY 1
"""
MISSED = """
SELECT d.connector, count(a.destination) FROM destinations d LEFT JOIN service_alarms a ON a.destination = d.id
WHERE d.deleted_at IS NULL GROUP BY 1
"""


async def observe_levels(connection: Connection, now: datetime) -> None:
    """Held against the default target, as projects are. Where nothing ended, nothing was spent."""
    ended = await connection.fetch(ENDED, DEFAULT.p99_s, *(window_start(now, span) for span in SPANS))
    missing = await connection.fetch(MISSED)
    # Connectors of which nothing is left are in neither answer. Nothing is awaited from here on: a scrape would see none.
    for gauge in (BUDGET_LEFT, BURN_RATE, LEVELS_MISSED):
        gauge.clear()
    for connector, *sums in ended:
        whole, *recent = (Tally(*sums[index : index + 3]) for index in range(0, len(sums), 3))
        for objective in OBJECTIVES:
            BUDGET_LEFT.labels(connector, objective).set(budget_left(whole, objective, DEFAULT))
            for window, tally in zip(WINDOWS, recent, strict=True):
                BURN_RATE.labels(connector, objective, NAMES[window]).set(burn_rate(tally, objective, DEFAULT) or 0.0)
    for connector, missed in missing:
        LEVELS_MISSED.labels(connector).set(missed)
