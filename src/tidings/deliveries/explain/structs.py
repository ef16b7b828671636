"""What goes over the wire about explanations."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Verdict = Literal["delivered", "on_its_way", "not_sent", "failed", "taken_back"]


class Reason(msgspec.Struct, frozen=True):
    """One step. at: when it happened, where that is known.   says: what it means, in a sentence."""

    step: Annotated[str, Meta(examples=["audience"])]
    says: Annotated[str, Meta(examples=["alice was named in the audience."])]
    at: datetime | None = None


class ChannelStory(msgspec.Struct, frozen=True):
    """What became of it in one channel. destination: the endpoint or integration, if there is one.   delivery: its id in the ledger."""

    channel: str
    verdict: Verdict
    steps: list[Reason]
    destination: str | None = None
    delivery: str | None = None


class Explanation(msgspec.Struct, frozen=True):
    """The story of a notification and a person. Webhooks, analytics and rooms are told once a notification, not once a person."""

    notification: str
    subscriber: str
    channels: list[ChannelStory]
