"""Message encryption for web push: RFC 8291, with the content encoding aes128gcm of RFC 8188 in a single record."""

import os
import struct

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# What every push service takes (RFC 8291 §4): 4,096 bytes with the header (86), the tag (16) and the delimiter (1).
MOST_PLAIN_BYTES = 3993
RECORD_BYTES = 4096
SALT_BYTES = 16
# After the last record's text.
DELIMITER = b"\x02"


def encrypt(plain: bytes, browser: bytes, auth: bytes) -> bytes:
    """For one message alone.   browser, auth: `p256dh` and `auth` of the subscription."""
    return encrypt_with(generate_private_key(SECP256R1()), os.urandom(SALT_BYTES), plain, browser, auth)


def encrypt_with(own: EllipticCurvePrivateKey, salt: bytes, plain: bytes, browser: bytes, auth: bytes) -> bytes:
    """own, salt: never used again."""
    point = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = own.exchange(ECDH(), EllipticCurvePublicKey.from_encoded_point(SECP256R1(), browser))
    keying = derive(shared, auth, b"WebPush: info\x00" + browser + point, 32)
    key = derive(keying, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = derive(keying, salt, b"Content-Encoding: nonce\x00", 12)
    header = salt + struct.pack("!IB", RECORD_BYTES, len(point)) + point
    return header + AESGCM(key).encrypt(nonce, plain + DELIMITER, None)


def derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)
