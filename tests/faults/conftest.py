"""Deployments of one's own to break; the suite's shared servers stay whole."""

import os
from collections.abc import AsyncIterator

import pytest
from faults.deployment import Deployment


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
