"""Writing down how attempts ended, many at once.

Fenced: an attempt that was given up for lost, and followed by another, is over, so a worker that stood still writes nothing. One that
nobody has followed yet is what its worker says: how it ended was known all the time, when only PostgreSQL was away. Together with whatever
is not simply delivered its lane is changed, in the same transaction: when it is due again, and what the breaker makes of it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from tidings.deliveries.lanes.report import report
from tidings.deliveries.ledger.claim import AttemptKey, Claimed
from tidings.deliveries.ledger.clock import time_of
from tidings.deliveries.ledger.outcome import Next, Outcome
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.outbound.latency import Latency
from tidings.platform.postgres import Connection

# Times come as seconds from now by the clock of the worker, and are written by PostgreSQL's (`clock.py`).
# `settled` hands on what it was given: a plan made once for all expects a handful of results, and would join them with these row by row.
SETTLE = """
WITH settled AS (
    UPDATE attempts a SET outcome = r.outcome, reason = r.reason, detail = r.detail, status = r.status,
        dns_ms = r.dns_ms, connect_ms = r.connect_ms, tls_ms = r.tls_ms, first_byte_ms = r.first_byte_ms, total_ms = r.total_ms,
        response = r.response, truncated = r.truncated,
        ended_at = statement_timestamp() + r.ended_in * interval '1 second',
        next_attempt_at = statement_timestamp() + r.next_attempt_in * interval '1 second'
    FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::real[], $8::real[], $9::real[],
        $10::real[], $11::real[], $12::bytea[], $13::boolean[], $14::boolean[], $15::text[], $16::float8[], $17::float8[])
        AS r (delivery, number, outcome, reason, detail, status, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, response, truncated,
              was_made, state, next_attempt_in, ended_in)
    WHERE a.delivery = r.delivery AND a.number = r.number AND (a.outcome IS NULL OR a.outcome = 'lost' AND NOT EXISTS (
        SELECT FROM attempts AS follower WHERE follower.delivery = a.delivery AND follower.number = a.number + 1))
    RETURNING r.delivery, r.number, r.reason, r.was_made, r.state, a.next_attempt_at, a.ended_at
)
UPDATE deliveries d SET attempts = s.number, reason = s.reason, lease_until = NULL,
    -- Of the schedule an attempt uses up nothing that was not made; nor did one that was counted already, as lost.
    round = d.round + (NOT s.was_made)::int - (d.attempts = s.number)::int,
    -- One that was cancelled while it was on its way is delivered if it arrived, and cancelled if not.
    state = CASE WHEN d.state = 'pending' OR s.state = 'delivered' OR d.state = 'held' AND d.reason = 'worker_lost' THEN s.state
        ELSE d.state END,
    next_attempt_at = coalesce(s.next_attempt_at, d.next_attempt_at),
    finished_at = CASE WHEN s.state <> 'pending' THEN s.ended_at ELSE d.finished_at END
FROM settled s WHERE d.id = s.delivery
RETURNING d.id::text, s.number
"""
# The next one of a key, when the one before it has come to its end.
ADVANCE = """
UPDATE deliveries SET next_attempt_at = now() WHERE state = 'pending' AND next_attempt_at = 'infinity' AND id IN (
    SELECT DISTINCT ON (d.destination, d.order_key) d.id
    FROM unnest($1::bigint[], $2::text[]) AS ended (destination, order_key)
    JOIN deliveries d ON d.destination = ended.destination AND d.order_key = ended.order_key AND d.state = 'pending'
    ORDER BY d.destination, d.order_key, d.id
)
"""

UNTIMED = Latency(total_ms=0.0)


class Result(msgspec.Struct, frozen=True):
    """An attempt that has ended. echo: the event that tells of it, if anybody asks for that."""

    of: Claimed
    outcome: Outcome
    next: Next
    ended_at: datetime
    echo: NewEvent | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing but its own rows has to change."""
        return self.next.state == "delivered" and self.of.order_key is None and self.echo is None


async def settle(
    connection: Connection, results: Sequence[Result], unheard: Mapping[int, Sequence[Outcome]] | None = None
) -> set[AttemptKey]:
    """Write them, in a transaction of its own. Answers those that had not been given up.

    unheard: successes that were written before, and that their lanes have not heard of.
    """
    if all(result.is_plain for result in results):
        return await write(connection, results)
    async with connection.transaction():
        written = await write(connection, results)
        # Locks the lanes. A planner that finds one of a key still under way has committed its follower by then.
        await report(connection, news(results, unheard or {}), await time_of(connection), datetime.now(UTC))
        await advance(connection, [result.of for result in results if result.of.order_key is not None and result.next.state != "pending"])
        await append(connection, [result.echo for result in results if result.echo is not None and result.of.key in written])
        return written


async def advance(connection: Connection, ended: Sequence[Claimed]) -> None:
    """Let the next of each key go. The lanes must be locked, and the ones that ended be written."""
    if ended:
        await connection.execute(ADVANCE, [one.destination for one in ended], [one.order_key for one in ended])


def news(results: Sequence[Result], unheard: Mapping[int, Sequence[Outcome]]) -> dict[int, list[Outcome]]:
    """What is told to the lanes where something has to change: all that ended there, in its order.

    Told of failures alone, a breaker would open where most attempts go well.
    """
    lanes = {lane: list(unheard.get(lane, ())) for lane in troubled(results)}
    for result in results:
        if result.of.destination in lanes and result.outcome.was_made:
            lanes[result.of.destination].append(result.outcome)
    return lanes


def troubled(results: Sequence[Result]) -> set[int]:
    return {result.of.destination for result in results if not result.is_plain}


async def write(connection: Connection, results: Sequence[Result]) -> set[AttemptKey]:
    outcomes = [result.outcome for result in results]
    latencies = [outcome.latency or UNTIMED for outcome in outcomes]
    now = datetime.now(UTC)
    rows = await connection.fetch(
        SETTLE,
        [result.of.id for result in results],
        [result.of.number for result in results],
        [outcome.kind for outcome in outcomes],
        [outcome.reason.replace("\x00", "") for outcome in outcomes],
        [outcome.detail.replace("\x00", "") for outcome in outcomes],
        [outcome.status for outcome in outcomes],
        [latency.dns_ms for latency in latencies],
        [latency.connect_ms for latency in latencies],
        [latency.tls_ms for latency in latencies],
        [latency.first_byte_ms for latency in latencies],
        [latency.total_ms for latency in latencies],
        [outcome.response for outcome in outcomes],
        [outcome.truncated for outcome in outcomes],
        [outcome.was_made for outcome in outcomes],
        [result.next.state for result in results],
        [None if result.next.at is None else (result.next.at - now).total_seconds() for result in results],
        [(result.ended_at - now).total_seconds() for result in results],
    )
    return {(identity, number) for identity, number in rows}
