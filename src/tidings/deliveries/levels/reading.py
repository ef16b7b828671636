"""Reading service levels: a few hundred rows of tallies a destination, however large the ledger is."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec

from tidings.deliveries.levels.latencies import Histogram, added, percentile, slower_than
from tidings.deliveries.levels.objectives import DEFAULT, Objective, Tally, Target, budget_left, burn_rate
from tidings.deliveries.levels.structs import (
    Budget,
    Figures,
    Level,
    LevelDetail,
    LevelPage,
    Point,
    TargetInfo,
    Waiting,
    Whole,
    WindowName,
)
from tidings.deliveries.levels.tallies import window_start
from tidings.errors import NotFound
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection

WINDOWS = dict(zip(get_args(WindowName), (timedelta(hours=1), timedelta(hours=24), timedelta(days=7), timedelta(days=30)), strict=True))
# Of the time line: 60, 24, 168 or 30 points.
STEPS = dict(zip(get_args(WindowName), (timedelta(minutes=1), timedelta(hours=1), timedelta(hours=1), timedelta(days=1)), strict=True))
BURNS = (timedelta(hours=1), timedelta(hours=6))


def sums(parameter: str) -> str:
    """SQL: what ended since then, as a Sums."""
    since = f"FILTER (WHERE t.at >= {parameter})"
    return f"""coalesce(sum(t.delivered) {since}, 0)::bigint, coalesce(sum(t.dead) {since}, 0)::bigint,
        coalesce(tidings_sum(t.latencies) {since}, '{{}}')"""


# $1 project, $2 start of the window, $3 and $4 starts of the burn rates.
THREE_SUMS = ", ".join(map(sums, ("$2", "$3", "$4")))
SINCE = "t.at >= least($2::timestamptz, $3::timestamptz, $4::timestamptz)"


def oldest(state: str) -> str:
    """SQL: when the oldest of a destination was accepted. Of those planned first, which is nearly always that one."""
    return (
        f"(SELECT accepted_at FROM deliveries WHERE destination = d.id AND state = '{state}' AND state <> 'delivered' ORDER BY id LIMIT 1)"
    )


LEVELS = f"""
SELECT d.id, d.key, d.connector, g.success, g.p99_s, a.missed_at, {oldest("pending")} AS pending, {oldest("held")} AS held, told.*
FROM (SELECT id, project, key, connector FROM destinations WHERE project = $1 AND deleted_at IS NULL AND %s) d
LEFT JOIN service_targets g ON g.destination = d.id LEFT JOIN service_alarms a ON a.destination = d.id
CROSS JOIN LATERAL (
    SELECT {THREE_SUMS} FROM service_tallies t
    WHERE t.destination = d.id AND t.project = d.project AND t.connector = d.connector AND {SINCE}
) AS told
ORDER BY d.id
"""
PAGE = LEVELS % "id > $5 ORDER BY id LIMIT $6"
ONE = LEVELS % "key = $5"
WHOLES = f"""
SELECT t.connector, {THREE_SUMS} FROM service_tallies t WHERE t.destination = 0 AND t.project = $1 AND {SINCE} GROUP BY 1
"""
WAITING = f"""
SELECT d.connector, min({oldest("pending")}), min({oldest("held")}) FROM destinations d
WHERE d.project = $1 AND d.deleted_at IS NULL GROUP BY 1
"""
TIMELINE = """
SELECT date_bin($4, t.at, 'epoch'), sum(t.delivered)::bigint, sum(t.dead)::bigint, tidings_sum(t.latencies)
FROM service_tallies t WHERE t.destination = $1 AND t.project = $2 AND t.connector = $3 AND t.at >= $5 GROUP BY 1 ORDER BY 1
"""


class Sums(msgspec.Struct, frozen=True):
    """What ended in some time."""

    delivered: int = 0
    dead: int = 0
    latencies: Histogram = ()

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.delivered + other.delivered, self.dead + other.dead, added(self.latencies, other.latencies))

    def against(self, target: Target) -> Tally:
        return Tally(self.delivered, self.dead, slower_than(self.latencies, target.p99_s))


# Of the window, of the last hour, of the last six.
Three = tuple[Sums, Sums, Sums]


async def list_levels(connection: Connection, project: int, window: WindowName, after: str | None, limit: int, now: datetime) -> LevelPage:
    """In the order in which the destinations were created. Raises Malformed for a place that is none."""
    starts = starts_of(window, now)
    rows, more = cut(await connection.fetch(PAGE, project, *starts, decode_place(after), limit + 1), limit)
    wholes = None if after is not None else await whole_levels(connection, project, starts, now)
    return LevelPage(
        window=window,
        since=starts[0],
        project=None if wholes is None else wholes[0],
        connectors=None if wholes is None else wholes[1:],
        items=[level_of(row, now) for row in rows],
        next=encode_place(rows[-1]["id"]) if more else None,
    )


async def get_level(connection: Connection, project: int, key: str, window: WindowName, now: datetime) -> LevelDetail:
    """Raises NotFound."""
    starts = starts_of(window, now)
    row = await connection.fetchrow(ONE, project, *starts, key)
    if row is None:
        raise unknown(key)
    level, step = level_of(row, now), STEPS[window]
    target = Target(level.target.success, level.target.p99_s)
    points = await connection.fetch(TIMELINE, row["id"], project, row["connector"], step, starts[0])
    return LevelDetail(
        **{name: getattr(level, name) for name in Level.__struct_fields__},
        window=window,
        since=starts[0],
        step_s=int(step.total_seconds()),
        timeline=[Point(at=at, figures=figures_of(Sums(*counted), target)) for at, *counted in points],
    )


def unknown(key: str) -> NotFound:
    return NotFound(f"There is no destination {key[:80]!r}.")


def starts_of(window: WindowName, now: datetime) -> tuple[datetime, datetime, datetime]:
    return window_start(now, WINDOWS[window]), window_start(now, BURNS[0]), window_start(now, BURNS[1])


async def whole_levels(connection: Connection, project: int, starts: tuple[datetime, ...], now: datetime) -> list[Whole]:
    """Of the project, then of each connector by its name."""
    waiting = {connector: (pending, held) for connector, pending, held in await connection.fetch(WAITING, project)}
    counted: defaultdict[str, Three] = defaultdict(lambda: (Sums(), Sums(), Sums()))
    for row in await connection.fetch(WHOLES, project, *starts):
        counted[row[0]] = three_of(row, 1)
    connectors = sorted(counted.keys() | waiting.keys())
    every = tuple(sum((counted[connector][index] for connector in connectors), Sums()) for index in range(3))
    pending, held = (min((at for one in waiting.values() if (at := one[index]) is not None), default=None) for index in range(2))
    return [
        whole_of(None, (every[0], every[1], every[2]), waiting_of(pending, held, now)),
        *(whole_of(connector, counted[connector], waiting_of(*waiting.get(connector, (None, None)), now)) for connector in connectors),
    ]


def whole_of(connector: str | None, three: Three, waiting: Waiting) -> Whole:
    return Whole(
        connector=connector,
        figures=figures_of(three[0], DEFAULT),
        waiting=waiting,
        success=budget_of(three, "success", DEFAULT),
        latency=budget_of(three, "latency", DEFAULT),
    )


def level_of(row: Mapping[str, Any], now: datetime) -> Level:
    target = DEFAULT if row["success"] is None else Target(row["success"], row["p99_s"])
    three = three_of(row, 8)
    return Level(
        key=row["key"],
        connector=row["connector"],
        figures=figures_of(three[0], target),
        waiting=waiting_of(row["pending"], row["held"], now),
        target=TargetInfo(success=target.success, p99_s=target.p99_s, is_default=row["success"] is None),
        success=budget_of(three, "success", target),
        latency=budget_of(three, "latency", target),
        missed_since=row["missed_at"],
    )


def three_of(row: Any, first: int) -> Three:
    """first: the column in which they begin."""
    window, hour, six_hours = (Sums(*row[start : start + 3]) for start in range(first, first + 9, 3))
    return window, hour, six_hours


def figures_of(sums: Sums, target: Target) -> Figures:
    ended = sums.delivered + sums.dead
    return Figures(
        delivered=sums.delivered,
        dead=sums.dead,
        late=sums.against(target).late,
        success=sums.delivered / ended if ended else None,
        p50_s=percentile(sums.latencies, 0.5),
        p95_s=percentile(sums.latencies, 0.95),
        p99_s=percentile(sums.latencies, 0.99),
    )


def waiting_of(pending: datetime | None, held: datetime | None, now: datetime) -> Waiting:
    return Waiting(pending_s=age_of(pending, now), held_s=age_of(held, now))


def age_of(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, (now - since).total_seconds())


def budget_of(three: Three, objective: Objective, target: Target) -> Budget:
    window, hour, six_hours = (sums.against(target) for sums in three)
    return Budget(
        left=budget_left(window, objective, target),
        burn_1h=burn_rate(hour, objective, target),
        burn_6h=burn_rate(six_hours, objective, target),
    )
