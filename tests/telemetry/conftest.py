"""A whole Tidings that tells everything it can: JSON lines, reports to Sentry's stand-in, every trace to a collector."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from own_database import own_database
from running import Part, Project, Running, Servers, end_somehow, running
from telemetry.collector import Collector, collecting
from telemetry.sentry_house import SentryHouse, sentry_house
from webhook_receiver import Receiver, receiving

# Of Redis: other tests' workers must not take what is queued here.
OWN_REDIS = "/8"


@dataclass
class Telling:
    tidings: Running
    worker: Part
    project: Project
    collector: Collector
    sentry: SentryHouse
    receiver: Receiver

    def lines(self, part: Part) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.tidings.log_of(part).splitlines()]

    async def endpoint(self, path: str, **fields: Any) -> Any:
        return await self.project.call(
            "POST", "/v1/endpoints", {"url": self.receiver.url(path), "events": ["notification.created"]} | fields
        )


@pytest.fixture(scope="package")
async def telling(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Telling]:
    state = Path(tmp_path_factory.mktemp("telemetry"))
    redis_url = urlunsplit(urlsplit(servers.redis_url)._replace(path=OWN_REDIS))
    async with (
        own_database(servers) as (url, _),
        collecting(state) as collector,
        sentry_house() as sentry,
        receiving() as receiver,
        running(
            servers,
            url,
            TIDINGS_REDIS_URL=redis_url,
            TIDINGS_LOG_FORMAT="json",
            TIDINGS_ENVIRONMENT="tests",
            TIDINGS_SENTRY_DSN=sentry.dsn,
            TIDINGS_OTLP_URL=collector.url,
            TIDINGS_TRACES_SAMPLE="1",
        ) as tidings,
    ):
        planner, worker = (tidings.new_worker(f"telling-{name}", name, {}) for name in ("planner", "deliveries"))
        await asyncio.gather(planner.start(), worker.start())
        try:
            project = await tidings.new_project()
            await project.call("PUT", "/v1/subscribers/alice", {"email": "alice@example.com"})
            yield Telling(tidings, worker, project, collector, sentry, receiver)
        finally:
            await asyncio.gather(end_somehow(planner), end_somehow(worker))
