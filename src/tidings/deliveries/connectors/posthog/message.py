"""Events in a batch (https://posthog.com/docs/api/capture). PostHog keeps one of those with the same uuid, name, time and person."""

from collections.abc import Sequence

import msgspec

from tidings import __version__
from tidings.deliveries.connectors.analytics.fact import Fact
from tidings.deliveries.connectors.analytics.parts import Limits, Message

# 20 MB are taken. A thousand of ours have some 400 KB.
LIMITS = Limits(most=1000, most_bytes=10_000_000, most_each=1_000_000)
# The address that a request comes from is ours, and says nothing of where people are.
ALWAYS = {"$lib": "tidings", "$lib_version": __version__, "$geoip_disable": True}


def message_of(fact: Fact, project: str) -> Message:
    """project: its key, which stands for what is of nobody; no profile is made of it."""
    profile = {} if fact.person is not None else {"$process_person_profile": False}
    event = {
        "event": fact.name,
        "uuid": fact.id,
        "timestamp": fact.at,
        "distinct_id": project if fact.person is None else fact.person,
        "properties": fact.properties | ALWAYS | profile,
    }
    return Message(fact.id, msgspec.json.encode(event))


def body_of(api_key: str, messages: Sequence[Message]) -> bytes:
    return msgspec.json.encode({"api_key": api_key, "batch": [msgspec.Raw(message.body) for message in messages]})
