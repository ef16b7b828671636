"""Kill switches of connectors: one flag each, and what statements ask, always saying the same."""

import asyncpg
import pytest

from flags.conftest import set_
from tidings.deliveries.connectors.halts import halt, halts, resume
from tidings.errors import Invalid
from tidings.flags.halts import OFF, ON
from tidings.flags.store import DEPLOYMENT, get_flag, history, remove_flag
from tidings.flags.structs import Definition, Split
from tidings.platform.postgres import Database


async def halted(database: Database) -> set[str]:
    return {row[0] for row in await database.system.fetch("SELECT connector FROM halts")}


async def test_the_flag_halts_a_connector_and_lets_it_go_on(database: Database) -> None:
    await set_(database, "connectors.one", OFF)
    assert await halted(database) == {"one"}
    await set_(database, "connectors.one", ON)
    assert await halted(database) == set()
    await set_(database, "connectors.one", OFF)
    async with database.system.acquire() as connection, connection.transaction():
        await remove_flag(connection, DEPLOYMENT, "connectors.one", actor="operator:test", reason=None)
    assert await halted(database) == set()


async def test_to_halt_and_to_resume_are_changes_of_the_flag(database: Database) -> None:
    async with database.system.acquire() as connection:
        first = await halt(connection, "two", "asked by the provider", "operator:ada")
        assert await halt(connection, "two", None) == first
        assert (await halt(connection, "two", "still")).reason == "still"
        assert (await halts(connection))["two"].halted_at == first.halted_at
        assert await resume(connection, "two", "operator:bob")
        assert not await resume(connection, "two")
        flag = await get_flag(connection, DEPLOYMENT.id, "connectors.two")
        assert (flag.definition, flag.changed_by) == (ON, "operator:bob")
        steps = (await history(connection, DEPLOYMENT.id, "connectors.two", 100, 100)).items
    assert [(step.changed_by, step.reason) for step in steps] == [
        ("operator:bob", None), ("system:cli", "still"), ("operator:ada", "asked by the provider"),
    ]  # fmt: skip


async def test_one_that_an_older_version_halted_goes_on_too(database: Database) -> None:
    await database.system.execute("INSERT INTO halts (connector) VALUES ('three')")
    async with database.system.acquire() as connection:
        assert await resume(connection, "three")
    assert await halted(database) == set()


@pytest.mark.parametrize("definition", [Definition(serve=Split({"on": 1, "off": 1})), Definition(serve="off"), Definition(off="on")])
async def test_a_connectors_flag_is_on_or_off_and_nothing_between(database: Database, definition: Definition) -> None:
    with pytest.raises(Invalid, match="plain switch"):
        await set_(database, "connectors.four", definition)
    assert "four" not in await halted(database)


async def test_what_rolls_back_leaves_flag_and_switch_as_they_were(database: Database) -> None:
    async with database.system.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await halt(connection, "five", None)
        await transaction.rollback()
    assert "five" not in await halted(database)
    assert await database.system.fetchval("SELECT count(*) FROM flag_changes WHERE key = 'connectors.five'") == 0


async def test_history_is_only_ever_added_to(database: Database) -> None:
    await set_(database, "kept")
    for statement in ("UPDATE flag_changes SET actor = 'nobody'", "DELETE FROM flag_changes"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.system.execute(statement)
