"""A whole Tidings that tells everything it can: JSON lines, reports to Sentry's stand-in, every trace to a collector."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from own_database import SHARDS, own_database
from running import SECRET, Part, Project, Running, Servers, end_somehow
from webhook_receiver import Receiver, receiving

from telemetry.collector import Collector, collecting
from telemetry.sentry_house import SentryHouse, sentry_house
from tidings.settings import Settings

# Of Redis: other tests' workers must not take what is queued here.
OWN_REDIS = "/8"


@dataclass
class Telling:
    tidings: Running
    worker: Part
    collector: Collector
    sentry: SentryHouse
    receiver: Receiver

    def lines(self, part: Part) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.tidings.log_of(part).splitlines()]

    async def new_project(self) -> Project:
        """With Alice in it."""
        project = await self.tidings.new_project()
        await project.call("PUT", "/v1/subscribers/alice", {"email": "alice@example.com"})
        return project

    async def endpoint(self, project: Project, path: str, **fields: Any) -> str:
        """Its id."""
        wanted = {"url": self.receiver.url(path), "events": ["notification.created"]} | fields
        return str((await project.call("POST", "/v1/endpoints", wanted))["id"])


@pytest.fixture(scope="package")
async def telling(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Telling]:
    state = Path(tmp_path_factory.mktemp("telemetry"))
    redis_url = urlunsplit(urlsplit(servers.redis_url)._replace(path=OWN_REDIS))
    async with own_database(servers) as (url, database), collecting(state) as collector, sentry_house() as sentry, receiving() as receiver:
        environment = {
            "TIDINGS_DATABASE_URL": url,
            "TIDINGS_REDIS_URL": redis_url,
            "TIDINGS_STATE_DIR": str(state),
            "TIDINGS_SECRET_KEY": SECRET,
            "TIDINGS_DRAIN_S": "0.1",
            "TIDINGS_OUTBOUND_ALLOW": "127.0.0.0/8",
            "TIDINGS_LOG_FORMAT": "json",
            "TIDINGS_ENVIRONMENT": "tests",
            "TIDINGS_SENTRY_DSN": sentry.dsn,
            "TIDINGS_OTLP_URL": collector.url,
            "TIDINGS_TRACES_SAMPLE": "1",
        }
        settings = Settings(database_url=url, redis_url=redis_url, state_dir=state, secret_key=SECRET, shards=SHARDS)
        tidings = Running(servers, settings, environment, database)
        worker = tidings.new_worker("deliveries", "deliveries", {})
        parts = [tidings.api, tidings.sequencer, tidings.new_worker("planner", "planner", {}), worker]
        try:
            await asyncio.gather(*(part.start() for part in parts))
            await tidings.api.ready(60, "ok")
            yield Telling(tidings, worker, collector, sentry, receiver)
        finally:
            await asyncio.gather(*map(end_somehow, parts))
