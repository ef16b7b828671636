"""The ledger of one project as it fills, and who counts it. A clock is an argument."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar

from deliveries.conftest import WRITE, Deliveries
from tidings.deliveries.levels import routes
from tidings.deliveries.levels.checking import check_levels
from tidings.deliveries.levels.reading import get_level, list_levels
from tidings.platform.ids import uuid7

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 11, 25, 12, 0, 17, tzinfo=UTC)
End = tuple[str, datetime, float]


class Levels:
    """The ledger of one project as it fills, and who counts it."""

    def __init__(self, api: Deliveries) -> None:
        self.api = api

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        async with self.api.database.system.acquire() as connection:
            yield connection

    async def end(self, endpoint: str, ends: Iterable[End]) -> None:
        """Deliveries that came to these ends: state, when, after how many seconds."""
        rows = [
            (uuid7(), self.api.tenant.id, endpoint, None, None, "notification.created", at - timedelta(seconds=took), None, state, 1, at,
             None, None, at)
            for state, at, took in ends
        ]  # fmt: skip
        await self.api.database.system.executemany(WRITE, rows)

    async def check(self, now: datetime) -> None:
        async with self.connection() as connection:
            while await check_levels(connection, now):
                pass

    async def get(self, endpoint: str, window: Any, now: datetime) -> Any:
        async with self.connection() as connection:
            return await get_level(connection, self.api.tenant.id, endpoint, window, now)

    async def page(self, window: Any, now: datetime, after: str | None = None, limit: int = 100) -> Any:
        async with self.connection() as connection:
            return await list_levels(connection, self.api.tenant.id, window, after, limit, now)

    async def told(self) -> list[tuple[str, Any]]:
        return [(e.type, msgspec.json.decode(e.data)) for e in await self.api.outbox() if e.type.startswith("service_level.")]


@pytest.fixture
async def levels(api: Deliveries) -> Levels:
    """Nothing is counted yet, and counting begins long ago; what other tests left is gone."""
    await api.database.system.execute("DELETE FROM service_tallies")
    await api.database.system.execute("DELETE FROM service_alarms")
    await api.database.system.execute("DELETE FROM deliveries")
    await begin(api, NOON - 40 * DAY)
    app_of(api).register(routes.router)
    return Levels(api)


def app_of(api: Deliveries) -> Litestar:
    transport = api.client._transport
    assert isinstance(transport, httpx.ASGITransport) and isinstance(transport.app, Litestar)
    return transport.app


async def begin(api: Deliveries, at: datetime) -> None:
    await api.database.system.execute("UPDATE service_checks SET counted_to = date_trunc('minute', $1::timestamptz), checked_at = $1", at)


def counted(level: Any) -> tuple[int, int]:
    return level.figures.delivered, level.figures.dead
