"""An API process as it is run for real, and what may stand before it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from certificate import Certificate, make_certificate
from chromium import browser
from proxies.proxy import Proxy, binary
from running import Api, Project, Running, end_somehow

__all__ = ["browser"]

NewProxy = Callable[..., Awaitable[Proxy]]


@pytest.fixture(scope="module")
async def patient(system: Running) -> AsyncIterator[Api]:
    """With the drain window of the default, which the other processes of the tests have not."""
    api = system.new_api("patient", {"TIDINGS_DRAIN_S": "10"})
    yield api
    await end_somehow(api)


@pytest.fixture
async def api(patient: Api, tidings: Running) -> Api:
    await patient.start()
    await patient.ready()
    return patient


@pytest.fixture
async def token(project: Project) -> str:
    return await project.token("alice")


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
async def proxy(api: Api, tmp_path: Path, certificate: Certificate) -> AsyncIterator[NewProxy]:
    """Starts one before `api`, with a configuration of docs/proxies in which texts are replaced."""
    started: list[Proxy] = []

    async def start(name: str, replaced: dict[str, str] | None = None) -> Proxy:
        needed = "haproxy" if name.endswith(".cfg") else "nginx"
        if not binary(needed):
            pytest.skip(f"{needed} is not installed (.ci/system-packages brings it where it may)")
        started.append(Proxy(name, tmp_path, certificate))
        await started[-1].start([api, api], **(replaced or {}))
        return started[-1]

    yield start
    for one in started:
        await one.end()
