"""Writing, finding and lifting suppressions. A person is meant by their inner id, an address by its keyed hash."""

from collections.abc import Sequence

import asyncpg

from tidings.deliveries.suppressions.structs import Reason, SuppressedChannel, Suppression
from tidings.deliveries.suppressions.token import Unsubscriber
from tidings.platform.postgres import Connection
from tidings.platform.secrets import keyed_hash
from tidings.recipients.subscribers import unknown

PURPOSE = "suppressed address"

SUPPRESS_PERSON = """
INSERT INTO suppressions (project, channel, subscriber, reason)
SELECT $1, $2, id, 'unsubscribed' FROM subscribers WHERE project = $1 AND id = $3 AND deleted_at IS NULL
ON CONFLICT DO NOTHING
"""
# Sorted, so that two that name the same addresses wait for each other and never in a ring.
SUPPRESS_ADDRESSES = """
INSERT INTO suppressions (project, channel, address_hash, reason)
SELECT $1, $2, hash, $4 FROM unnest($3::bytea[]) AS hash ORDER BY hash
ON CONFLICT DO NOTHING
"""
FIND = """
SELECT reason FROM suppressions WHERE project = $1 AND channel = $2 AND subscriber = $3
UNION ALL SELECT reason FROM suppressions WHERE project = $1 AND channel = $2 AND address_hash = $4
"""
PERSON = "SELECT id, email, phone FROM subscribers WHERE project = $1 AND external_id = $2 AND deleted_at IS NULL"
OF_PERSON = "project = $1 AND (subscriber = $2 OR (channel, address_hash) IN (SELECT * FROM unnest($3::text[], $4::bytea[])))"
LIST = f"SELECT channel, reason, created_at FROM suppressions WHERE {OF_PERSON} ORDER BY channel, created_at, id"
LIFT = f"DELETE FROM suppressions WHERE {OF_PERSON} AND ($5::text IS NULL OR channel = $5)"


def address_hash(project: int, channel: str, address: str) -> bytes:
    """Of the address however it is written. In theory "Alice@" and "alice@" may be two people; where mail is kept they are one."""
    return keyed_hash(PURPOSE, f"{project}\0{channel}\0{address.strip().casefold()}".encode())


async def suppress_person(connection: Connection, who: Unsubscriber) -> None:
    """They unsubscribed. Nothing happens when they had, or are gone."""
    await connection.execute(SUPPRESS_PERSON, who.project, who.channel, who.subscriber)


async def suppress_addresses(
    connection: Connection, project: int, channel: SuppressedChannel, addresses: Sequence[str], reason: Reason
) -> None:
    """The first reason stays."""
    hashes = [address_hash(project, channel, address) for address in addresses]
    await connection.execute(SUPPRESS_ADDRESSES, project, channel, hashes, reason)


async def suppressed(pool: asyncpg.Pool, project: int, channel: SuppressedChannel, subscriber: int | None, address: str) -> set[Reason]:
    """What speaks against sending to this person at this address; empty when nothing does. pool: of the worker's role."""
    return {row[0] for row in await pool.fetch(FIND, project, channel, subscriber, address_hash(project, channel, address))}


async def list_suppressions(connection: Connection, project: int, external_id: str) -> list[Suppression]:
    """Raises NotFound."""
    rows = await connection.fetch(LIST, *await person(connection, project, external_id))
    return [Suppression(*row) for row in rows]


async def lift_suppressions(connection: Connection, project: int, external_id: str, channel: SuppressedChannel | None) -> None:
    """channel: None for all. Raises NotFound."""
    await connection.execute(LIFT, *await person(connection, project, external_id), channel)


async def person(connection: Connection, project: int, external_id: str) -> tuple[int, int, list[str], list[bytes]]:
    """By what they are found: project, inner id, and their present addresses as channels and hashes. Raises NotFound."""
    row = await connection.fetchrow(PERSON, project, external_id)
    if row is None:
        raise unknown(external_id)
    addresses = [(channel, address) for channel, address in (("email", row["email"]), ("sms", row["phone"])) if address]
    return project, row["id"], [channel for channel, _ in addresses], [address_hash(project, *one) for one in addresses]
