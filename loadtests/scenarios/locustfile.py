"""What Locust loads, on the master, on workers and where it is both. Settings come from the environment (README.md), and go no further."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import locust.runners
import msgspec
from locust import LoadTestShape, events
from locust.env import Environment
from locust.event import EventHook
from locust.runners import MasterRunner, WorkerRunner

from loadtests.scenarios.conductor import Conductor, tally_of
from loadtests.scenarios.crew import Crew, bases_of, crews
from loadtests.scenarios.environment import needed, setting
from loadtests.scenarios.listeners import Listener, Reconnecting
from loadtests.scenarios.scenario import load
from loadtests.scenarios.users import Publisher, Reader, wanted
from loadtests.scenarios.webhooks import Hook

__all__ = ["Conducted", "Listener", "Publisher", "Reader", "Reconnecting"]

# Phases change when the numbers say so.
locust.runners.WORKER_REPORT_INTERVAL = 1.0
# A worker whose processor others use is late, not gone. It was, for 5 s.
locust.runners.HEARTBEAT_LIVENESS = 60
SPAWNED_A_SECOND = 100.0

conductors: dict[Environment, Conductor] = {}


class Conducted(LoadTestShape):
    """All users at once, and the end when the conductor says so."""

    def tick(self) -> tuple[int, float] | None:
        assert self.runner is not None
        conductor = conductors[self.runner.environment]
        users = conductor.scenario.users
        goes_on = conductor.tick()
        return (users.publishers + users.listeners + users.reconnecting + users.readers, SPAWNED_A_SECOND) if goes_on else None


def prepare(environment: Environment, **_: Any) -> None:
    scenario = load(needed("LOAD_SCENARIO"))
    environment.user_classes = wanted(scenario.users)
    bases = bases_of(needed("LOAD_BASES"))
    crew = Crew(scenario, bases, bases_of(setting("LOAD_STREAMS")) or bases, needed("LOAD_KEY"))
    runner = environment.runner
    assert runner is not None
    if not isinstance(runner, MasterRunner):
        join(environment, crew)
    if not isinstance(runner, WorkerRunner):
        conduct(environment, crew, None if isinstance(runner, MasterRunner) else crew)


def join(environment: Environment, crew: Crew) -> None:
    """This process has users."""
    crews[environment] = crew
    runner = environment.runner
    assert runner is not None

    def begin(environment: Environment, msg: Any, **_: Any) -> None:
        crew.begin()

    def storm(environment: Environment, msg: Any, **_: Any) -> None:
        crew.storm()

    runner.register_message("begin", begin)
    runner.register_message("storm", storm)

    def number(**_: Any) -> None:
        crew.index = max(0, getattr(runner, "worker_index", 0))

    def report(client_id: str, data: dict[str, Any], **_: Any) -> None:
        data["tidings"] = msgspec.to_builtins(crew.told())

    listen(environment.events.test_start, number)
    listen(environment.events.report_to_master, report)


def conduct(environment: Environment, crew: Crew, local: Crew | None) -> None:
    """This process says what happens when."""
    name = Path(needed("LOAD_SCENARIO")).stem
    folder = Path(setting("LOAD_REPORTS") or ".load") / name
    conductor = Conductor(environment, name, crew.scenario, folder, hook_of(crew), local.told if local is not None else None)
    conductors[environment] = conductor
    # Unless it is said otherwise: one that is ended half-way has shown nothing.
    environment.process_exit_code = 1

    def start(**_: Any) -> None:
        conductor.start()

    def hear(client_id: str, data: dict[str, Any], **_: Any) -> None:
        if "tidings" in data:
            conductor.tallies[client_id] = tally_of(data["tidings"])

    listen(environment.events.test_start, start)
    listen(environment.events.worker_report, hear)


def hook_of(crew: Crew) -> Hook | None:
    """Where there is a receiver, and the scenario wants one."""
    webhooks, receiver = crew.scenario.webhooks, setting("LOAD_RECEIVER")
    if webhooks is None or not receiver:
        return None
    return Hook(crew.bases[0], crew.headers, receiver, needed("LOAD_WEBHOOK_SECRET"), webhooks)


def listen(hook: EventHook, handler: Callable[..., None]) -> None:
    """Locust's own is without types."""
    hook.add_listener(handler)  # type: ignore[no-untyped-call]


listen(events.init, prepare)
