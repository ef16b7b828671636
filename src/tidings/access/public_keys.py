"""Ed25519 public keys with which a project's own servers sign subscriber tokens."""

import base64
import binascii

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tidings.access.principals import KeyHolder
from tidings.access.structs import NewPublicKey, OctetKeyPair, PublicKeyInfo, PublicKeys
from tidings.access.tables import PublicKey
from tidings.errors import Conflict, Invalid, NotFound
from tidings.events.entry import NewEvent
from tidings.events.outbox import append
from tidings.platform.ids import random_id
from tidings.platform.postgres import Connection

MAX_PUBLIC_KEYS = 20
INSERT = "INSERT INTO public_keys (kid, project, public_key, name, created_by) VALUES ($1, $2, $3, $4, $5) RETURNING created_at"


def read_public_key(given: str | OctetKeyPair) -> bytes:
    """The 32 bytes of a PEM, a JWK or base64url text. Raises Invalid."""
    if isinstance(given, OctetKeyPair):
        if given.d is not msgspec.UNSET:
            raise Invalid(
                "This JWK holds a private key (`d`). It must stay on your servers; send the public half, and replace this one.",
                field="public_key",
            )
        return checked(from_base64url(given.x))
    if "-----BEGIN" in given:
        return from_pem(given)
    return checked(from_base64url(given.strip()))


def from_pem(text: str) -> bytes:
    if "PRIVATE" in text:
        raise Invalid(
            "This is a private key. It must stay on your servers; send the public half, and replace this one.", field="public_key"
        )
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid(
            "The PEM cannot be read; an Ed25519 public key is made by `openssl pkey -in key.pem -pubout`.", field="public_key"
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise Invalid("Only Ed25519 keys are accepted: `openssl genpkey -algorithm ed25519` makes one.", field="public_key")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def from_base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("This is neither a PEM nor base64url.", field="public_key") from None


def checked(raw: bytes) -> bytes:
    if len(raw) != 32:
        raise Invalid(f"An Ed25519 public key has 32 bytes; this has {len(raw)}.", field="public_key")
    return raw


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def add_public_key(connection: Connection, holder: KeyHolder, wanted: NewPublicKey) -> PublicKeyInfo:
    """Raises Invalid for what is no Ed25519 public key, Conflict past 20 of them."""
    raw, tenant, kid = read_public_key(wanted.public_key), holder.tenant, random_id("pk")
    standing = await connection.fetchval("SELECT count(*) FROM public_keys WHERE project = $1 AND revoked_at IS NULL", tenant.id)
    if standing >= MAX_PUBLIC_KEYS:
        raise Conflict(f"A project has at most {MAX_PUBLIC_KEYS} public keys; revoke one first.")
    created_at = await connection.fetchval(INSERT, kid, tenant.id, raw, wanted.name, holder.actor)
    await append(connection, [public_key_event(holder, "public_key.added", kid)])
    return PublicKeyInfo(kid=kid, name=wanted.name, x=base64url(raw), created_by=holder.actor, created_at=created_at, revoked_at=None)


async def revoke_public_key(connection: Connection, holder: KeyHolder, kid: str) -> bool:
    """End it now, and all tokens it signed. False when it was revoked before. Raises NotFound."""
    tenant = holder.tenant
    row = await connection.fetchrow("SELECT revoked_at FROM public_keys WHERE project = $1 AND kid = $2 FOR UPDATE", tenant.id, kid)
    if row is None:
        raise NotFound(f"There is no public key {kid[:80]!r}.")
    if row["revoked_at"] is not None:
        return False
    await connection.execute("UPDATE public_keys SET revoked_at = now() WHERE project = $1 AND kid = $2", tenant.id, kid)
    await append(connection, [public_key_event(holder, "public_key.revoked", kid)])
    return True


def public_key_event(holder: KeyHolder, kind: str, kid: str) -> NewEvent:
    data = msgspec.json.encode({"kid": kid}).decode()
    return NewEvent(project=holder.tenant.id, shard=holder.tenant.shard, type=kind, data=data, actor=holder.actor)


async def list_public_keys(project: int) -> PublicKeys:
    """Inside a tenant transaction; newest first. Revoked ones are shown while they are among the newest hundred."""
    rows = await PublicKey.select().where(PublicKey.project == project).order_by(PublicKey.created_at, ascending=False).limit(100)
    return PublicKeys([msgspec.convert(row | {"x": base64url(row["public_key"])}, PublicKeyInfo) for row in rows])
