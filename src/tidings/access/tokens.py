"""Subscriber tokens: JWTs signed with Ed25519, by the deployment or by a project's own servers.

Pure functions over text, keys and times; who a key belongs to and whom a token names is looked up in `cache.py`. Only EdDSA is accepted,
whatever the token's header claims. Times may carry fractions (RFC 7519 §2, NumericDate), and ours do, so that a token made right after
a revocation holds while those before it do not.
"""

import math
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tidings.access.principals import Tenant
from tidings.access.signing import Signer
from tidings.access.structs import MAX_TTL_S
from tidings.errors import Unauthenticated
from tidings.platform.ids import random_id

NAME = "tidings"
ALGORITHM = "EdDSA"
LEEWAY_S = 30
MAX_LENGTH = 4096
KID = re.compile(r"(sk|pk)_[0-9a-z]{16}")
SUBJECT = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


class Header(msgspec.Struct, forbid_unknown_fields=True):
    alg: str
    kid: str
    typ: str | None = None


_header = msgspec.json.Decoder(Header)
_jws = jwt.PyJWS(algorithms=[ALGORITHM])


class VerifyingKey(NamedTuple):
    """tenant: of a project's own key; None for the deployment's."""

    kid: str
    public_key: Ed25519PublicKey
    tenant: Tenant | None


class Claims(msgspec.Struct, frozen=True):
    """What a token says; further claims are ignored. Seconds since 1970."""

    aud: str | list[str]
    project: str
    sub: str
    iat: float
    exp: float
    iss: str | None = None
    nbf: float | None = None


_claims = msgspec.json.Decoder(Claims)


def mint(signer: Signer, tenant: Tenant, external_id: str, ttl_s: int, not_before: float) -> tuple[str, datetime]:
    """A token and when it ends. not_before: the subscriber's last revocation, which a clock that lags must not undercut."""
    issued = max(time.time(), not_before)
    claims = {
        "iss": NAME,
        "aud": NAME,
        "project": tenant.key,
        "sub": external_id,
        "iat": issued,
        "exp": issued + ttl_s,
        "jti": random_id("tok"),
    }
    token = _jws.encode(msgspec.json.encode(claims), signer.private_key, algorithm=ALGORITHM, headers={"kid": signer.kid})
    return token, datetime.fromtimestamp(issued + ttl_s, UTC)


def kid_of(token: str) -> str:
    """Which key is said to have signed it. Raises Unauthenticated for what is no token of this kind."""
    if len(token) > MAX_LENGTH:
        raise refused("malformed", f"A token has at most {MAX_LENGTH} characters.")
    parts = plain_parts(token)
    return parts.kid if parts is not None else kid_of_any(token)


def verify(token: str, key: VerifyingKey) -> Claims:
    """The claims of a token whose signature, audience, life and project are right. Raises Unauthenticated with the reason.

    That it has not ended is for `check_life`, each time it is used.
    """
    parts = plain_parts(token)
    if parts is None:
        payload = payload_of_any(token, key)
    else:
        try:
            key.public_key.verify(parts.signature, parts.signed)
        except InvalidSignature:
            raise refused("signature", "The token's signature is wrong.") from None
        payload = parts.payload
    try:
        claims = _claims.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise refused("claims", f"The token's claims are not as they must be: {error}.") from None
    check_claims(claims, key)
    return claims


# The long way, for any token: PyJWT.


def kid_of_any(token: str) -> str:
    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise refused("malformed", "This is no subscriber token: it cannot be read as a JWT.") from None
    if header.get("alg") != ALGORITHM:
        raise refused("algorithm", f"The token says alg={str(header.get('alg'))[:20]!r}; only {ALGORITHM} (Ed25519) is accepted.")
    kid = header.get("kid")
    if not isinstance(kid, str) or not KID.fullmatch(kid):
        raise refused("unknown_key", "The token's header names no key (`kid`) of this deployment or of a project.")
    return kid


def payload_of_any(token: str, key: VerifyingKey) -> bytes:
    try:
        payload: bytes = _jws.decode(token, key.public_key, algorithms=[ALGORITHM])
    except jwt.InvalidSignatureError:
        raise refused("signature", "The token's signature is wrong.") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise refused("malformed", "This is no subscriber token: it cannot be read as a JWT.") from None
    return payload


# The short way, for what all tokens look like: three segments of clean Base64, and a header that says alg, kid and perhaps typ. PyJWT
# looks at each character in Python, twice: 90 µs a token beside the 130 of its signature. What is not plain goes the long way.


class Parts(NamedTuple):
    """signed: what the signature is of."""

    kid: str
    payload: bytes
    signature: bytes
    signed: bytes


# Asked for twice, by `kid_of` and, when the key is there, by `verify`.
@lru_cache(maxsize=256)
def plain_parts(token: str) -> Parts | None:
    segments = token.split(".")
    if len(segments) != 3:
        return None
    kid = plain_kid(segments[0])
    payload, signature = plain_bytes(segments[1]), plain_bytes(segments[2])
    if kid is None or payload is None or signature is None:
        return None
    return Parts(kid, payload, signature, token[: -len(segments[2]) - 1].encode())


@lru_cache(maxsize=1024)
def plain_kid(segment: str) -> str | None:
    """Of a header; those that one key has signed share theirs."""
    header = plain_bytes(segment)
    try:
        read = _header.decode(header or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return read.kid if read.alg == ALGORITHM and KID.fullmatch(read.kid) else None


def plain_bytes(segment: str) -> bytes | None:
    """None unless it is the one way to write these bytes, without padding."""
    try:
        encoded = segment.encode("ascii")
        read = urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    except ValueError:
        return None
    return read if encoded and urlsafe_b64encode(read).rstrip(b"=") == encoded else None


def check_claims(claims: Claims, key: VerifyingKey) -> None:
    if NAME not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
        raise refused("audience", f"The token is for another audience: aud must be {NAME!r}.")
    if key.tenant is None and claims.iss != NAME:
        raise refused("issuer", f"The token has another issuer: iss must be {NAME!r}.")
    if key.tenant is not None and claims.project != key.tenant.key:
        raise refused("project", "The token names another project than the one its key is registered for.")
    if not SUBJECT.fullmatch(claims.sub):
        raise refused("subject", "sub must be a subscriber's id: 1 to 255 characters, no control characters.")
    if not (math.isfinite(claims.iat) and math.isfinite(claims.exp)) or not 0 <= claims.iat < claims.exp:
        raise refused("claims", "exp must lie after iat.")
    # A little more than 900, because times are floats.
    if claims.exp - claims.iat > MAX_TTL_S + 0.001:
        raise refused("lifetime", f"A token may live {MAX_TTL_S} seconds: exp - iat is {claims.exp - claims.iat:.0f}.")


def check_life(claims: Claims, now: float) -> None:
    """Raises Unauthenticated for one that has ended or has not begun. No leeway at the end: streams end then too."""
    if claims.exp <= now:
        raise refused(
            "expired", f"The token expired at {datetime.fromtimestamp(claims.exp, UTC):%Y-%m-%dT%H:%M:%SZ}; ask your server for a new one."
        )
    if max(claims.iat, claims.nbf or 0) > now + LEEWAY_S:
        raise refused(
            "not_yet_valid",
            f"The token is of the future (iat or nbf is more than {LEEWAY_S} s ahead): check the clock of the server that signed it.",
        )


def refused(reason: str, detail: str) -> Unauthenticated:
    return Unauthenticated(detail, reason=reason)
