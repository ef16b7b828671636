"""The log on a database of its own, without the suite's sequencer."""

from collections.abc import AsyncIterator

import pytest
from own_database import own_database
from running import Servers

from tidings.platform.postgres import Database


@pytest.fixture(scope="module")
async def own(servers: Servers) -> AsyncIterator[tuple[str, Database]]:
    async with own_database(servers) as found:
        yield found


@pytest.fixture
def database(own: tuple[str, Database]) -> Database:
    return own[1]


@pytest.fixture
def database_url(own: tuple[str, Database]) -> str:
    return own[0]
