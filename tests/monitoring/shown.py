"""Every process of a Tidings that shows its figures, and people who use it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from running import Project, Running, end_somehow, until
from webhook_receiver import Receiver, receiving

from tidings.deliveries.ledger.clock import time_of
from tidings.deliveries.levels.checking import check_levels
from tidings.platform.embedded.memory import free_port

WORKERS = ("sequencer", "projections", "planner", "deliveries")

Series = set[tuple[str, tuple[tuple[str, str], ...]]]


class Shown:
    """Every process of a Tidings, and what it shows."""

    def __init__(self, system: Running, receiver: Receiver, urls: dict[str, str]) -> None:
        self.system = system
        self.receiver = receiver
        self.urls = urls

    async def text(self, process: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{self.urls[process]}/metrics") as answer:
            assert answer.status == 200
            return await answer.text()

    async def series(self, process: str) -> Series:
        families = text_string_to_metric_families(await self.text(process))
        return {(sample.name, tuple(sorted(sample.labels.items()))) for family in families for sample in family.samples}

    async def value(self, process: str, name: str) -> float:
        families = text_string_to_metric_families(await self.text(process))
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    async def names(self) -> set[str]:
        """Of series that are there, and of those that would be as soon as something happens."""
        found: set[str] = set()
        for process in self.urls:
            text = await self.text(process)
            for line in text.splitlines():
                if line.startswith("# TYPE "):
                    _, _, name, kind = line.split(" ")
                    found |= {name + suffix for suffix in ("", "_bucket", "_count", "_sum")} if kind == "histogram" else {name}
        return found


@asynccontextmanager
async def showing(system: Running) -> AsyncIterator[Shown]:
    ports = {name: free_port() for name in WORKERS}
    parts = [system.new_worker(f"shown-{name}", name, {"TIDINGS_METRICS_PORT": str(ports[name])}) for name in WORKERS]
    async with receiving() as receiver:
        shown = Shown(system, receiver, {"api": system.base_url} | {name: f"http://127.0.0.1:{port}" for name, port in ports.items()})
        try:
            for part in parts:
                await part.start()
            await until(lambda: all_answer(shown), 60, "all answer")
            yield shown
        finally:
            await asyncio.gather(*(end_somehow(part) for part in parts))


async def all_answer(shown: Shown) -> bool:
    try:
        for process in shown.urls:
            await shown.series(process)
    except aiohttp.ClientError:
        return False
    return True


async def use(shown: Shown, projects: int) -> None:
    """Everything that people do, in so many new projects."""
    before = await shown.value("deliveries", "tidings_deliveries_total")
    new = [await shown.system.new_project() for _ in range(projects)]
    await asyncio.gather(*(use_one(shown, project) for project in new))

    async def ended() -> bool:
        return await shown.value("deliveries", "tidings_deliveries_total") - before >= 4 * projects

    await until(ended, 60, "all deliveries ended")
    async with shown.system.database.system.acquire() as connection:
        # As the planner does each half minute.
        await check_levels(connection, await time_of(connection))
    await until(lambda: planner_has_looked(shown), 30, "the planner has looked")


async def planner_has_looked(shown: Shown) -> bool:
    return {"tidings_service_budget_left webhook success", "tidings_service_levels_missed webhook"} <= dict(
        await figures(shown, "planner")
    ).keys()


async def use_one(shown: Shown, project: Project) -> None:
    shown.receiver.answer(500, "/bad")
    for path in ("/good", "/bad"):
        await project.call("POST", "/v1/endpoints", {"url": shown.receiver.url(path), "events": ["notification.created"], "schedule": []})
    await project.call("PUT", "/v1/topics/team/subscribers", {"add": ["alice", "bob"]})
    token = await project.token("alice")
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(f"{project.base_url}/v1/stream") as stream,
    ):
        assert stream.status == 200
        await project.publish("To a person", ["alice"])
        await project.publish("To a topic", [{"topic": "team"}])
        async with session.get(f"{project.base_url}/v1/inbox") as answer:
            ids = [item["id"] for item in (await answer.json())["items"]]
        for mark in ("seen", "read", "clicked", "archive"):
            async with session.post(f"{project.base_url}/v1/inbox/{mark}", json={"ids": ids}) as answer:
                assert answer.status == 200
    await project.call("GET", "/v1/notifications/none", expect=404)
    await project.call("POST", "/v1/notifications", {"to": []}, expect=422)
    await project.call("GET", "/v1/endpoints", expect=401, Authorization="Bearer tdk_wrong")


async def figures(shown: Shown, process: str) -> list[tuple[str, float]]:
    families = text_string_to_metric_families(await shown.text(process))
    return [(" ".join((sample.name, *sample.labels.values())), sample.value) for family in families for sample in family.samples]
