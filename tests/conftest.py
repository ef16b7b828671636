"""Servers and processes for all tests; see running.py for what can be done with them."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from product_loop import ProductLoops
from running import Project, Running, Servers, end_somehow, running, start_servers

from tidings.events.cursor import new_epoch
from tidings.platform.migrate import migrate

# What the developer's shell says about his own Tidings is no concern of the tests.
for name in [name for name in os.environ if name.startswith("TIDINGS_")]:
    del os.environ[name]

asyncio.set_event_loop_policy(ProductLoops())

# No test times anything: a busy machine takes more than the 200 ms that an example may take otherwise.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

SHARDS = 4


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """Refuse a fixture of a package that is none: without an `__init__.py` in its folder pytest lets it live until the session ends.

    A planner and a worker that stayed on so took deliveries from the tests of others.
    """
    if fixturedef.scope == "package":
        assert not isinstance(request.node, pytest.Session), f"{fixturedef.argname}: its folder has no __init__.py, or its module has it"


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    """PostgreSQL and Valkey on free ports, for the whole session."""
    # Not pytest's own folder: nobody else may enter that, and root's PostgreSQL runs as somebody else.
    state = Path(tempfile.mkdtemp(prefix="tidings-tests-"))
    state.chmod(0o711)
    servers = await start_servers(state)
    yield servers
    for part in (servers.postgres, servers.valkey):
        await end_somehow(part)
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
async def system(servers: Servers) -> AsyncIterator[Running]:
    await migrate(servers.database_url, SHARDS, new_epoch)
    async with running(servers, servers.database_url) as system:
        yield system


@pytest.fixture
async def tidings(system: Running) -> AsyncIterator[Running]:
    """A running Tidings. Whatever the test kills, stops or adds is mended afterwards."""
    yield system
    await system.mend()


@pytest.fixture
async def project(system: Running) -> Project:
    """A new project, with an API key that may do everything."""
    return await system.new_project()
