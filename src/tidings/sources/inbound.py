"""An event comes in: signature, mapping, notification. It is answered when all of it is committed, in one transaction.

Nobody is signed in here, so the source stands in the URL and only its signature opens it. What a mapping cannot make is no fault of the
sender, who could not mend it: it is kept with its reason and answered as any other.
"""

import secrets
from collections.abc import Mapping as Map
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tidings.access.principals import Tenant
from tidings.errors import NotFound, TidingsError, Unauthenticated
from tidings.notifications.audience import look_up, resolve
from tidings.notifications.draft import Draft
from tidings.notifications.publish import PublishDoor
from tidings.notifications.store import Prepared, prepare, store
from tidings.platform.metrics import PUBLISHED
from tidings.platform.postgres import Connection, Database, tenant_transaction
from tidings.platform.telemetry.belonging import belong_to_project
from tidings.sources.history import claim, settle
from tidings.sources.mappings import Mapped, mapped, reason_of
from tidings.sources.paths import Event
from tidings.sources.reading import read_event
from tidings.sources.secrets import unseal, valid
from tidings.sources.signatures import is_signed
from tidings.sources.sources import decoded
from tidings.sources.structs import Kind, Mapping, Outcome
from tidings.vault import Vault

FIND = """
SELECT s.id, s.key, s.kind, s.mappings::text, s.secrets, s.older_until, p.id AS project, p.key AS project_key, p.shard
FROM sources s JOIN projects p ON p.id = s.project WHERE s.key = $1 AND s.deleted_at IS NULL
"""
# What an unknown source, or one without a secret, is held against: nobody has it, and it takes as long.
NOBODYS = secrets.token_hex(32)
NOBODYS_KIND: Kind = "github"


class Source(msgspec.Struct, frozen=True):
    """secrets: that count now."""

    id: int
    key: str
    kind: Kind
    tenant: Tenant
    mappings: Sequence[Mapping]
    secrets: Sequence[str]

    @property
    def actor(self) -> str:
        return f"source:{self.key}"


async def receive(
    database: Database, vault: Vault, door: PublishDoor, key: str, headers: Map[str, str], body: bytes, now: datetime
) -> Outcome:
    """headers: by their names in lower case.

    Raises NotFound, Unauthenticated, Malformed for what is no event, and Unavailable when the backlog is full.
    """
    source = await find_source(database, vault, key, now)
    signed = is_signed(source.kind if source else NOBODYS_KIND, source.secrets if source else [NOBODYS], headers, body, now)
    if source is None:
        raise NotFound("There is no such source.")
    belong_to_project(source.tenant.key)
    if not signed:
        raise Unauthenticated("The signature was not accepted.")
    event = read_event(source.kind, headers, body)
    result = mapped(source.mappings, event, now)
    if result.draft is not None:
        door.check_backlog(source.tenant.shard, 1)
    async with tenant_transaction(database, source.tenant.id) as connection:
        outcome = await take(connection, source, event, result, now)
    door.waker.wake(source.tenant.shard)
    return outcome


async def find_source(database: Database, vault: Vault, key: str, now: datetime) -> Source | None:
    """On the system pool: the project is not known before."""
    async with database.system.acquire() as connection:
        row = await connection.fetchrow(FIND, key)
        if row is None:
            return None
        kept = await unseal(vault, connection, row["project"], row["key"], row["secrets"])
    tenant = Tenant(row["project"], row["project_key"], row["shard"])
    counting = valid(kept, row["older_until"], now) or [NOBODYS]
    return Source(row["id"], row["key"], row["kind"], tenant, decoded(row["mappings"]), counting)


async def take(connection: Connection, source: Source, event: Event, result: Mapped, now: datetime) -> Outcome:
    """Publish what the event became, once, in the caller's transaction."""
    row = await claim(connection, source.tenant.id, source.id, event, now)
    if not isinstance(row, int):
        return row
    prepared: list[Prepared] = []
    if result.draft is not None:
        try:
            prepared.append(await addressed(connection, source, result.draft, now))
        except TidingsError as error:
            result = Mapped("failed", result.mapping, reason_of(error))
    await settle(connection, row, result, prepared[0].id if prepared else None)
    # Last, because of the place in the log that it draws.
    await store(connection, source.tenant, prepared)
    PUBLISHED.inc(len(prepared))
    return result.outcome


async def addressed(connection: Connection, source: Source, draft: Draft, now: datetime) -> Prepared:
    """The people named are made where they are new; not so when this fails. Raises NotFound for an unknown topic."""
    async with connection.transaction():
        directory = await look_up(connection, source.tenant.id, {source.actor: [draft]})
        return prepare(draft, resolve(draft, directory), source.actor, now)
