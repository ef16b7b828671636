"""Showing and rotating what signs an endpoint's deliveries."""

from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET

from tidings.access.principals import KeyHolder, Tenant
from tidings.deliveries.connectors.webhook.members import WebhookConfig, WebhookCredentials
from tidings.deliveries.destinations.kinds import ENDPOINT
from tidings.deliveries.destinations.rows import find, locked, tell
from tidings.deliveries.destinations.signing_keys import first_key, rotated, seal, shown, unseal, valid, verifier
from tidings.deliveries.destinations.structs import SHOWN_BEFORE, EndpointSecret, SecretRotated, SecretRotation, ShownKey
from tidings.platform.postgres import Connection
from tidings.vault import Vault

UPDATE = "UPDATE destinations SET secrets = $2, updated_at = now() WHERE id = $1"


async def show_secret(connection: Connection, tenant: Tenant, vault: Vault, key: str, now: datetime) -> EndpointSecret:
    """Raises NotFound."""
    row = await find(connection, ENDPOINT, tenant, key, more=", d.secrets")
    sealed = await unseal(vault, connection, tenant.id, key, row["secrets"])
    signature = msgspec.json.decode(row["config"], type=WebhookConfig).signature
    return EndpointSecret(signature, [ShownKey(shown(one.key), one.until) for one in valid(sealed.signing, now)])


async def rotate_secret(
    connection: Connection, holder: KeyHolder, vault: Vault, key: str, rotation: SecretRotation, now: datetime
) -> SecretRotated:
    """Raises NotFound; Invalid for a secret that cannot be; Conflict when too many keys would sign at once."""
    row = await locked(connection, ENDPOINT, holder.tenant, key)
    sealed = await unseal(vault, connection, holder.tenant.id, key, row["secrets"])
    signature = msgspec.json.decode(row["config"], type=WebhookConfig).signature
    new = first_key(signature, rotation.secret)
    signing = rotated(sealed.signing, new, now, timedelta(seconds=rotation.overlap))
    renewed = WebhookCredentials(signing, sealed.headers)
    await connection.execute(UPDATE, row["id"], await seal(vault, connection, holder.tenant.id, key, renewed))
    await tell(connection, ENDPOINT, holder, "updated", key)
    older_until = max((one.until for one in signing if one.until is not None), default=None)
    return SecretRotated(id=key, older_until=older_until, **verifier(new))


def without_secret(rotated: SecretRotated) -> SecretRotated:
    """As it is kept for a repeated request."""
    if rotated.secret is UNSET:
        return rotated
    return msgspec.structs.replace(rotated, secret=UNSET, note=SHOWN_BEFORE)
