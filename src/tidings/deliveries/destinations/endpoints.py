"""Endpoints: made, read, changed. All inside the caller's tenant transaction; what they share with integrations is in `rows.py`."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from tidings.access.principals import KeyHolder, Tenant
from tidings.deliveries.connectors.webhook.members import WebhookConfig, WebhookCredentials
from tidings.deliveries.destinations.event_types import checked_events
from tidings.deliveries.destinations.kinds import ENDPOINT, WEBHOOK
from tidings.deliveries.destinations.own_headers import checked_headers, merged
from tidings.deliveries.destinations.rows import Content, condition, find, insert, kept, locked, new_key, page, shown, tell, update
from tidings.deliveries.destinations.signing_keys import first_key, seal, unseal, verifier
from tidings.deliveries.destinations.structs import (
    SHOWN_BEFORE,
    EndpointCreated,
    EndpointDetail,
    EndpointInfo,
    EndpointPage,
    EndpointPatch,
    NewEndpoint,
)
from tidings.errors import Invalid
from tidings.outbound.errors import Blocked
from tidings.outbound.networks import Policy
from tidings.outbound.urls import check_url
from tidings.platform.postgres import Connection
from tidings.vault import Vault

# Raises Invalid.
UrlCheck = Callable[[str], None]


async def create_endpoint(connection: Connection, holder: KeyHolder, vault: Vault, check: UrlCheck, wanted: NewEndpoint) -> EndpointCreated:
    """Raises Invalid for a URL, an event, a header or a secret that cannot be."""
    check(wanted.url)
    events, headers = checked_events(wanted.events), checked_headers(wanted.headers)
    signing = first_key(wanted.signature, wanted.secret)
    key = new_key(ENDPOINT)
    config = encoded(WebhookConfig(wanted.url, wanted.signature, list(headers)))
    secrets = await seal(vault, connection, holder.tenant.id, key, WebhookCredentials([signing], headers))
    await insert(connection, holder, key, WEBHOOK, WEBHOOK, Content(config, secrets, events, wanted.order_by), wanted)
    info = info_of(await find(connection, ENDPOINT, holder.tenant, key))
    await tell(connection, ENDPOINT, holder, "created", key)
    return EndpointCreated(**msgspec.structs.asdict(info), **verifier(signing))


def url_check(policy: Policy) -> UrlCheck:
    """What refuses a URL that this deployment does not send to."""

    def check(url: str) -> None:
        try:
            check_url(url, policy)
        except Blocked as error:
            raise Invalid(error.detail, field="url") from None

    return check


def encoded(config: WebhookConfig) -> str:
    return msgspec.json.encode(config).decode()


def without_secret(created: EndpointCreated) -> EndpointCreated:
    """As it is kept for a repeated request. A public key is none."""
    if created.secret is UNSET:
        return created
    return msgspec.structs.replace(created, secret=UNSET, note=SHOWN_BEFORE)


async def get_endpoint(connection: Connection, tenant: Tenant, key: str) -> EndpointDetail:
    """Raises NotFound."""
    row = await find(connection, ENDPOINT, tenant, key)
    return EndpointDetail(**msgspec.structs.asdict(info_of(row)), **await condition(connection, tenant, row))


async def list_endpoints(connection: Connection, tenant: Tenant, after: str | None, limit: int) -> EndpointPage:
    rows, following = await page(connection, ENDPOINT, tenant, after, limit)
    return EndpointPage([info_of(row) for row in rows], following)


async def patch_endpoint(
    connection: Connection, holder: KeyHolder, vault: Vault, check: UrlCheck, key: str, patch: EndpointPatch
) -> EndpointInfo:
    """Raises NotFound, and Invalid as `create_endpoint` does."""
    row = await locked(connection, ENDPOINT, holder.tenant, key)
    config = msgspec.json.decode(row["config"], type=WebhookConfig)
    url = kept(patch.url, config.url)
    if url != config.url:
        check(url)
    secrets, names = row["secrets"], config.headers
    if not isinstance(patch.headers, UnsetType):
        sealed = await unseal(vault, connection, holder.tenant.id, key, secrets)
        headers = {} if patch.headers is None else merged(sealed.headers, patch.headers)
        secrets = await seal(vault, connection, holder.tenant.id, key, WebhookCredentials(sealed.signing, headers))
        names = list(headers)
    events = row["events"] if isinstance(patch.events, UnsetType) else checked_events(patch.events)
    config = WebhookConfig(url, config.signature, names)
    await update(connection, row, Content(encoded(config), secrets, events, kept(patch.order_by, row["order_by"])), patch)
    info = info_of(await find(connection, ENDPOINT, holder.tenant, key))
    await tell(connection, ENDPOINT, holder, "updated", key)
    return info


def info_of(row: Any) -> EndpointInfo:
    config = msgspec.json.decode(row["config"], type=WebhookConfig)
    return EndpointInfo(
        url=config.url,
        events=row["events"],
        order_by=row["order_by"],
        signature=config.signature,
        headers=config.headers,
        **shown(row),
    )
