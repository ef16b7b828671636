"""A connector that is none: what an integration of any connector is checked and kept as."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.errors import Blocked
from tidings.outbound.networks import Policy
from tidings.outbound.urls import check_url


class PretendedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    options: dict[str, str] = {}


class PretendedCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, Meta(min_length=8)]
    kind: Literal["user", "robot"] = "robot"


class Pretended:
    schedule = (1, 2)
    repeats = False
    most_together = 1
    config = PretendedConfig
    credentials = PretendedCredentials

    def __init__(self, name: str, channel: Channel) -> None:
        self.name = name
        self.channel = channel

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        try:
            check_url(config.url, policy)
        except Blocked as error:
            raise Invalid(error.detail, field="config.url") from None
        if config.options.get("as") == "user" and credentials.kind != "user":
            raise Invalid("A robot cannot send as a user.", field="config.options")

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        raise AssertionError("nothing is sent here")
