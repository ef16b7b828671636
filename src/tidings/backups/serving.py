"""Whether the product works on a restored database: a real API process on it boots, signs somebody in and shows their inbox."""

import asyncio
import base64
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tidings.access.keys import NewKeyRow, insert_key
from tidings.access.principals import Tenant
from tidings.access.scopes import EVERYTHING
from tidings.backups.errors import BackupFailed
from tidings.backups.programs import end_process
from tidings.backups.restore import keep_keys
from tidings.platform.embedded.memory import free_port
from tidings.platform.embedded.place import make_state
from tidings.platform.embedded.postgres import last_line, open_log
from tidings.platform.embedded.valkey import EmbeddedValkey
from tidings.platform.postgres import Database
from tidings.platform.secrets import load_secret
from tidings.settings import Settings

BOOTS_WITHIN_S = 60.0
LOOK_S = 0.1
# Somebody with something in their inbox, if anybody has.
SOMEBODY = """
SELECT p.id, p.key, p.shard, s.external_id FROM inbox i JOIN subscribers s ON s.id = i.subscriber JOIN projects p ON p.id = i.project
WHERE i.archived_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > now() + interval '1 hour') AND s.deleted_at IS NULL LIMIT 1
"""
ANY_PROJECT = "SELECT id, key, shard, 'nobody-yet' AS external_id FROM projects ORDER BY id LIMIT 1"


async def check_serving(settings: Settings, database: Database, url: str) -> str:
    """What was seen, in words. Raises BackupFailed.

    url: of the restored database. A key is made in it, which is thrown away with it.
    """
    row = await database.system.fetchrow(SOMEBODY)
    has_items = row is not None
    row = row or await database.system.fetchrow(ANY_PROJECT)
    load_secret(settings)
    async with api_process(settings, url) as base_url:
        if row is None:
            return "it boots; there is no project yet"
        async with database.system.acquire() as connection, connection.transaction():
            key = NewKeyRow(name="Trial of a backup", scopes=[EVERYTHING])
            _, secret = await insert_key(connection, Tenant(row["id"], row["key"], row["shard"]), key, "system:restore")
        count = await inbox_of(base_url, secret, row["external_id"])
        if has_items and not count:
            raise BackupFailed("The API process on what was restored shows an empty inbox of somebody who has something in it.")
        return f"an inbox with {count} items"


@asynccontextmanager
async def api_process(settings: Settings, url: str) -> AsyncIterator[str]:
    """The address of one that is ready, with a Redis and a state folder of its own, where it keeps the flags of the backup. Of this
    deployment's settings nothing but the keys reaches it."""
    with tempfile.TemporaryDirectory(prefix="tidings-trial-") as name:
        folder = make_state(Path(name) / "state")
        os.chmod(name, 0o711)  # noqa: S103, so that the servers' user may pass
        keep_keys(settings, folder)
        redis = EmbeddedValkey(folder)
        valkey = await redis.start()
        try:
            async with started(environment_of(settings, url, redis.url, folder), folder / "api.log") as base_url:
                yield base_url
        finally:
            await end_process(valkey)


@asynccontextmanager
async def started(environment: dict[str, str], log: Path) -> AsyncIterator[str]:
    port = free_port()
    with open_log(log) as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidings.cli", "api", "--port", str(port), "--supervised"),
            stdin=asyncio.subprocess.PIPE,  # its end is how it learns of ours
            stdout=output,
            stderr=output,
            env=environment,
        )
    try:
        base_url = f"http://127.0.0.1:{port}"
        await until_ready(process, base_url, log)
        yield base_url
    finally:
        await end_process(process)


def environment_of(settings: Settings, url: str, redis_url: str, state: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH") if name in os.environ}
    named = {
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "STATE_DIR": str(state),
        "SECRET_KEY": settings.secret_key or "",
        "ENCRYPTION_KEYS": ",".join(base64.b64encode(key).decode() for key in settings.encryption_keys),
        "ENCRYPTION_KEYS_FILE": str(settings.encryption_keys_file or ""),
        "SHARDS": str(settings.shards),
        "DATABASE_POOL": "4",
    }
    return kept | {f"TIDINGS_{name}": value for name, value in named.items() if value} | {"PYTHONUNBUFFERED": "1"}


async def until_ready(process: asyncio.subprocess.Process, base_url: str, log: Path) -> None:
    """Degraded will do: nobody sequences here."""
    end = time.monotonic() + BOOTS_WITHIN_S
    while time.monotonic() < end and process.returncode is None:
        try:
            await asked(base_url, "GET", "/health/ready", {})
            return
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(LOOK_S)
    raise BackupFailed(f"The API process does not boot on what was restored; the last it said: {last_line(log)[-500:]}")


async def inbox_of(base_url: str, secret: str, person: str) -> int:
    try:
        with_key = {"Authorization": f"Bearer {secret}"}
        token = (await asked(base_url, "POST", f"/v1/subscribers/{person}/tokens", with_key))["token"]
        inbox = await asked(base_url, "GET", "/v1/inbox", {"Authorization": f"Bearer {token}"})
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BackupFailed(f"The API process on what was restored serves no inbox: {error}") from error
    return len(inbox["items"])


async def asked(base_url: str, method: str, path: str, headers: dict[str, str]) -> Any:
    timeout = aiohttp.ClientTimeout(total=10)
    body: Any = {} if method == "POST" else None
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers, raise_for_status=True) as session,
        session.request(method, base_url + path, json=body) as answer,
    ):
        return await answer.json()
