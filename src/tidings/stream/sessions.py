"""Tickets: how EventSource, which cannot send headers, opens a stream without a credential in its URL.

A ticket opens one stream session. First used within 30 seconds; after that the same URL reopens only this session, one connection at a
time, until the token behind it expires: EventSource reconnects by itself. Only the ticket's SHA-256 is kept.
"""

import hashlib
import math
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import UNSET, UnsetType

from tidings.access.principals import SubscriberSession, Tenant
from tidings.access.structs import SHOWN_ONCE
from tidings.errors import Unauthenticated
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.postgres import Connection as Db
from tidings.platform.postgres import Database
from tidings.stream.sign_in import Visitor

FIRST_USE_S = 30
BYTES = 32

KEEP = """
INSERT INTO stream_sessions (ticket_hash, project, subscriber, token_issued_at, expires_at, kid) VALUES ($1, $2, $3, $4, $5, $6)
"""

# One statement for all that open at the same time. Locked in order, so that two processes cannot wait for each other.
OPEN = f"""
WITH asked AS MATERIALIZED (
    SELECT ticket_hash FROM stream_sessions WHERE ticket_hash = ANY($1::bytea[]) ORDER BY ticket_hash FOR UPDATE
), opened AS (
    UPDATE stream_sessions t SET generation = t.generation + 1
    FROM asked, subscribers s
    WHERE t.ticket_hash = asked.ticket_hash AND s.id = t.subscriber AND s.deleted_at IS NULL
      AND (s.tokens_valid_after IS NULL OR t.token_issued_at >= s.tokens_valid_after)
      AND NOT EXISTS (SELECT FROM public_keys k WHERE k.kid = t.kid AND k.revoked_at IS NOT NULL)
      AND t.expires_at > now() AND (t.generation > 0 OR t.created_at > now() - interval '{FIRST_USE_S} seconds')
    RETURNING t.ticket_hash, t.project, t.subscriber, t.generation, t.token_issued_at, t.expires_at, t.kid
)
SELECT o.*, p.key, p.shard FROM opened o JOIN projects p ON p.id = o.project
"""

EXTEND = """
UPDATE stream_sessions SET expires_at = $2, token_issued_at = $3, kid = $4 WHERE ticket_hash = $1 AND expires_at < $2
"""
REFUSED = (
    f"This ticket is unknown, was not used within {FIRST_USE_S} seconds, or the token behind it has expired or was revoked. "
    "Get a new one: POST /v1/stream/tickets."
)
SWEEP = "DELETE FROM stream_sessions WHERE expires_at < now() - interval '1 minute'"


class Ticket(msgspec.Struct, frozen=True):
    """Use it within 30 seconds: GET /v1/stream?ticket=…   expires_at: until then the same URL reopens the stream.

    Left out, with a note, when the answer is replayed.
    """

    expires_at: datetime
    ticket: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


async def issue_ticket(connection: Db, session: SubscriberSession) -> Ticket:
    ticket = secrets.token_urlsafe(BYTES)
    await connection.execute(
        KEEP, hash_of(ticket), session.tenant.id, session.subscriber, session.issued_at, session.expires_at, session.kid
    )
    return Ticket(session.expires_at, ticket)


def without_ticket(issued: Ticket) -> Ticket:
    return Ticket(issued.expires_at, note=SHOWN_ONCE.replace("secret", "ticket"))


def hash_of(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()


async def open_sessions(database: Database, hashes: Sequence[bytes]) -> dict[bytes, Visitor | Exception]:
    """Visitors by their tickets' hashes. A session that was open before ends elsewhere: every process learns it from the log."""
    async with database.system.acquire() as connection, connection.transaction():
        rows = await connection.fetch(OPEN, hashes)
        await append(
            connection,
            [
                NewEvent(
                    project=row["project"],
                    shard=row["shard"],
                    type="stream.reopened",
                    recipients=[row["subscriber"]],
                    data=msgspec.json.encode({"session": row["ticket_hash"].hex(), "generation": row["generation"]}).decode(),
                    actor="system:stream",
                )
                for row in rows
                if row["generation"] > 1
            ],
        )
    visitors: dict[bytes, Visitor | Exception] = {
        row["ticket_hash"]: Visitor(
            Tenant(row["project"], row["key"], row["shard"]),
            row["subscriber"],
            row["token_issued_at"].timestamp(),
            math.ceil(row["expires_at"].timestamp()),
            row["kid"],
            session=row["ticket_hash"],
            generation=row["generation"],
        )
        for row in rows
    }
    for ticket_hash in hashes:
        visitors.setdefault(ticket_hash, Unauthenticated(REFUSED))
    return visitors


async def extend_session(database: Database, ticket_hash: bytes, expires_at: datetime, issued_at: datetime, kid: str | None) -> None:
    """The stream was renewed, so its URL reopens it for as long."""
    await database.system.execute(EXTEND, ticket_hash, expires_at, issued_at, kid)


def cookie_age(session: SubscriberSession) -> int:
    return max(0, int((session.expires_at - datetime.now(UTC)) / timedelta(seconds=1)))
