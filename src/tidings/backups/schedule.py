"""When what is done about backups is due: intervals that count from midnight UTC, as rows of `backup_schedule`.

A time that passed while no worker was there is done once when one is, however often it passed.
"""

from datetime import UTC, datetime, timedelta

from tidings.backups.runs import Run, Task, ask
from tidings.platform.postgres import Connection
from tidings.settings import Settings

LONGEST_RUN = timedelta(days=1)
MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)

# What is new is due at once; what has another interval now is due by the new one, if that is sooner.
KEEP = """
INSERT INTO backup_schedule AS known (task, every, after_midnight, next_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (task) DO UPDATE SET every = $2, after_midnight = $3, next_at = least(known.next_at, $5)
WHERE (known.every, known.after_midnight) IS DISTINCT FROM ($2, $3)"""
FORGET = "DELETE FROM backup_schedule WHERE NOT task = ANY($1)"
DUE = "SELECT task, every, after_midnight FROM backup_schedule WHERE next_at <= $1 ORDER BY next_at FOR UPDATE SKIP LOCKED"
PUT_OFF = "UPDATE backup_schedule SET next_at = $2 WHERE task = $1"


def next_time(every: timedelta, after_midnight: timedelta, now: datetime) -> datetime:
    """The first time after now. Of an interval of more than a day the days count from 1 January 2024, a Monday."""
    first = MIDNIGHT + after_midnight
    return first + ((now - first) // every + 1) * every


async def keep_schedule(connection: Connection, settings: Settings, now: datetime) -> None:
    """Make the rows what the setting says."""
    for task, every, after_midnight in settings.backup_schedule:
        await connection.execute(KEEP, task, every, after_midnight, now, next_time(every, after_midnight, now))
    await connection.execute(FORGET, [task for task, _, _ in settings.backup_schedule])


async def is_followed(connection: Connection, now: datetime) -> bool:
    """Whether some worker does what is asked for. For a day none may have had the time."""
    return bool(await connection.fetchval("SELECT min(next_at) > $1 FROM backup_schedule", now - LONGEST_RUN))


async def ask_for_due(connection: Connection, now: datetime) -> list[Run]:
    """Ask for what is due, and put it off to its next time; both or neither."""
    async with connection.transaction():
        return [
            await ask_and_put_off(connection, row["task"], row["every"], row["after_midnight"], now)
            for row in await connection.fetch(DUE, now)
        ]


async def ask_and_put_off(connection: Connection, task: Task, every: timedelta, after_midnight: timedelta, now: datetime) -> Run:
    await connection.execute(PUT_OFF, task, next_time(every, after_midnight, now))
    return await ask(connection, task, "schedule", now)
