"""A project of its own for each test, on a database of this package's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from in_process import Api, api_in_process
from own_database import own_database
from running import Servers

from tidings.platform.postgres import Database


@pytest.fixture(scope="package")
async def database(servers: Servers) -> AsyncIterator[Database]:
    async with own_database(servers) as (_, database):
        yield database


@pytest.fixture(scope="package")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
async def api(database: Database, state_dir: Path) -> AsyncIterator[Api]:
    async with api_in_process(database, state_dir) as api:
        yield api
