"""One deployment for all tests of releases: PostgreSQL, Valkey, a sequencer, projections. API processes have two colours and a proxy."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from faults.deployment import Deployment
from proxies.proxy import binary
from releases.ground import Ground, ground

# The long form: RELEASE_SECONDS=600, for each switch and each of both proxies.
SECONDS = float(os.environ.get("RELEASE_SECONDS") or 0)


@pytest.fixture(scope="module")
async def deployment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    async with Deployment(tmp_path_factory.mktemp("releases") / "state", apis=0, environ={"TIDINGS_DRAIN_S": "10"}) as deployment:
        yield deployment


def need(program: str) -> None:
    if not binary(program):
        pytest.skip(f"{program} is not installed (.ci/system-packages brings it where it may)")


@pytest.fixture
async def nginx(deployment: Deployment, tmp_path: Path) -> AsyncIterator[Ground]:
    need("nginx")
    async with ground(deployment, tmp_path, "nginx.conf", each=2 if SECONDS else 1) as here:
        yield here


@pytest.fixture
async def haproxy(deployment: Deployment, tmp_path: Path) -> AsyncIterator[Ground]:
    need("haproxy")
    async with ground(deployment, tmp_path, "haproxy.cfg", each=2 if SECONDS else 1) as here:
        yield here
