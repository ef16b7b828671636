"""The vault called in this process, on a real PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from own_database import SHARDS, own_database
from running import SECRET, Servers

from tidings.access.projects import create_project
from tidings.platform.postgres import Database
from tidings.platform.secrets import load_secret
from tidings.settings import Settings
from tidings.vault import Vault
from tidings.vault.envelope import new_key
from tidings.vault.ring import Ring

NewProject = Callable[[], Awaitable[int]]


@pytest.fixture(scope="package")
async def ground(servers: Servers) -> AsyncIterator[tuple[str, Database]]:
    """Of its own: rewrapping is about all the data keys there are."""
    async with own_database(servers) as (url, database):
        yield url, database


@pytest.fixture
async def url(ground: tuple[str, Database]) -> str:
    """Of a database without data keys."""
    owner = await asyncpg.connect(ground[0])
    await owner.execute("DELETE FROM data_keys")
    await owner.close()
    return ground[0]


@pytest.fixture
def database(ground: tuple[str, Database], url: str) -> Database:
    return ground[1]


@pytest.fixture
def new_project(database: Database) -> NewProject:
    load_secret(Settings(secret_key=SECRET))

    async def new_project() -> int:
        return (await create_project(database, "vault", SHARDS))[0].id

    return new_project


@pytest.fixture
async def project(new_project: NewProject) -> int:
    return await new_project()


@pytest.fixture
def key() -> bytes:
    """An encryption key."""
    return new_key()


@pytest.fixture
def vault(key: bytes) -> Vault:
    return Vault(Ring([key]))
