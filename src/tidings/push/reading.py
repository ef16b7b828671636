"""What a browser sent, read into what is kept."""

import base64
import hashlib
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

from tidings.access.public_keys import base64url
from tidings.errors import Invalid
from tidings.push.structs import NewSubscription

UNCOMPRESSED = 4


class Read(msgspec.Struct, frozen=True):
    """id: of the endpoint, `psh_…`, the same in every project."""

    id: str
    endpoint: str
    p256dh: bytes
    auth: bytes
    expires_at: datetime | None


def read_subscription(given: NewSubscription) -> Read:
    """Raises Invalid."""
    check_endpoint(given.endpoint)
    expires_at = None if given.expiration_time is None else datetime.fromtimestamp(given.expiration_time / 1000, UTC)
    return Read(id_of(given.endpoint), given.endpoint, point(given.keys.p256dh), decoded(given.keys.auth), expires_at)


def id_of(endpoint: str) -> str:
    """132 bits of a hash, so that the id tells whoever reads it nothing of the endpoint."""
    return "psh_" + base64url(hashlib.sha256(endpoint.encode()).digest())[:22]


def check_endpoint(endpoint: str) -> None:
    """Raises Invalid. That it is https and of plain characters was checked before."""
    try:
        parts = urlsplit(endpoint)
        _ = parts.port  # raises ValueError for what is no port
    except ValueError:
        raise Invalid("This is no URL.", field="endpoint") from None
    if not parts.hostname:
        raise Invalid("This URL names no host.", field="endpoint")
    if "@" in parts.netloc:
        raise Invalid("No push service has a user name in its URL.", field="endpoint")


def point(text: str) -> bytes:
    """Raises Invalid."""
    raw = decoded(text)
    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw)
    except ValueError:
        raise Invalid("This is no point on the curve P-256.", field="keys.p256dh") from None
    if raw[0] != UNCOMPRESSED:
        raise Invalid("This is no uncompressed point.", field="keys.p256dh")
    return raw


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
