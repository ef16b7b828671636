"""Who waits for whom: joining a topic is shared work, deleting a person is not.

Without it, someone who is deleted while a call adds them to a topic would stay a member for ever. Locking 1,000 people a call instead
would write 1,000 row locks; this is one entry in shared memory. Order everywhere: this lock, topics by id, people, outbox.
"""

from tidings.platform.postgres import Connection

CLASS = 0x7469


async def joining(connection: Connection, project: int) -> None:
    """Until the transaction ends, nobody of the project is deleted."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", CLASS, project)


async def no_joining(connection: Connection, project: int) -> None:
    """Until the transaction ends, nobody of the project joins a topic."""
    await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", CLASS, project)
