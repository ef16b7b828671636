"""The door into the log: an event is appended in the transaction of the change it tells of."""

from collections.abc import Sequence

from tidings.events.entry import NewEvent
from tidings.platform.postgres import Connection
from tidings.platform.telemetry.spans import trace_of_request

# Lists travel as array literals, because unnest would flatten an array of arrays.
APPEND = """
INSERT INTO outbox (shard, project, type, notification, recipients, topics, everyone, data, internal, topic_change, actor, trace)
SELECT shard, project, type, notification, recipients::bigint[], topics::bigint[], everyone, data, internal, topic_change, actor, trace
FROM unnest($1::smallint[], $2::int[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::boolean[], $8::json[], $9::json[],
            $10::bigint[], $11::text[], $12::text[])
     AS new (shard, project, type, notification, recipients, topics, everyone, data, internal, topic_change, actor, trace)
"""


async def append(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Append events, in this order. Call it last in the transaction, after the rows it tells of are locked and changed:

    the sequencer orders by the outbox id that is drawn here, so that the log and the rows tell the same story.
    """
    if not events:
        return
    here = trace_of_request()
    await connection.execute(
        APPEND,
        [event.shard for event in events],
        [event.project for event in events],
        [event.type for event in events],
        [event.notification for event in events],
        [literal_of(event.recipients) for event in events],
        [literal_of(event.topics) for event in events],
        [event.everyone for event in events],
        [event.data for event in events],
        [event.internal for event in events],
        [event.topic_change for event in events],
        [event.actor for event in events],
        [event.trace or here for event in events],
    )


def literal_of(numbers: Sequence[int] | str | None) -> str | None:
    return numbers if numbers is None or isinstance(numbers, str) else array_literal(numbers)


def array_literal(numbers: Sequence[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
