"""Servers that Tidings is measured beside, each with the same clients, payload and headers: `async with nchan() as peer`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.client import Source, Target

# Versions of the peers that measures have met, for the head of the table.
met: dict[str, str] = {}


@dataclass(frozen=True)
class Peer:
    """A running peer.

    pids: whose CPU and memory count.   listens, publishes: paths, in which `%%` is the channel's name when there are channels.
    to_port: where it takes publishes.   headers, body: of a publish; `@@` in the body is the payload.
    """

    name: str
    version: str
    port: int
    pids: Sequence[int]
    listens: str
    publishes: str
    to_port: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = "@@"

    def __post_init__(self) -> None:
        met[self.name] = self.version

    def source(self, own_headers: Sequence[str], channels: Sequence[str] = ("all",)) -> Source:
        """own_headers: those of Tidings' streams, so that requests are as long here. They are not looked at."""
        return Source(port=self.port, path=self.listens, own_headers=own_headers, targets=channels)

    def target(self, publishers: int = 4) -> Target:
        return Target(port=self.to_port, path=self.publishes, headers=self.headers, body=self.body, publishers=publishers)
