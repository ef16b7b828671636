"""A message of SNS over HTTPS, and the signature that proves it is one.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import re
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from tidings.errors import Forbidden, Malformed, Unavailable
from tidings.outbound.client import Outbound
from tidings.outbound.errors import OutboundFailed

Type = Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
# Whoever could name another place would sign with a key of their own.
CERTIFICATE = re.compile(r"https://sns\.[a-z0-9-]{1,30}\.amazonaws\.com(\.cn)?/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem")
CONFIRMATION = re.compile(r"https://sns\.[a-z0-9-]{1,30}\.amazonaws\.com(\.cn)?/\?Action=ConfirmSubscription&[!-~]{1,2000}")
# SignatureVersion 1 is SNS's default still.
HASHES = {"1": SHA1, "2": SHA256}
KEPT = 16


class Envelope(msgspec.Struct, frozen=True, rename="pascal"):
    """message: what was published.   subscribe_url: to be asked for once, to take what the topic sends."""

    type: Type
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: Literal["1", "2"]
    signature: str
    certificate_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(default=None, name="SubscribeURL")


class Certificates:
    """The keys that SNS signs with, as they were fetched: it changes them about once a year, under another URL."""

    def __init__(self) -> None:
        self.known: dict[str, RSAPublicKey] = {}

    async def key_at(self, url: str, outbound: Outbound) -> RSAPublicKey:
        """Raises Forbidden for what is no URL of SNS, and Unavailable when it cannot be fetched: SNS comes again."""
        if not CERTIFICATE.fullmatch(url):
            raise Forbidden("SigningCertURL is not of SNS.")
        if url not in self.known:
            if len(self.known) >= KEPT:
                self.known.clear()
            self.known[url] = await fetch_key(url, outbound)
        return self.known[url]


async def fetch_key(url: str, outbound: Outbound) -> RSAPublicKey:
    try:
        answer = await outbound.request("GET", url)
        key = x509.load_pem_x509_certificate(answer.body).public_key()
    except (OutboundFailed, ValueError):
        raise Unavailable("The certificate of SNS could not be had.", retry_after=10) from None
    if not isinstance(key, RSAPublicKey):
        raise Forbidden("The certificate of SNS has no RSA key.")
    return key


def read_envelope(body: bytes) -> Envelope:
    """Raises Malformed."""
    try:
        return msgspec.json.decode(body, type=Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(f"This is no message of SNS: {error}.") from None


def verify(envelope: Envelope, key: RSAPublicKey) -> None:
    """Raises Forbidden."""
    try:
        signature = base64.b64decode(envelope.signature, validate=True)
        # SHA-1 is what version 1 is; forging one would take a second preimage, which nobody can.
        key.verify(signature, signed_text(envelope).encode(), PKCS1v15(), HASHES[envelope.signature_version]())
    except (InvalidSignature, ValueError):
        raise Forbidden("The signature of SNS does not verify.") from None


def signed_text(envelope: Envelope) -> str:
    fields: dict[str, str | None] = {"Message": envelope.message, "MessageId": envelope.message_id}
    if envelope.type == "Notification":
        fields |= {"Subject": envelope.subject}
    else:
        fields |= {"SubscribeURL": envelope.subscribe_url}
    fields |= {"Timestamp": envelope.timestamp}
    if envelope.type != "Notification":
        fields |= {"Token": envelope.token}
    fields |= {"TopicArn": envelope.topic_arn, "Type": envelope.type}
    return "".join(f"{name}\n{value}\n" for name, value in fields.items() if value is not None)
