"""Events of an import (https://docs.mixpanel.com/reference/import-events). Mixpanel keeps one of those with the same `$insert_id`, name,
time and person.
"""

import base64
from collections.abc import Sequence

import msgspec

from tidings.deliveries.connectors.analytics.fact import Fact
from tidings.deliveries.connectors.analytics.parts import Limits, Message

# Its reference says 10 MB, while its own example of a refusal says 2 MiB.
LIMITS = Limits(most=2000, most_bytes=2_000_000, most_each=1_000_000)


def message_of(fact: Fact) -> Message:
    """An empty distinct_id is Mixpanel's way to say that it is of nobody."""
    own = {"time": int(fact.at.timestamp() * 1000), "distinct_id": fact.person or "", "$insert_id": fact.id}
    return Message(fact.id, msgspec.json.encode({"event": fact.name, "properties": fact.properties | own}))


def body_of(messages: Sequence[Message]) -> bytes:
    return b"[" + b",".join(message.body for message in messages) + b"]"


def authorization(user: str, password: str) -> str:
    """A service account and its secret, or a project's token and nothing."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
