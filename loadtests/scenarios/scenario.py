"""A scenario: who does what, how often, for how long, and what must hold afterwards. Read from a file in `plans/`, and checked."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from loadtests.scenarios.verdict import MEASURED, Bound

PLANS = Path(__file__).with_name("plans")

# Without PostgreSQL nothing is accepted, so it dies less.
WEIGHTS = {"api": 3.0, "sequencer": 4.0, "projections": 2.0, "planner": 2.0, "deliveries": 2.0, "valkey": 3.0, "postgres": 1.5}

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class WrongScenario(Exception):
    """There is none of that name, or its file is wrong; says which member."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Users(Record, frozen=True):
    """How many of each; Locust spreads them over its processes.

    listeners: hold one stream.   reconnecting: leave theirs now and then, and come back with Last-Event-ID.   readers: of inboxes.
    """

    publishers: Annotated[int, Meta(ge=1)]
    listeners: Count
    reconnecting: Count = 0
    readers: Count = 0


class Stage(Record, frozen=True):
    """rate: notifications a second, of all publishers together."""

    seconds: Seconds
    rate: Annotated[float, Meta(ge=0)]


class Topic(Record, frozen=True):
    """share: of what is published; the rest goes to one person each.   members: of each Locust process, as far as it has so many."""

    share: Share = 0.0
    members: Count = 0


class Leaving(Record, frozen=True):
    """Of those who reconnect. stays_s, away_s: from, to."""

    stays_s: tuple[Seconds, Seconds] = (2.0, 10.0)
    away_s: tuple[Seconds, Seconds] = (0.1, 2.0)


class Reading(Record, frozen=True):
    """Of inbox readers. pause_s: from one page to the next, from and to."""

    pause_s: tuple[Seconds, Seconds] = (0.5, 2.0)


class Webhooks(Record, frozen=True):
    """fails: the share of requests that the receiver answers with 500.   schedule: seconds from a failed attempt to the next."""

    fails: Share = 0.1
    schedule: tuple[Annotated[int, Meta(ge=1)], ...] = (1, 1, 2, 2, 4, 4, 8, 8, 15, 15)


class Chaos(Record, frozen=True):
    """Processes are killed. pause_s: between kills; dead_s: until a killed one is started again; both from, to.   weights: by kind."""

    pause_s: tuple[Seconds, Seconds] = (1.0, 4.0)
    dead_s: tuple[Seconds, Seconds] = (0.05, 2.5)
    weights: dict[str, Annotated[float, Meta(gt=0)]] = msgspec.field(default_factory=lambda: dict(WEIGHTS))


class Product(Record, frozen=True):
    """How many processes of each a product of our own has."""

    apis: Annotated[int, Meta(ge=1)] = 1
    sequencers: Annotated[int, Meta(ge=1)] = 1
    planners: Count = 1
    deliveries: Count = 1


class Scenario(Record, frozen=True):
    """storms_s: seconds from the beginning at which every stream is cut, and all come back at once.

    settle_s: how long may be waited, after the last stage, for what has not arrived.
    """

    summary: str
    users: Users
    stages: Annotated[list[Stage], Meta(min_length=1)]
    thresholds: dict[str, Bound]
    payload_bytes: Annotated[int, Meta(ge=0, le=20_000)] = 250
    topic: Topic = Topic()
    leaving: Leaving = Leaving()
    reading: Reading = Reading()
    webhooks: Webhooks | None = None
    storms_s: list[Seconds] = []
    chaos: Chaos | None = None
    product: Product = Product()
    gather_s: Seconds = 60
    settle_s: Seconds = 30

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def planned(self) -> float:
        """Notifications that its stages ask for."""
        return sum(stage.seconds * stage.rate for stage in self.stages)

    @property
    def streams(self) -> int:
        return self.users.listeners + self.users.reconnecting

    def next_due(self, after_s: float, draw: float) -> float:
        """When a publisher sends again, in seconds since the beginning; not before the end when it is done.

        draw: how much it waits, 1 on average. A wait passes through stages at the rate of each, so that one begun at a low rate does not
        outlast a spike.
        """
        left, began = draw * self.users.publishers, 0.0
        for stage in self.stages:
            ends = began + stage.seconds
            if after_s < ends:
                due = (ends - after_s) * stage.rate
                if stage.rate and left <= due:
                    return after_s + left / stage.rate
                left, after_s = left - due, ends
            began = ends
        return began


def known() -> list[str]:
    return sorted(path.stem for path in PLANS.glob("*.toml"))


def load(name: str) -> Scenario:
    """The scenario of a name, or of a file. Raises WrongScenario."""
    path = Path(name) if name.endswith(".toml") else PLANS / f"{name}.toml"
    if not path.is_file():
        raise WrongScenario(f"there is no scenario {name!r}; there are {', '.join(known())}, and files that end in .toml")
    try:
        return checked(msgspec.toml.decode(path.read_bytes(), type=Scenario))
    except msgspec.DecodeError as error:
        raise WrongScenario(f"{path.name}: {error}") from None


def checked(scenario: Scenario) -> Scenario:
    """What the types cannot say."""
    if unknown := scenario.thresholds.keys() - MEASURED.keys():
        raise msgspec.ValidationError(f"thresholds.{min(unknown)}: is not measured; there are {', '.join(MEASURED)}")
    if not scenario.thresholds:
        raise msgspec.ValidationError("thresholds: nothing could fail")
    if scenario.topic.share and not scenario.topic.members:
        raise msgspec.ValidationError("topic.members: nobody would get it")
    if scenario.storms_s and max(scenario.storms_s) >= scenario.seconds:
        raise msgspec.ValidationError(f"storms_s: the last stage ends after {scenario.seconds:g} s")
    return scenario
