"""Deliveries sent again in bulk: asked for over the API, moved piece by piece by whoever calls `advance_one`.

A piece moves in the transaction that moves the replay's cursor, so that each delivery is taken once, whoever is killed in between.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from tidings.access.principals import KeyHolder, Tenant
from tidings.deliveries.destinations.kinds import by_kind
from tidings.deliveries.ledger.listing import find_destination, first_id, named_one
from tidings.deliveries.ledger.ranges import IN_ORDER, in_order, within
from tidings.deliveries.ledger.resend import WAKE, has_its_turn
from tidings.deliveries.ledger.structs import MOST_COUNTED, NewReplay, ReplayBegun, ReplayInfo, ReplayPage
from tidings.errors import Conflict, Invalid, NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.ids import random_id
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection

# A step moves at most so many, and looks at most at so many to find them.
PIECE = 1000
LOOK_AT = 10_000
# Ten steps a second at most: 200 a second one by one would be 200 transactions.
STEP_S = 0.1
USUAL_RATE = 200.0
BEFORE_ALL, AFTER_ALL = UUID(int=0), UUID(int=(1 << 128) - 1)
NEWEST_PLACE = (1 << 63) - 1

INSERT = """
INSERT INTO replays (project, key, destination, states, types, first_id, last_id, cursor, rate, total, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $8, $9, $10)
"""
COLUMNS = "r.id, r.key, t.key AS destination, r.total, r.queued, r.created_at, r.finished_at, r.cancelled_at"
JOINED = "replays r JOIN destinations t ON t.id = r.destination"
GET = f"SELECT {COLUMNS} FROM {JOINED} WHERE r.project = $1 AND r.key = $2"
LIST = f"SELECT {COLUMNS} FROM {JOINED} WHERE r.project = $1 AND r.id < $2 ORDER BY r.id DESC LIMIT $3"
CANCEL = """
UPDATE replays SET cancelled_at = now(), finished_at = now() WHERE project = $1 AND key = $2 AND finished_at IS NULL RETURNING id
"""


class Range(msgspec.Struct, frozen=True):
    """Which deliveries. since, until: when they were accepted; None: since the beginning, and until there are no more."""

    since: datetime | None
    until: datetime | None
    states: Sequence[str]
    types: list[str] | None = None
    rate: float = USUAL_RATE


async def create_replay(connection: Connection, holder: KeyHolder, wanted: NewReplay, now: datetime) -> ReplayBegun:
    """Raises NotFound for an unknown destination, Conflict for one that takes nothing, Invalid for none, and for a time that ends before it
    begins.
    """
    named = named_one(wanted.endpoint, wanted.integration)
    if named is None:
        raise Invalid("Say what is sent again: that of an endpoint, or of an integration.", field="endpoint")
    until = now if wanted.until is None else min(wanted.until, now)
    if wanted.since >= until:
        raise Invalid("since must lie before until, and before now.", field="since")
    kind, key = named
    destination = await find_destination(connection, holder.tenant.id, kind, key)
    if destination["deleted_at"] is not None:
        raise Conflict(f"{key} was deleted.")
    if destination["disabled_at"] is not None:
        raise Conflict(f"{key} is disabled; enable it first.")
    states = [wanted.state] if isinstance(wanted.state, str) else list(dict.fromkeys(wanted.state))
    chosen = Range(wanted.since, until, states, wanted.types, wanted.rate)
    return ReplayBegun(await begin_replay(connection, holder, destination["id"], key, chosen))


async def begin_replay(connection: Connection, holder: KeyHolder, destination: int, named: str, chosen: Range) -> str:
    """Its id. named: the key of the destination."""
    first = BEFORE_ALL if chosen.since is None else first_id(chosen.since)
    last = AFTER_ALL if chosen.until is None else first_id(chosen.until)
    asked = holder.tenant.id, destination, first, last, chosen.states, chosen.types
    total = await connection.fetchval(count_sql(chosen.states), *asked)
    key = random_id("rpl")
    await connection.execute(
        INSERT,
        holder.tenant.id,
        key,
        destination,
        chosen.states,
        chosen.types,
        first,
        last,
        chosen.rate,
        total,
        holder.actor,
    )
    await append(connection, [replay_event(holder, "replay.created", key, by_kind(named))])
    return key


async def get_replay(connection: Connection, tenant: Tenant, key: str) -> ReplayInfo:
    """Raises NotFound."""
    row = await connection.fetchrow(GET, tenant.id, key)
    if row is None:
        raise NotFound(f"There is no replay {key[:80]!r}.")
    return info_of(row)


async def list_replays(connection: Connection, tenant: Tenant, after: str | None, limit: int) -> ReplayPage:
    """The newest first."""
    before = decode_place(after) or NEWEST_PLACE
    rows, more = cut(await connection.fetch(LIST, tenant.id, before, limit + 1), limit)
    return ReplayPage([info_of(row) for row in rows], encode_place(rows[-1]["id"]) if more else None)


async def cancel_replay(connection: Connection, holder: KeyHolder, key: str) -> ReplayInfo:
    """What was queued stays so. Nothing changes when it was cancelled before. Raises NotFound, or Conflict when it is done."""
    is_new = await connection.fetchval(CANCEL, holder.tenant.id, key) is not None
    info = await get_replay(connection, holder.tenant, key)
    if info.state == "done":
        raise Conflict(f"{key} is done.")
    if is_new:
        await append(
            connection, [replay_event(holder, "replay.cancelled", key, {"endpoint": info.endpoint, "integration": info.integration})]
        )
    return info


def replay_event(holder: KeyHolder, kind: str, key: str, destination: Mapping[str, str | None]) -> NewEvent:
    """destination: as `by_kind` names it."""
    data = msgspec.json.encode({"id": key, **destination}).decode()
    return NewEvent(project=holder.tenant.id, shard=holder.tenant.shard, type=kind, data=data, actor=holder.actor)


def info_of(row: Mapping[str, Any]) -> ReplayInfo:
    return ReplayInfo(
        id=row["key"],
        **by_kind(row["destination"]),
        state="cancelled" if row["cancelled_at"] is not None else "running" if row["finished_at"] is None else "done",
        total=row["total"],
        queued=row["queued"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )


def looked_at(states: Sequence[str], most: int) -> str:
    """SQL: the next of project $1 to destination $2 between the ids $3 and $4, at most so many, each index read in its order.

    What is not delivered has an index by state. Delivered ones are most of all, and found among all.
    """
    if "delivered" in states:
        return next_of({}, most)
    assert set(states) <= {"dead", "held", "cancelled"}, states
    each = [next_of({"state": f"'{state}'"}, most) for state in states]
    return f"SELECT * FROM (({') UNION ALL ('.join(each)})) AS together ORDER BY id LIMIT {most}"


def next_of(more: dict[str, str], most: int) -> str:
    same = {"destination": "$2"} | more
    between = f"{within(same, '$3::uuid', '$4::uuid')} AND id > $3::uuid AND id < $4::uuid"
    return f"SELECT id, state, type FROM deliveries WHERE project = $1 AND {between} ORDER BY {in_order(same)} LIMIT {most}"


FITS = "state = ANY ($5::text[]) AND ($6::text[] IS NULL OR type = ANY ($6))"


def count_sql(states: Sequence[str]) -> str:
    return f"SELECT count(*) FROM ({looked_at(states, MOST_COUNTED)}) AS looked WHERE {FITS}"


def next_sql(states: Sequence[str]) -> str:
    return f"""
    WITH looked AS MATERIALIZED ({looked_at(states, LOOK_AT)})
    SELECT ARRAY(SELECT id FROM looked WHERE {FITS} ORDER BY id LIMIT $7) AS chosen,
        (SELECT count(*) FROM looked) AS looked, (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last
    """


TAKE = f"""
SELECT id, project, destination, states, types, last_id, cursor, rate, moved_at FROM replays
WHERE finished_at IS NULL AND extract(epoch FROM $1::timestamptz - moved_at) * rate >= greatest(1, rate * {STEP_S})
ORDER BY moved_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
LOCK_LANE = "SELECT paused FROM lanes WHERE destination = $1 FOR UPDATE"
# The bounds name the partitions: a plan made once for all does not see which of them the ids are in.
AMONG = "id = ANY ($1::uuid[]) AND id BETWEEN $2::uuid AND $3::uuid"
# Those that somebody has locked are about to change by another hand.
LOCK = f"""
WITH mine AS MATERIALIZED (
    SELECT id, destination, order_key FROM deliveries WHERE {AMONG} AND state = ANY ($4::text[]) AND lease_until IS NULL
    ORDER BY id FOR UPDATE SKIP LOCKED
)
SELECT id, {has_its_turn("mine")} AND (order_key IS NULL OR row_number() OVER (PARTITION BY order_key ORDER BY id) = 1) AS has_its_turn
FROM mine
"""
MOVE = f"""
UPDATE deliveries SET state = 'pending', round = attempts, next_attempt_at = $4, finished_at = NULL,
    reason = CASE WHEN state = 'held' THEN NULL ELSE reason END
WHERE {AMONG}
"""
# asyncpg takes the last moment that Python knows for PostgreSQL's infinity.
INFINITY = datetime.max.replace(tzinfo=UTC)
PROGRESS = """
UPDATE replays SET cursor = $2, queued = queued + $3, total = greatest(total, queued + $3), moved_at = $4, finished_at = $5 WHERE id = $1
"""
STOP = "UPDATE replays SET cancelled_at = $2, finished_at = $2 WHERE id = $1"


async def advance_one(connection: Connection, now: datetime) -> bool:
    """Move one replay on, as far as its rate allows by now, in a transaction of its own. False when none is due for it.

    connection: of the worker's role. The replay of a destination that was disabled or deleted meanwhile is cancelled.
    """
    async with connection.transaction():
        replay = await connection.fetchrow(TAKE, now)
        if replay is None:
            return False
        await connection.execute(IN_ORDER)
        allowed, moved_at = pace(replay["rate"], replay["moved_at"], now)
        states = replay["states"]
        asked = (replay[name] for name in ("project", "destination", "cursor", "last_id", "states", "types"))
        found = await connection.fetchrow(next_sql(states), *asked, allowed)
        chosen = found["chosen"]
        if await connection.fetchval(LOCK_LANE, replay["destination"]):
            await connection.execute(STOP, replay["id"], now)
            return True
        moved = await move(connection, replay["destination"], chosen, states, now)
        is_full = len(chosen) == allowed
        cursor = chosen[-1] if is_full else found["last"] or replay["last_id"]
        is_done = not is_full and found["looked"] < LOOK_AT
        await connection.execute(PROGRESS, replay["id"], cursor, moved, moved_at, now if is_done else None)
        return True


def pace(rate: float, moved_at: datetime, now: datetime) -> tuple[int, datetime]:
    """How many may move now, and until when that uses the rate up. What a pause left unused beyond a piece is lost."""
    allowed = int((now - moved_at).total_seconds() * rate)
    return (PIECE, now) if allowed >= PIECE else (allowed, moved_at + timedelta(seconds=allowed / rate))


async def move(connection: Connection, destination: int, chosen: Sequence[UUID], states: Sequence[str], now: datetime) -> int:
    """How many were moved. Of each order one is due now, unless one is on its way; the others wait for it."""
    if not chosen:
        return 0
    bounds = chosen[0], chosen[-1]
    locked = await connection.fetch(LOCK, chosen, *bounds, states)
    for is_due, at in ((True, now), (False, INFINITY)):
        ids = [row["id"] for row in locked if row["has_its_turn"] == is_due]
        if ids:
            await connection.execute(MOVE, ids, *bounds, at)
    await connection.execute(WAKE, destination, now)
    return len(locked)
