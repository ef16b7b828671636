"""The keys that sign what an endpoint gets (Standard Webhooks), and how they and its headers are sealed.

    v1    whsec_BASE64   24 to 64 bytes, shared with the receiver
    v1a   whsk_BASE64    the private key of a pair, which never leaves; the receiver has the public one, whpk_BASE64

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme".
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tidings.deliveries.connectors.webhook.members import Signature, SigningKey, WebhookCredentials
from tidings.deliveries.connectors.webhook.signing import PRIVATE_PREFIX, SHARED_PREFIX, new_private_key, new_secret, public_key_of, raw
from tidings.deliveries.destinations.rows import place_of
from tidings.errors import Conflict, Invalid
from tidings.platform.postgres import Connection
from tidings.vault import Vault

# Of a secret that a project brings along (Standard Webhooks).
LEAST_BYTES, MOST_BYTES = 24, 64
# Each of them adds a signature to the header of every request.
MOST_AT_ONCE = 5


def first_key(signature: Signature, own: str | None) -> SigningKey:
    """own: a secret that the receiver has already. Raises Invalid."""
    if own is None:
        return SigningKey(new_private_key() if signature == "v1a" else new_secret())
    if signature == "v1a":
        raise Invalid("An endpoint that is signed for with v1a has a key pair, which is made here; leave the secret out.", field="secret")
    check_secret(own)
    return SigningKey(own)


def check_secret(secret: str) -> None:
    try:
        size = len(raw(secret)) if secret.startswith(SHARED_PREFIX) else 0
    except ValueError:
        size = 0
    if not LEAST_BYTES <= size <= MOST_BYTES:
        raise Invalid(f"A secret is {SHARED_PREFIX} and the base64 of {LEAST_BYTES} to {MOST_BYTES} random bytes.", field="secret")


def shown(key: str) -> str:
    """What the receiver needs of it."""
    return public_key_of(key) if key.startswith(PRIVATE_PREFIX) else key


def verifier(signing: SigningKey) -> dict[str, Any]:
    """What the receiver needs of it, by the name that an answer gives it."""
    return {"public_key" if signing.key.startswith(PRIVATE_PREFIX) else "secret": shown(signing.key)}


def valid(signing: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
    """Those that sign at this time."""
    return [one for one in signing if one.until is None or one.until > now]


def rotated(signing: Sequence[SigningKey], new: SigningKey, now: datetime, overlap: timedelta) -> list[SigningKey]:
    """The new key in front; every other signs until the overlap ends, or its own end comes. Raises Conflict when too many would."""
    ends = now + overlap
    kept = valid([SigningKey(one.key, min(one.until or ends, ends)) for one in signing], now)
    if len(kept) >= MOST_AT_ONCE:
        raise Conflict(f"{len(kept)} older keys still sign; wait until one of them ends, or rotate with a shorter overlap.")
    return [new, *kept]


async def seal(vault: Vault, connection: Connection, project: int, endpoint: str, content: WebhookCredentials) -> bytes:
    return await vault.seal(connection, project, place_of(endpoint), msgspec.json.encode(content))


async def unseal(vault: Vault, connection: Connection, project: int, endpoint: str, sealed: bytes) -> WebhookCredentials:
    """Raises CannotOpen."""
    return msgspec.json.decode(await vault.open(connection, project, place_of(endpoint), sealed), type=WebhookCredentials)
