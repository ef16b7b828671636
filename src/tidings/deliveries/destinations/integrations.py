"""Integrations: destinations of every connector but webhook. All inside the caller's tenant transaction; what they share with endpoints is
in `rows.py`.
"""

from typing import Any

import msgspec
from msgspec import UnsetType

from tidings.access.principals import KeyHolder, Tenant
from tidings.deliveries.connectors.connector import Connector
from tidings.deliveries.connectors.registry import CONNECTORS
from tidings.deliveries.destinations.connectors import chosen
from tidings.deliveries.destinations.event_types import checked_events
from tidings.deliveries.destinations.integration_structs import (
    IntegrationDetail,
    IntegrationInfo,
    IntegrationPage,
    IntegrationPatch,
    NewIntegration,
)
from tidings.deliveries.destinations.kinds import INTEGRATION
from tidings.deliveries.destinations.members import Members, MembersCheck
from tidings.deliveries.destinations.rows import (
    Content,
    condition,
    find,
    insert,
    kept,
    locked,
    new_key,
    page,
    place_of,
    shown,
    tell,
    update,
)
from tidings.deliveries.ledger.channels import BY_FILTER
from tidings.errors import Conflict, Invalid
from tidings.platform.postgres import Connection
from tidings.recipients.subscribers import merge_patch
from tidings.vault import Vault

USUAL_EVENTS = ["notification.*", "inbox.*", "delivery.*"]


async def create_integration(
    connection: Connection, holder: KeyHolder, vault: Vault, check: MembersCheck, wanted: NewIntegration
) -> IntegrationInfo:
    """Raises Invalid, naming the member."""
    connector = chosen(wanted.connector)
    members = check(connector, wanted.config, wanted.credentials)
    events = events_for(connector, wanted.events)
    key = new_key(INTEGRATION)
    secrets = await seal(vault, connection, holder.tenant.id, key, members.credentials)
    await insert(connection, holder, key, connector.name, connector.channel, Content(encoded(members.config), secrets, events), wanted)
    info = info_of(await find(connection, INTEGRATION, holder.tenant, key))
    await tell(connection, INTEGRATION, holder, "created", key)
    return info


def events_for(connector: Connector, wanted: list[str] | None) -> list[str]:
    """None for channels that get notifications by what these and their categories say. Raises Invalid."""
    if connector.channel in BY_FILTER:
        return checked_events(USUAL_EVENTS if wanted is None else wanted)
    if wanted is not None:
        raise Invalid(f"{connector.name} gets the notifications that go through {connector.channel}; leave events out.", field="events")
    return []


async def get_integration(connection: Connection, tenant: Tenant, key: str) -> IntegrationDetail:
    """Raises NotFound."""
    row = await find(connection, INTEGRATION, tenant, key)
    return IntegrationDetail(**msgspec.structs.asdict(info_of(row)), **await condition(connection, tenant, row))


async def list_integrations(connection: Connection, tenant: Tenant, after: str | None, limit: int) -> IntegrationPage:
    rows, following = await page(connection, INTEGRATION, tenant, after, limit)
    return IntegrationPage([info_of(row) for row in rows], following)


async def patch_integration(
    connection: Connection, holder: KeyHolder, vault: Vault, check: MembersCheck, key: str, patch: IntegrationPatch
) -> IntegrationInfo:
    """Raises NotFound; Conflict when this version lacks its connector; Invalid as `create_integration` does."""
    row = await locked(connection, INTEGRATION, holder.tenant, key)
    connector = CONNECTORS.get(row["connector"])
    if connector is None:
        raise Conflict(f"This version of Tidings has no connector {row['connector']!r}.")
    config, secrets, events = row["config"], row["secrets"], row["events"]
    if not (isinstance(patch.config, UnsetType) and isinstance(patch.credentials, UnsetType)):
        sealed = await vault.open(connection, holder.tenant.id, place_of(key), secrets)
        members = changed(connector, config, sealed, patch, check)
        config, secrets = encoded(members.config), await seal(vault, connection, holder.tenant.id, key, members.credentials)
    if not isinstance(patch.events, UnsetType):
        events = events_for(connector, patch.events)
    await update(connection, row, Content(config, secrets, events, row["order_by"]), patch)
    info = info_of(await find(connection, INTEGRATION, holder.tenant, key))
    await tell(connection, INTEGRATION, holder, "updated", key)
    return info


def changed(connector: Connector, config: str, credentials: bytes, patch: IntegrationPatch, check: MembersCheck) -> Members:
    """Also what stays is checked again: it may not go with what is new, or with what this deployment allows by now."""
    return check(
        connector,
        merge_patch(msgspec.json.decode(config), kept(patch.config, {})),
        merge_patch(msgspec.json.decode(credentials), kept(patch.credentials, {})),
    )


async def seal(vault: Vault, connection: Connection, project: int, key: str, credentials: msgspec.Struct) -> bytes:
    return await vault.seal(connection, project, place_of(key), msgspec.json.encode(credentials))


def encoded(config: msgspec.Struct) -> str:
    return msgspec.json.encode(config).decode()


def info_of(row: Any) -> IntegrationInfo:
    return IntegrationInfo(
        connector=row["connector"],
        channel=row["channel"],
        config=msgspec.json.decode(row["config"]),
        events=row["events"] if row["channel"] in BY_FILTER else None,
        in_use=row["in_use"],
        **shown(row),
    )
