"""Where backups lie: a folder, or a bucket of any S3-compatible store.

    file:///var/backups/tidings
    s3://BUCKET/PREFIX?endpoint=https://s3.example.com&region=eu-central-1

Credentials of S3 come from the environment by the names of AWS (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, a role of the
machine or the pod), never in the URL. An object is there whole or not at all.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from tidings.backups.errors import BackupFailed, DiskFull, Missing, StoreFailed
from tidings.errors import Misconfigured
from tidings.settings import redacted_url

# Of the store's own client, for what passes within seconds; who uploads tries again for longer (`uploads.py`).
RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=20), "backoff": {"init_backoff": timedelta(milliseconds=100)}}
# A part of 8 MiB may take its time on a slow line; a server that says nothing may not.
TIMES: Any = {"timeout": timedelta(minutes=5), "connect_timeout": timedelta(seconds=5), "read_timeout": timedelta(seconds=30)}
OPTIONS = ("endpoint", "region")
# A terabyte is 120,000 parts. One by one, not by DeleteObjects, which Google's S3 does not know.
DELETED_AT_ONCE = 32
NO_ROOM = "os error 28"


class Stored(msgspec.Struct, frozen=True):
    """An object of the store. size: bytes."""

    path: str
    size: int
    modified: datetime


class Store:
    """name: the URL, as it may be shown.   folder: where it is one, else None.

    Paths are relative, with slashes: `backups/ID/dump/000001`. Every method raises BackupFailed: StoreFailed, Missing or DiskFull.
    """

    def __init__(self, name: str, objects: Any, folder: Path | None) -> None:
        self.name = name
        self.objects = objects
        self.folder = folder

    async def put(self, path: str, data: bytes | memoryview | Path) -> None:
        """Write an object, or write it again. It is on the disk when this returns, where the store is a folder."""
        with named(self.name, path):
            await obstore.put_async(self.objects, path, data, use_multipart=False)
            if self.folder is not None:
                await asyncio.to_thread(make_durable, self.folder / path)

    async def get(self, path: str) -> bytes:
        """The whole object. Ask for what is small, or one part at a time."""
        with named(self.name, path):
            answer = await obstore.get_async(self.objects, path)
            return bytes(await answer.bytes_async())

    async def has(self, path: str) -> bool:
        with named(self.name, path):
            try:
                await obstore.head_async(self.objects, path)
            except FileNotFoundError:
                return False
            return True

    async def below(self, prefix: str) -> AsyncIterator[Stored]:
        """What lies below a folder (`backups/ID`), in no order."""
        with named(self.name, prefix):
            async for some in obstore.list(self.objects, prefix):
                for meta in some:
                    yield Stored(meta["path"], meta["size"], meta["last_modified"])

    async def folders(self, prefix: str) -> list[str]:
        """Names of the folders right below one, in order."""
        with named(self.name, prefix):
            found = await obstore.list_with_delimiter_async(self.objects, prefix)
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    async def delete(self, paths: Sequence[str]) -> None:
        """What is not there is no error."""
        for start in range(0, len(paths), DELETED_AT_ONCE):
            await asyncio.gather(*(self.delete_one(path) for path in paths[start : start + DELETED_AT_ONCE]))

    async def delete_one(self, path: str) -> None:
        with named(self.name, path), suppress(FileNotFoundError):
            await obstore.delete_async(self.objects, path)


def open_store(url: str) -> Store:
    """Nothing is asked of it yet. Raises Misconfigured for a URL that names no store."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        try:
            return Store(url, LocalStore(folder, mkdir=True, automatic_cleanup=True), folder)
        except (BaseError, OSError) as error:
            raise Misconfigured(f"TIDINGS_BACKUP_URL={url} is no folder that this process may use: {first_line(error)}") from error
    options = dict(parse_qsl(parts.query))
    return Store(redacted_url(url), bucket(parts.netloc, parts.path.strip("/"), options), None)


def bucket(name: str, prefix: str, options: dict[str, str]) -> S3Store:
    """Raises Misconfigured."""
    endpoint = options.get("endpoint")
    # Only what was asked for: without an endpoint it is AWS's own.
    config: Any = {key: value for key, value in options.items() if key in OPTIONS} | {"virtual_hosted_style_request": endpoint is None}
    client = TIMES | ({"allow_http": True} if endpoint is not None and endpoint.startswith("http://") else {})
    try:
        return S3Store(name, prefix=prefix or None, config=config, client_options=client, retry_config=RETRIES)
    except (BaseError, ValueError) as error:
        raise Misconfigured(f"TIDINGS_BACKUP_URL names no bucket that can be used: {first_line(error)}") from error


@contextmanager
def named(store: str, path: str) -> Iterator[None]:
    """What the client raises, as an error of ours that says where."""
    try:
        yield
    except FileNotFoundError as error:
        raise Missing(f"{path} is not in {store}.") from error
    except (BaseError, OSError) as error:
        raise failure(store, path, error) from error


def failure(store: str, path: str, error: Exception) -> BackupFailed:
    if NO_ROOM in str(error):
        return DiskFull(f"{store} has no room for {path}.")
    return StoreFailed(f"{store} failed at {path}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """The client tells its whole configuration below it."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]


def make_durable(path: Path) -> None:
    """The client renames without fsync: after a power cut a manifest could name parts that are empty."""
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
