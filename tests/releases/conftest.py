"""Two colours of API processes and a proxy, on the PostgreSQL, Valkey, sequencer and projections of the session."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from proxies.proxy import binary
from releases.ground import Ground, ground
from running import Running

# The long form: RELEASE_SECONDS=600, for each switch and each of both proxies.
SECONDS = float(os.environ.get("RELEASE_SECONDS") or 0)
DRAIN_S = 10 if SECONDS else 3


def need(program: str) -> None:
    if not binary(program):
        pytest.skip(f"{program} is not installed (.ci/system-packages brings it where it may)")


@pytest.fixture
async def nginx(tidings: Running, tmp_path: Path) -> AsyncIterator[Ground]:
    need("nginx")
    async with ground(tidings, tmp_path, "nginx.conf", 2 if SECONDS else 1, DRAIN_S) as here:
        yield here


@pytest.fixture
async def haproxy(tidings: Running, tmp_path: Path) -> AsyncIterator[Ground]:
    need("haproxy")
    async with ground(tidings, tmp_path, "haproxy.cfg", 2 if SECONDS else 1, DRAIN_S) as here:
        yield here
