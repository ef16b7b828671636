"""What goes over the wire about keys and tokens."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.access.scopes import Scope

DAY_S = 86_400
MAX_TTL_S = 900
SHOWN_ONCE = "The secret was shown once, in the first answer to this Idempotency-Key, and is not kept."

# No control characters; the look-ahead refuses the line break that `$` would allow at the end.
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)", examples=["Backend, production"])]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An API key to create."""

    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=20, examples=[["notifications:write", "subscribers:write"]])]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """overlap: seconds for which the old key still works."""

    overlap: Annotated[int, Meta(ge=0, le=30 * DAY_S, description="Seconds for which the old key still works; 0 ends it now.")] = DAY_S


class KeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, without its secret. prefix: its first characters, to recognise it by."""

    key: Annotated[str, Meta(examples=["key_7k2m9x4bq1v8z3dw"])]
    name: str
    prefix: Annotated[str, Meta(examples=["tdk_9fK2xQ"])]
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    replaced_by: str | None
    created_by: str
    created_at: datetime


class KeyCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A new API key. secret: shown in this answer only; left out, with a note, when the answer is replayed."""

    key: Annotated[str, Meta(examples=["key_7k2m9x4bq1v8z3dw"])]
    name: str
    prefix: str
    scopes: list[str]
    expires_at: datetime | None
    created_at: datetime
    secret: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


class KeyPage(msgspec.Struct, frozen=True):
    items: list[KeyInfo]
    next: str | None


class OctetKeyPair(msgspec.Struct, frozen=True):
    """An Ed25519 public key as a JWK (RFC 8037). Other members, as `kid`, are ignored. A private key is refused."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Annotated[str, Meta(min_length=43, max_length=44, examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])]
    d: Any = UNSET


class NewPublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A public key with whose private half your own servers sign subscriber tokens."""

    name: Name
    public_key: Annotated[str, Meta(min_length=43, max_length=1000, description="PEM, or the 32 bytes as base64url.")] | OctetKeyPair


class PublicKeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """kid: put it into the header of the tokens you sign. x: the key, base64url."""

    kid: Annotated[str, Meta(examples=["pk_4c9hqv2m7x1zk8bd"])]
    name: str
    x: str
    created_by: str
    created_at: datetime
    revoked_at: datetime | None


class PublicKeys(msgspec.Struct, frozen=True):
    items: list[PublicKeyInfo]
    next: str | None = None


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """ttl: seconds."""

    ttl: Annotated[int, Meta(ge=1, le=MAX_TTL_S, description="Seconds for which the token holds.")] = MAX_TTL_S


class TokenCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A subscriber token, for the browser of one person. Left out, with a note, when the answer is replayed."""

    expires_at: datetime
    token: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


class TokensRevoked(msgspec.Struct, frozen=True):
    """Tokens issued before this time are refused; open streams that rest on one end within a second."""

    valid_after: datetime


class JsonWebKey(msgspec.Struct, frozen=True, kw_only=True):
    kty: str = "OKP"
    crv: str = "Ed25519"
    use: str = "sig"
    alg: str = "EdDSA"
    kid: str
    x: str


class JsonWebKeys(msgspec.Struct, frozen=True):
    """RFC 7517."""

    keys: list[JsonWebKey]
