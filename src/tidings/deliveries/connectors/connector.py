"""What every connector is. CONTRIBUTING has the checklist for a further one, `tests/connectors/test_contract.py` what all of them pass."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import asyncpg
import msgspec

from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Outbound
from tidings.outbound.networks import Policy
from tidings.vault import Vault


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


class Reach(msgspec.Struct, frozen=True):
    """What a connector works with. pool: of the worker's role.   base_url: where people reach this Tidings."""

    outbound: Outbound
    pool: asyncpg.Pool
    vault: Vault
    base_url: str


class Connector(Protocol):
    """name: as destinations.connector has it.   schedule: seconds from each failed attempt to the next.

    repeats: whether what may have arrived is sent again, because its receiver knows it by its id; otherwise it is held.
    """

    @property
    def name(self) -> str: ...

    @property
    def channel(self) -> Channel: ...

    @property
    def schedule(self) -> Sequence[int]: ...

    @property
    def repeats(self) -> bool: ...

    @property
    def config(self) -> type[msgspec.Struct]:
        """The members of `config`; what may be shown."""

    @property
    def credentials(self) -> type[msgspec.Struct]:
        """The members of `credentials`; what is sealed."""

    def check(self, config: Any, credentials: Any, policy: Policy) -> None:
        """What the types cannot, of both structs. Raises Invalid, naming the member as in `config.url`."""

    @property
    def most_together(self) -> int:
        """How many deliveries `send` takes at once; 1 for nearly all."""

    async def send(self, reach: Reach, destination: Destination, deliveries: Sequence[Claimed]) -> Sequence[Outcome]:
        """Make one attempt of each; their outcomes, in the same order. It never raises for what the far end does: that is an Outcome."""
