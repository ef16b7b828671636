"""Rotation: a new key first in the ring wraps from then on, and all the rest when it is told to, while everything runs."""

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from running import Servers

from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.vault import CannotOpen, Place, Vault
from tidings.vault import rewrapping as module
from tidings.vault.envelope import new_key
from tidings.vault.rewrapping import keys_in_use, rewrap
from tidings.vault.ring import Ring, id_of

PLACE = Place("destinations", "ep_1", "secrets")
OLD, NEW = new_key(), new_key()


async def seal(database: Database, vault: Vault, project: int) -> bytes:
    async with tenant_transaction(database, project) as connection:
        return await vault.seal(connection, project, PLACE, str(project).encode())


async def opens(database: Database, vault: Vault, project: int, sealed: bytes) -> bool:
    async with tenant_connection(database, project) as connection:
        return await vault.open(connection, project, PLACE, sealed) == str(project).encode()


async def wrapped_by(database: Database, ring: Ring) -> dict[str, int]:
    return {key.key: key.data_keys for key in await keys_in_use(database, ring)}


def silent(done: int, of: int) -> None: ...


async def test_a_new_key_wraps_from_then_on_and_the_old_one_still_opens(database: Database, new_project: Any) -> None:
    first, second = await new_project(), await new_project()
    sealed = await seal(database, Vault(Ring([OLD])), first)
    rotated = Vault(Ring([NEW, OLD]))
    await seal(database, rotated, second)
    assert await opens(database, rotated, first, sealed)
    assert await wrapped_by(database, rotated.ring) == {id_of(NEW): 1, id_of(OLD): 1}


async def test_everything_is_rewrapped_while_others_seal(database: Database, new_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 3)
    before, ring = Vault(Ring([OLD])), Ring([NEW, OLD])
    projects = [await new_project() for _ in range(20)]
    sealed = [(project, await seal(database, before, project)) for project in projects]
    over = asyncio.Event()

    async def seal_on() -> None:
        vault = Vault(ring)
        while not over.is_set():
            for project in [*projects[:5], await new_project()]:
                sealed.append((project, await seal(database, vault, project)))

    sealing = asyncio.create_task(seal_on())
    told: list[tuple[int, int]] = []
    results = await asyncio.gather(
        rewrap(database, ring, lambda done, of: told.append((done, of))), rewrap(database, ring, lambda done, of: None)
    )
    over.set()
    await sealing
    assert all(result.left == {} for result in results)
    assert told[-1][0] == results[0].rewrapped <= 20
    assert (await wrapped_by(database, ring))[id_of(OLD)] == 0
    only_new = Vault(Ring([NEW]))
    assert len(sealed) > 20
    for project, value in sealed:
        assert await opens(database, only_new, project, value)


async def test_a_process_that_knows_a_data_key_opens_on_after_it_was_rewrapped(database: Database, new_project: Any) -> None:
    before, project = Vault(Ring([OLD])), await new_project()
    sealed = await seal(database, before, project)
    assert await opens(database, before, project, sealed)
    await rewrap(database, Ring([NEW, OLD]), silent)
    assert await opens(database, before, project, sealed)
    with pytest.raises(CannotOpen, match=id_of(NEW)):
        await opens(database, Vault(Ring([OLD])), project, sealed)


async def test_what_cannot_be_unwrapped_is_left_and_said(database: Database, new_project: Any) -> None:
    lost, kept = await new_project(), await new_project()
    await seal(database, Vault(Ring([new_key()])), lost)
    await seal(database, Vault(Ring([OLD])), kept)
    ring = Ring([NEW, OLD])
    result = await rewrap(database, ring, silent)
    assert (result.rewrapped, sum(result.left.values())) == (1, 1)
    assert [(key.in_ring, key.is_newest, key.data_keys) for key in await keys_in_use(database, ring)] == [
        (True, True, 1), (True, False, 0), (False, False, 1),
    ]  # fmt: skip


async def test_the_commands_rotate(servers: Servers, database: Database, url: str, new_project: Any, tmp_path: Path) -> None:
    await seal(database, Vault(Ring([OLD])), await new_project())

    async def vault_command(name: str, *keys: bytes) -> tuple[int, Any]:
        environment = {
            "TIDINGS_DATABASE_URL": url,
            "TIDINGS_REDIS_URL": servers.redis_url,
            "TIDINGS_STATE_DIR": str(tmp_path),
            "TIDINGS_ENCRYPTION_KEYS": ",".join(base64.b64encode(key).decode() for key in keys),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidings.cli", "vault", name, "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(os.environ) | environment,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert "Traceback" not in err.decode()
        return process.returncode or 0, json.loads(out)

    lost, newest, old = id_of(OLD), id_of(NEW), id_of(OLD)
    assert await vault_command("rewrap", NEW) == (1, {"key": newest, "rewrapped": 0, "left": {lost: 1}})
    code, said = await vault_command("status", NEW)
    assert (code, [key["key"] for key in said["keys"] if not key["in_ring"]]) == (1, [lost])
    assert await vault_command("rewrap", NEW, OLD) == (0, {"key": newest, "rewrapped": 1, "left": {}})
    code, said = await vault_command("status", NEW, OLD)
    assert (code, {key["key"]: key["data_keys"] for key in said["keys"]}) == (0, {newest: 1, old: 0})
