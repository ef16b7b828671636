"""Deployments of one's own to break; the suite's shared servers stay whole."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from faults.deployment import Deployment


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hundreds of streams under load: beside other tests, a process that is alive looks dead to the ones that wait for it."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("alone")


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    async with Deployment(tmp_path_factory.mktemp("faults") / "state", apis=2, sequencers=2) as deployment:
        yield deployment


@pytest.fixture
async def deployment(shared: Deployment) -> AsyncIterator[Deployment]:
    """Two API processes, two sequencers, a projections' worker, PostgreSQL and Valkey. Whatever a test broke is whole again after it."""
    yield shared
    await shared.heal()


@pytest.fixture
async def api_key(deployment: Deployment) -> str:
    """Of a new project."""
    return await deployment.new_project()


@pytest.fixture
def seed() -> int:
    """CHAOS_SEED, or a new one each time."""
    return int(os.environ.get("CHAOS_SEED") or int.from_bytes(os.urandom(4)))
