"""Track calls in a batch (https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/)."""

import base64
from collections.abc import Sequence

import msgspec

from tidings import __version__
from tidings.deliveries.connectors.analytics.fact import Fact
from tidings.deliveries.connectors.analytics.parts import Limits, Message

# A batch above one of these is answered with 200 and dropped. The bytes leave room for what stands around the events.
LIMITS = Limits(most=2500, most_bytes=500 * 1000 - 100, most_each=32 * 1000)
CONTEXT = {"library": {"name": "tidings", "version": __version__}}


def message_of(fact: Fact, project: str) -> Message:
    """project: its key, which stands for what is of nobody; each call must be of somebody."""
    whose = {"userId": fact.person} if fact.person is not None else {"anonymousId": project}
    track = {"type": "track", "messageId": fact.id, "timestamp": fact.at, "event": fact.name, "properties": fact.properties}
    return Message(fact.id, msgspec.json.encode(track | whose | {"context": CONTEXT}))


def body_of(messages: Sequence[Message]) -> bytes:
    return b'{"batch":[' + b",".join(message.body for message in messages) + b"]}"


def authorization(write_key: str) -> str:
    """The key is the user; there is no password."""
    return "Basic " + base64.b64encode(f"{write_key}:".encode()).decode()
