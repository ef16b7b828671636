"""Backups of a database of their own, into a folder and into S3 (moto's server, which can be stopped and comes back with what it had)."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3  # type: ignore[import-untyped]
import pytest
from own_database import own_database
from running import Servers

from backups.ground import Backups, Bucket, Ground
from backups.house import House
from backups.house import house as own_house
from tidings.backups import streaming
from tidings.platform.embedded.memory import free_port

NAMES = {"AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "a-secret-of-aws"}


@pytest.fixture(scope="package")
def bucket() -> Iterator[Bucket]:
    """An S3 of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in NAMES.items():
            patch.setenv(name, value)
        bucket = Bucket(free_port())
        bucket.start()
        boto3.client("s3", endpoint_url=bucket.endpoint, region_name="us-east-1").create_bucket(Bucket=bucket.name)
        yield bucket
        bucket.stop()


@pytest.fixture(scope="package")
async def ground(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """Of this folder's own: a backup is about all of a database."""
    async with own_database(servers) as (url, database):
        yield Ground(servers, url, database)


@pytest.fixture
async def database_url(ground: Ground) -> str:
    """Of a database of which no backup was made and none is due."""
    await ground.forget_runs()
    return ground.url


@pytest.fixture(params=["folder", "s3"])
def backup_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store."""
    if request.param == "folder":
        return f"file://{tmp_path}/store"
    bucket: Bucket = request.getfixturevalue("bucket")
    return bucket.url(tmp_path.name)


@pytest.fixture
def backups(ground: Ground, database_url: str, tmp_path: Path, backup_url: str) -> Backups:
    """Into a folder, and into S3."""
    return Backups(ground, ground.settings(tmp_path / "state", backup_url))


@pytest.fixture
def in_folder(ground: Ground, database_url: str, tmp_path: Path) -> Backups:
    """Into a folder only, for what is the same in all stores."""
    return Backups(ground, ground.settings(tmp_path / "state", f"file://{tmp_path}/store"))


@pytest.fixture(scope="package")
async def house() -> AsyncIterator[House]:
    """A deployment of its own, for base backups: they are of a whole cluster."""
    with pytest.MonkeyPatch.context() as patch:
        # Every two seconds else, for which each test that streams waits several times.
        patch.setattr(streaming, "EVERY_S", 0.1)
        async with own_house() as house:
            yield house
