"""A push service and the browsers behind it: it looks at what a service may look at, and only a browser reads what is inside."""

import hashlib
import hmac
import json
import re
import secrets
import struct
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connectors.far_end import Got

VAPID = re.compile(r"vapid t=([A-Za-z0-9_.-]+), k=([A-Za-z0-9_-]+)")


def base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Browser:
    """status: what the push service answers for it; 201 is that it passed the message on."""

    name: str
    status: int = 201
    answer: dict[str, str] = field(default_factory=dict)
    private_key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    auth: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    shown: list[Any] = field(default_factory=list)

    @property
    def p256dh(self) -> bytes:
        return self.private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def read(self, body: bytes) -> bytes:
        """The receiving half of RFC 8291, by the texts of it and RFC 8188 and 5869."""
        salt, (record_size, length) = body[:16], struct.unpack("!IB", body[16:21])
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert length == 65
        assert 17 < len(record) <= record_size
        shared = self.private_key.exchange(ECDH(), EllipticCurvePublicKey.from_encoded_point(SECP256R1(), sender))
        keying = expand(shared, self.auth, b"WebPush: info\x00" + self.p256dh + sender, 32)
        key = expand(keying, salt, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = expand(keying, salt, b"Content-Encoding: nonce\x00", 12)
        padded = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\x00")
        assert padded.endswith(b"\x02"), "the last record ends with 2"
        return padded[:-1]


def expand(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    extracted = hmac.digest(salt, secret, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)[:length]


class PushService:
    """`judge` is for a FarEnd. public_key: what the browsers have subscribed with.   url: its own, once it is there."""

    def __init__(self, public_key: bytes) -> None:
        self.public_key = public_key
        self.url = ""
        self.browsers: dict[str, Browser] = {}

    def judge(self, got: Got) -> web.Response:
        """By RFC 8030 §5, RFC 8291 §4 and RFC 8292 §4.2."""
        browser = self.browsers.get(got.path)
        if browser is None:
            return web.Response(status=404)
        if not self.is_authorized(got.headers["authorization"]):
            return web.Response(status=403)
        if len(got.body) > 4096:
            return web.Response(status=413)
        if not self.is_well_formed(got.headers):
            return web.Response(status=400)
        if browser.status == 201:
            browser.shown.append(json.loads(browser.read(got.body)))
        return web.Response(status=browser.status, headers=browser.answer)

    def is_authorized(self, header: str) -> bool:
        found = VAPID.fullmatch(header)
        if found is None or from_base64url(found[2]) != self.public_key:
            return False
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), self.public_key)
        claims = jwt.decode(found[1], key, algorithms=["ES256"], audience=self.url)
        return bool(claims["exp"] <= time.time() + 86_400 and claims["sub"].startswith(("mailto:", "https://")))

    def is_well_formed(self, headers: dict[str, str]) -> bool:
        topic = headers.get("topic", "x")
        return (
            headers["content-encoding"] == "aes128gcm"
            and headers["ttl"].isdecimal()
            and headers["urgency"] in ("very-low", "low", "normal", "high")
            and re.fullmatch(r"[A-Za-z0-9_-]{1,32}", topic) is not None
        )
