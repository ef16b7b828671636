"""Signatures of Standard Webhooks 1.0: `v1` is HMAC-SHA256 with a shared secret, `v1a` Ed25519."""

import base64
import hmac
import secrets
from collections.abc import Iterable
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SHARED_PREFIX = "whsec_"
PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"
SECRET_BYTES = 32


def new_secret() -> str:
    return SHARED_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def new_private_key() -> str:
    return PRIVATE_PREFIX + base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def public_key_of(private_key: str) -> str:
    key = Ed25519PrivateKey.from_private_bytes(raw(private_key))
    return PUBLIC_PREFIX + base64.b64encode(key.public_key().public_bytes_raw()).decode()


def signature_header(keys: Iterable[str], identity: str, timestamp_s: int, body: bytes) -> str:
    """`webhook-signature`: one signature for each key, so that a receiver may hold either while they are rotated."""
    content = b"%s.%d.%s" % (identity.encode(), timestamp_s, body)
    return " ".join(signature(key, content) for key in keys)


def signature(key: str, content: bytes) -> str:
    if key.startswith(PRIVATE_PREFIX):
        return "v1a," + base64.b64encode(private_key(key).sign(content)).decode()
    return "v1," + base64.b64encode(hmac.digest(raw(key), content, "sha256")).decode()


# An endpoint is sent to again and again.
@lru_cache(maxsize=1000)
def private_key(key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(raw(key))


@lru_cache(maxsize=1000)
def raw(key: str) -> bytes:
    """Raises ValueError (of which binascii.Error is one) for what is no base64."""
    return base64.b64decode(key.partition("_")[2], validate=True)
