"""What the users of one Locust process share: the scenario, where Tidings is, lines and devices, and what time it is in the scenario."""

import itertools
import json
import random
import secrets
import time
from typing import Any
from weakref import WeakKeyDictionary

import gevent.event  # type: ignore[import-untyped]
from locust.env import Environment

from loadtests.scenarios.lines import Device, Line
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.sse import Stream
from loadtests.scenarios.tally import MOST_TOLD, Tally


class Crew:
    """bases, streams: where the API is, and where streams are; users go to the next when one is away.   run: in each name of a line,
    so that what an earlier run left is not taken for ours.   begun: set when everybody listens."""

    def __init__(self, scenario: Scenario, bases: list[str], stream_bases: list[str], key: str) -> None:
        self.scenario = scenario
        self.bases = bases
        self.stream_bases = stream_bases
        self.headers = {"Authorization": f"Bearer {key}"}
        self.run = secrets.token_hex(4)
        self.rng = random.Random()
        self.index = 0
        self.begun = gevent.event.Event()
        self.began_at = 0.0
        self.cpu_began = 0.0
        self.devices: list[Device] = []
        self.listening: set[str] = set()
        self.open: set[Stream] = set()
        self.personal: dict[tuple[int, str], Line] = {}
        self.publishers = itertools.count()
        self.storms = 0
        self.tally = Tally()

    @property
    def topic(self) -> str:
        """Of this process."""
        return f"load-{self.run}"

    @property
    def members(self) -> list[Device]:
        return self.devices[: self.scenario.topic.members] if self.scenario.topic.share else []

    def device(self) -> Device:
        device = Device(f"load-{self.index}-{len(self.devices)}")
        self.devices.append(device)
        return device

    def line_to(self, publisher: int, device: Device) -> Line:
        line = self.personal.get((publisher, device.subscriber))
        if line is None:
            line = self.personal[publisher, device.subscriber] = Line(f"{self.run}/{publisher}/{device.subscriber}")
            device.lines[line.name] = line
        return line

    def line_to_topic(self, publisher: int) -> Line:
        line = Line(f"{self.run}/{publisher}/topic")
        for device in self.members:
            device.lines[line.name] = line
        return line

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began_at

    def begin(self) -> None:
        self.began_at = time.monotonic()
        self.cpu_began = time.process_time()
        self.begun.set()

    def storm(self) -> None:
        """Every stream is cut; whoever listened comes back at once."""
        self.storms += 1
        for stream in list(self.open):
            stream.cut()

    def told(self) -> Tally:
        """What was counted so far."""
        tally = self.tally
        tally.gathered = len(self.listening)
        tally.streams = len(self.open)
        tally.pending = sum(device.missing() for device in self.devices)
        for name in ("duplicates", "out_of_order", "strays", "resets"):
            setattr(tally, name, sum(getattr(device, name) for device in self.devices))
        tally.told = [what for device in self.devices for what in device.told][:MOST_TOLD]
        # While the load is on: settling is idle.
        if self.begun.is_set() and 0 < self.elapsed_s <= self.scenario.seconds:
            tally.cpu = (time.process_time() - self.cpu_began) / self.elapsed_s
        return tally


crews: "WeakKeyDictionary[Environment, Crew]" = WeakKeyDictionary()


def crew_of(environment: Environment) -> Crew:
    return crews[environment]


def body_of(crew: Crew, to: list[Any], line: Line, number: int, sent_at: float) -> str:
    """sent_at: by this process's monotonic clock, which is also the one of whoever receives it."""
    data = {"line": line.name, "number": number, "sent_at": sent_at, "payload": "x" * crew.scenario.payload_bytes}
    return json.dumps({"to": to, "title": f"{line.name}/{number}", "data": data})


def bases_of(text: str) -> list[str]:
    return [base.strip().rstrip("/") for base in text.split(",") if base.strip()]
