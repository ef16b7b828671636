"""What every connector is, see CONTRIBUTING for how to add one."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Outbound


class Destination(msgspec.Struct, frozen=True):
    """Where it goes. config: what may be shown.   secrets: opened; never stored, logged or told.   schedule: seconds, None for the
    connector's own.
    """

    id: int
    key: str
    project: int
    project_key: str
    shard: int
    connector: str
    config: Mapping[str, Any]
    secrets: Mapping[str, Any]
    schedule: Sequence[int] | None


class Connector(Protocol):
    """name: as destinations.connector has it.   schedule: seconds from each failed attempt to the next."""

    @property
    def name(self) -> str: ...

    @property
    def schedule(self) -> Sequence[int]: ...

    async def send(self, outbound: Outbound, destination: Destination, delivery: Claimed) -> Outcome:
        """Make one attempt. It never raises for what the far end does: that is an Outcome."""
