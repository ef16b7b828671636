"""Deployments of one's own to break; the suite's shared servers stay whole."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from deployment import Deployment


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    """One of each: broken in one test, gone after it."""
    async with Deployment(tmp_path / "state") as deployment:
        yield deployment


@pytest.fixture
def seed() -> int:
    """CHAOS_SEED, or a new one each time."""
    return int(os.environ.get("CHAOS_SEED") or int.from_bytes(os.urandom(4)))
