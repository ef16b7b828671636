"""Whether an event was signed by its service.

    stripe              Stripe-Signature: t=SECONDS,v1=HEX      over SECONDS.BODY
    github              X-Hub-Signature-256: sha256=HEX         over BODY
    standard_webhooks   webhook-id, webhook-timestamp,          over ID.SECONDS.BODY
                        webhook-signature: v1,BASE64 …

Sources: docs.stripe.com/webhooks#verify-manually; docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries;
github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.

All are HMAC-SHA256. Where a time is signed it may differ from ours by 300 s, before or after; GitHub signs none.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from tidings.sources.structs import Kind

TOLERANCE_S = 300
SECONDS = re.compile(r"[0-9]{1,12}")
Headers = Mapping[str, str]


class Claim(msgspec.Struct, frozen=True):
    """What a request says of itself. content: what was signed.   signatures: one of which must be right.

    at_s: when, in seconds since 1970; None where no time is signed.
    """

    content: bytes
    signatures: Sequence[str]
    at_s: int | None


def is_signed(kind: Kind, secrets: Sequence[str], headers: Headers, body: bytes, now: datetime) -> bool:
    """headers: by their names in lower case. The signature is computed in any case, so that the time taken tells nothing."""
    claim = CLAIMS[kind](headers, body)
    expected = [sign(kind, secret, claim.content) for secret in secrets]
    signed = [hmac.compare_digest(one.encode(), given.encode()) for one in expected for given in claim.signatures]
    return any(signed) and (claim.at_s is None or abs(now.timestamp() - claim.at_s) <= TOLERANCE_S)


def stripe_claim(headers: Headers, body: bytes) -> Claim:
    parts = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    at = next((value for name, _, value in parts if name == "t"), "")
    return Claim(f"{at}.".encode() + body, [value for name, _, value in parts if name == "v1"], seconds(at))


def github_claim(headers: Headers, body: bytes) -> Claim:
    return Claim(body, [headers.get("x-hub-signature-256", "")], None)


def standard_claim(headers: Headers, body: bytes) -> Claim:
    identity, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    return Claim(f"{identity}.{at}.".encode() + body, headers.get("webhook-signature", "").split(), seconds(at))


CLAIMS: Mapping[Kind, Callable[[Headers, bytes], Claim]] = {
    "stripe": stripe_claim,
    "github": github_claim,
    "standard_webhooks": standard_claim,
}


def seconds(text: str) -> int:
    """What is no time was long ago."""
    return int(text) if SECONDS.fullmatch(text) else 0


def sign(kind: Kind, secret: str, content: bytes) -> str:
    """As it stands in the header, behind `v1=` for Stripe."""
    if kind == "standard_webhooks":
        return "v1," + base64.b64encode(hmac.digest(raw(secret), content, "sha256")).decode()
    return ("sha256=" if kind == "github" else "") + hmac.digest(secret.encode(), content, "sha256").hex()


def raw(secret: str) -> bytes:
    """With padding or without. Raises ValueError for what is no base64."""
    text = secret.removeprefix("whsec_")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
