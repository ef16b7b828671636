"""The live end of the log: one Redis Stream a shard, with the position as the entry's id.

Redis refuses an id it has already passed, so appending is idempotent, and two sequencers cannot write two histories.
"""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from tidings.events.entry import LogEvent, pack

FIELD = b"e"


def stream_key(epoch: str, shard: int) -> str:
    """The braces keep a shard's keys together in a Redis Cluster. The number is the version of the entries, see `entry.pack`: processes of
    two versions do not read each other's, and follow PostgreSQL where their own are missing.
    """
    return f"tidings:{{{epoch}:{shard}}}:log:2"


class StreamLost(Exception):
    """The stream is not there, or not as it was left: append what is missing first."""


async def append_live(redis: Any, key: str, events: Sequence[LogEvent], window: int, create: bool = False) -> int:
    """Append events in order; those already there are left as they are. window: entries the stream keeps, about.

    Answers how many Redis refused because the stream had passed them. Raises StreamLost when the stream is not there, unless `create`.
    """
    pipeline = redis.pipeline(transaction=False)
    options = () if create else ("NOMKSTREAM",)
    for event in events:
        pipeline.execute_command("XADD", key, *options, "MAXLEN", "~", window, f"{event.position}-0", FIELD, pack(event))
    return passed_in(key, await pipeline.execute(raise_on_error=False))


def passed_in(key: str, answers: Sequence[Any]) -> int:
    """How many were refused because the stream had passed them. Raises StreamLost, and what else Redis said."""
    passed = 0
    for answer in answers:
        if answer is None:
            raise StreamLost(key)
        if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
            passed += 1
        elif isinstance(answer, Exception):
            raise answer
    return passed


async def last_position(redis: Any, key: str) -> int:
    """The newest position in the stream; 0 when it is not there."""
    try:
        newest = await redis.execute_command("XREVRANGE", key, "+", "-", "COUNT", 1)
    except ResponseError as error:
        raise StreamLost(str(error)) from error
    return int(newest[0][0].split(b"-")[0]) if newest else 0
