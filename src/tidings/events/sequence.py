"""Moving the outbox into the log: one statement gives every committed event of a shard the next position.

The theory. `nextval` order is not commit order, so whoever polls `id > last` loses rows (758 of 2,000 in a test). Here committed rows
are *taken* instead: DELETE … RETURNING feeds the INSERT, so positions have no holes and nothing is taken twice. Without SKIP LOCKED:
a second sequencer would take rows 4–5 before 1–3. RETURNING alone is unordered, hence row_number() OVER (ORDER BY id).

`due` is read before the lease row is locked, so that an idle poll writes nothing; a leader whose term has passed then finds no `lead`,
takes nothing and answers nothing. One statement is one snapshot, so what lies up to `last` are the rows of `due` and no others;
taking them as a range costs a quarter less than joining them (16 → 13 µs of CPU an event, all in all). Two stamps ride along: a change of
membership and a large audience learn their position. A connection for this statement uses indexes only (SESSION): a plan that was cached
while a table was small must not read all of it when it has grown.
"""

from tidings.events.entry import LogEvent
from tidings.platform.postgres import Connection

SESSION = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}

SEQUENCE = """
WITH due AS MATERIALIZED (
    SELECT id FROM outbox WHERE shard = $1 AND id >= $4 ORDER BY id LIMIT $3
), last AS MATERIALIZED (
    SELECT max(id) AS id FROM due
), lead AS MATERIALIZED (
    SELECT head FROM shards WHERE shard = $1 AND term = $2 AND EXISTS (SELECT FROM due) FOR UPDATE
), taken AS (
    DELETE FROM outbox WHERE shard = $1 AND id >= $4 AND id <= (SELECT id FROM last) AND EXISTS (SELECT FROM lead) RETURNING *
), numbered AS MATERIALIZED (
    SELECT (SELECT head FROM lead) + row_number() OVER (ORDER BY id) AS position, clock_timestamp() AS moved_at, taken.* FROM taken
), logged AS (
    INSERT INTO events (shard, position, project, type, notification, recipients, topics, everyone, data, internal, actor,
        accepted_at, created_at, trace)
    SELECT shard, position, project, type, notification, recipients, topics, everyone, data, internal, actor, created_at, moved_at, trace
    FROM numbered
), moved AS (
    UPDATE shards SET head = head + (SELECT count(*) FROM taken) WHERE shard = $1 AND term = $2 AND EXISTS (SELECT FROM taken)
), changes_stamped AS (
    UPDATE topic_changes SET position = numbered.position FROM numbered
    WHERE numbered.topic_change IS NOT NULL AND topic_changes.id = numbered.topic_change
), audiences_stamped AS (
    UPDATE fanouts SET position = numbered.position, newest_subscriber = (
        SELECT s.id FROM subscribers s WHERE s.project = fanouts.project AND s.deleted_at IS NULL ORDER BY s.id DESC LIMIT 1
    )
    FROM numbered
    WHERE (numbered.everyone OR numbered.topics IS NOT NULL) AND numbered.type LIKE 'notification.%'
      AND fanouts.notification = numbered.notification AND fanouts.position IS NULL
)
SELECT position, project, type, notification::text, recipients, topics, everyone, data, internal, actor, created_at, moved_at, trace
FROM numbered ORDER BY position
"""


async def sequence(connection: Connection, shard: int, term: int, limit: int, floor: int = 0) -> list[LogEvent]:
    """Give at most `limit` committed events of the shard their positions. Empty when there are none, or the term has passed.

    floor: no event of the shard has a smaller outbox id, see floor.py.
    """
    return [LogEvent(*row) for row in await connection.fetch(SEQUENCE, shard, term, limit, floor)]
