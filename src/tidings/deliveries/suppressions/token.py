"""What a message carries so that its reader can unsubscribe without signing in.

Project, subscriber and channel with a MAC under the deployment's secret: nobody can make one for somebody else (RFC 8058 §6 asks for that),
and nothing has to be kept. It does not expire, since mail is read years later, and can do nothing but unsubscribe.
"""

import base64
import hmac
import struct

import msgspec

from tidings.deliveries.suppressions.structs import SuppressedChannel
from tidings.platform.secrets import keyed_hash

PURPOSE = "unsubscribe"
FIELDS = struct.Struct(">IQB")
MAC_BYTES = 16
# In letters that were sent: a number is never given another meaning.
NUMBERS: dict[SuppressedChannel, int] = {"email": 1, "sms": 2, "push": 3}
CHANNELS = {number: channel for channel, number in NUMBERS.items()}


class Unsubscriber(msgspec.Struct, frozen=True):
    """Who does not want what. subscriber: the inner id."""

    project: int
    subscriber: int
    channel: SuppressedChannel


def token_of(who: Unsubscriber) -> str:
    fields = FIELDS.pack(who.project, who.subscriber, NUMBERS[who.channel])
    return base64.urlsafe_b64encode(fields + mac(fields)).rstrip(b"=").decode()


def read_token(token: str) -> Unsubscriber | None:
    """None for what this deployment never made."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    fields, given = raw[: FIELDS.size], raw[FIELDS.size :]
    if len(fields) < FIELDS.size or not hmac.compare_digest(given, mac(fields)):
        return None
    project, subscriber, number = FIELDS.unpack(fields)
    return Unsubscriber(project, subscriber, CHANNELS[number])


def mac(fields: bytes) -> bytes:
    return keyed_hash(PURPOSE, fields)[:MAC_BYTES]
