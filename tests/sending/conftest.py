"""A whole Tidings with a planner and a deliveries worker as processes, and a receiver for what they send."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from running import Part, Project, Running, end_somehow, until
from webhook_receiver import Receiver, receiving


@dataclass
class Sending:
    """A running Tidings that delivers."""

    system: Running
    planner: Part
    worker: Part

    async def settled(self, project: Project, count: int, within: float = 30) -> list[Any]:
        """The project's deliveries, when there are so many and none waits any more."""

        async def all_settled() -> list[Any] | None:
            items = await deliveries(project)
            return items if len(items) == count and all(item["state"] != "pending" for item in items) else None

        found: list[Any] = await until(all_settled, within, f"{count} deliveries are settled")
        return found


async def deliveries(project: Project, **filters: str) -> list[Any]:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    answer = await project.call("GET", f"/v1/deliveries?limit=1000&{query}")
    items: list[Any] = answer["items"]
    return items


async def endpoint(project: Project, receiver: Receiver, path: str = "/hook", **fields: Any) -> Any:
    """A new endpoint of the receiver's."""
    return await project.call("POST", "/v1/endpoints", {"url": receiver.url(path), "events": ["notification.created"]} | fields)


@pytest.fixture(scope="package")
async def workers(system: Running) -> AsyncIterator[tuple[Part, Part]]:
    planner, worker = system.new_worker("planner", "planner", {}), system.new_worker("deliveries", "deliveries", {})
    yield planner, worker
    for part in (planner, worker):
        await end_somehow(part)


@pytest.fixture
async def sending(system: Running, workers: tuple[Part, Part]) -> AsyncIterator[Sending]:
    """Whatever the test kills or stops is mended afterwards."""
    for part in workers:
        await part.start()
    yield Sending(system, *workers)
    await system.mend()
    for part in workers:
        part.go_on()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver
