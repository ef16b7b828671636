"""The stream edge in this process, on real servers: a database and a Valkey of its own, and a sequencer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from certificate import Certificate, make_certificate
from own_database import own_database
from running import Servers
from stream_ground import SHARDS, Ground
from stream_house import House
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tidings.events.sequencer import Sequencer
from tidings.platform.embedded.valkey import EmbeddedValkey
from tidings.platform.ending import end_tasks
from tidings.platform.redis import open_redis
from tidings.platform.secrets import load_secret
from tidings.settings import Settings
from tidings.stream.protocol import StreamingProtocol


@pytest.fixture(scope="module")
async def ground(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    state: Path = tmp_path_factory.mktemp("valkey")
    valkey = EmbeddedValkey(state)
    process = await valkey.start()
    async with own_database(servers) as (url, database):
        settings = Settings(database_url=url, redis_url=valkey.url, shards=SHARDS, secret_key="s" * 40, state_dir=state, drain_s=1)
        load_secret(settings)
        redis = open_redis(valkey.url)
        sequencer = asyncio.create_task(Sequencer(url, redis, redis, lease_s=2, window=10_000).run(list(range(SHARDS))))
        made = Ground(settings, database, valkey, process, sequencer)
        yield made
        await end_tasks([sequencer])
        await redis.aclose()
    made.process.kill()
    await made.process.wait()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture(params=[StreamingProtocol, HttpToolsProtocol], ids=["detached", "asgi"])
def way(request: pytest.FixtureRequest) -> Any:
    """The server's protocol: sockets that leave the framework, or streams through ASGI `send`."""
    return request.param


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def encrypted(certificate: Certificate) -> dict[str, Any]:
    return {"tls_certificate": certificate.certificate, "tls_key": certificate.key}


@pytest.fixture
async def house(ground: Ground, stack: AsyncExitStack, way: Any) -> House:
    """A process, once of each way."""
    return await ground.open(stack, way)
