"""What is sealed opens in its place and nowhere else, and nothing of it is anywhere else."""

import asyncio
import base64
import traceback
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from loguru import logger

from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.vault import CannotOpen, Place, Vault
from tidings.vault import sealing as module
from tidings.vault.envelope import new_key
from tidings.vault.ring import Ring, id_of

PLACE = Place("destinations", "ep_1", "secrets")
CANARY = b"canary-4242-of-the-vault"


async def sealed_in(database: Database, vault: Vault, project: int, place: Place = PLACE, secret: bytes = CANARY) -> bytes:
    async with tenant_transaction(database, project) as connection:
        return await vault.seal(connection, project, place, secret)


async def opened_in(database: Database, vault: Vault, project: int, sealed: bytes, place: Place = PLACE) -> bytes:
    async with tenant_connection(database, project) as connection:
        return await vault.open(connection, project, place, sealed)


@pytest.mark.parametrize("secret", [CANARY, b"", b"\x00" * 100_000])
async def test_what_is_sealed_opens_for_both_roles_and_in_another_process(
    database: Database, vault: Vault, key: bytes, project: int, secret: bytes
) -> None:
    sealed = await sealed_in(database, vault, project, secret=secret)
    assert await opened_in(database, vault, project, sealed) == secret
    async with database.system.acquire() as worker:
        assert await Vault(Ring([key])).open(worker, project, PLACE, sealed) == secret
        again = await vault.seal(worker, project, PLACE, secret)
    assert again != sealed
    assert await opened_in(database, vault, project, again) == secret


@pytest.mark.parametrize(
    "place",
    [
        Place("push_keys", "ep_1", "secrets"),
        Place("destinations", "ep_2", "secrets"),
        Place("destinations", "ep_1", "config"),
        Place("destinations", "ep_1s", "ecrets"),
    ],
)
async def test_what_is_moved_to_another_place_does_not_open(database: Database, vault: Vault, project: int, place: Place) -> None:
    sealed = await sealed_in(database, vault, project)
    with pytest.raises(CannotOpen, match=place.row):
        await opened_in(database, vault, project, sealed, place)


async def test_what_is_moved_to_another_project_does_not_open_though_its_data_key_comes_along(
    database: Database, vault: Vault, project: int, new_project: Any
) -> None:
    sealed, other = await sealed_in(database, vault, project), await new_project()
    with pytest.raises(CannotOpen, match="no data key"):
        await opened_in(database, vault, other, sealed)
    await sealed_in(database, vault, other)
    with pytest.raises(CannotOpen):
        await opened_in(database, vault, other, sealed)
    await database.system.execute(
        "UPDATE data_keys SET wrapped = mine.wrapped FROM data_keys AS mine WHERE data_keys.project = $1 AND mine.project = $2",
        other,
        project,
    )
    with pytest.raises(CannotOpen, match=f"data key of project {other}"):
        await opened_in(database, vault, other, sealed)


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s[:5], lambda s: b"", lambda s: b"\x02" + s[1:], lambda s: bytes(len(s))])
async def test_what_was_damaged_does_not_open(database: Database, vault: Vault, project: int, change: Any) -> None:
    sealed = await sealed_in(database, vault, project)
    with pytest.raises(CannotOpen):
        await opened_in(database, vault, project, change(sealed))


async def test_processes_that_need_a_data_key_at_once_make_one(database: Database, key: bytes, project: int) -> None:
    vaults = [Vault(Ring([key])) for _ in range(6)]
    sealed = await asyncio.gather(*(sealed_in(database, vault, project) for vault in vaults))
    assert await database.system.fetchval("SELECT count(*) FROM data_keys WHERE project = $1", project) == 1
    for vault, other in zip(vaults, reversed(sealed), strict=True):
        assert await opened_in(database, vault, project, other) == CANARY


async def test_a_data_key_that_was_rolled_back_seals_nothing_afterwards(database: Database, vault: Vault, key: bytes, project: int) -> None:
    with suppress(ZeroDivisionError):
        async with tenant_transaction(database, project) as connection:
            sealed = await vault.seal(connection, project, PLACE, CANARY)
            assert await vault.open(connection, project, PLACE, sealed) == CANARY
            raise ZeroDivisionError
    other = Vault(Ring([key]))
    theirs = await sealed_in(database, other, project)
    assert await opened_in(database, vault, project, theirs) == CANARY
    assert await opened_in(database, other, project, await sealed_in(database, vault, project)) == CANARY


async def test_opening_again_asks_the_database_nothing(
    database: Database, vault: Vault, project: int, new_project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 1)
    sealed = await sealed_in(database, vault, project)
    await opened_in(database, vault, project, sealed)
    assert await vault.open(None, project, PLACE, sealed) == CANARY

    other = await new_project()
    await opened_in(database, vault, other, await sealed_in(database, vault, other))
    assert list(vault.remembered) == [other]


async def test_a_wrong_ring_names_the_key_that_is_missing(database: Database, vault: Vault, key: bytes, project: int) -> None:
    sealed = await sealed_in(database, vault, project)
    stranger = Vault(Ring([new_key()]))
    with pytest.raises(CannotOpen, match=f"encryption key {id_of(key)}, which is missing"):
        await opened_in(database, stranger, project, sealed)
    with pytest.raises(CannotOpen, match=id_of(key)):
        await sealed_in(database, stranger, project)


async def test_nothing_of_a_secret_is_in_errors_or_logs(database: Database, vault: Vault, key: bytes, project: int) -> None:
    said: list[str] = []
    # As platform/logging.py sets it up.
    sink = logger.add(lambda message: said.append(str(message)), diagnose=False, backtrace=False)
    sealed = await sealed_in(database, vault, project)
    for broken, place in [(vault, Place("x", "y", "z")), (Vault(Ring([new_key()])), PLACE)]:
        try:
            await opened_in(database, broken, project, sealed, place)
        except CannotOpen as error:
            logger.opt(exception=error).error("failed")
            said += traceback.format_exception(error)
            said.append(repr(error))
    logger.remove(sink)
    said += [repr(vault), repr(vault.ring), repr(PLACE)]
    await opened_in(database, vault, project, sealed)
    assert "CannotOpen" in "".join(said)
    for hidden in (CANARY, key, vault.remembered[project]):
        for shown in forms(hidden):
            assert shown not in "".join(said)


async def test_a_dump_of_the_database_holds_no_secret_and_no_key(
    database: Database, url: str, vault: Vault, key: bytes, project: int
) -> None:
    sealed = await sealed_in(database, vault, project)
    await opened_in(database, vault, project, sealed)
    connection = await asyncpg.connect(url, server_settings={"role": "tidings_backup"})
    await database.system.execute("UPDATE projects SET name = $2 WHERE id = $1", project, f"is found: {base64.b64encode(sealed).decode()}")
    tables = await connection.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')")
    dump = "\n".join([str(row[0]) for table in tables for row in await connection.fetch(f"SELECT t::text FROM {table['relname']} AS t")])
    await connection.close()
    assert "is found" in dump
    assert id_of(key) in dump
    for hidden in (CANARY, key, vault.remembered[project]):
        for shown in forms(hidden):
            assert shown not in dump


def forms(hidden: bytes) -> list[str]:
    """As it might be written somewhere."""
    return [
        hidden.decode("latin-1"),
        hidden.hex(),
        base64.b64encode(hidden).decode(),
        base64.urlsafe_b64encode(hidden).decode(),
        repr(hidden),
    ]
