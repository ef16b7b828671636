"""The deployment's flags as a process knows them: while PostgreSQL or Redis is away, across restarts, and in every process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
from click.testing import CliRunner
from processes.test_command_line import as_json, tidings_command
from running import SECRET, Running, until

from flags.conftest import HOUR_S, holds, knowing, set_
from tidings.cli.commands import main
from tidings.cli.flags import context_of
from tidings.flags.known import KEPT_CONNECTIONS, SHORT_PUBLISH
from tidings.flags.last import FILE, keep
from tidings.flags.structs import Definition, Split
from tidings.platform.embedded.memory import free_port
from tidings.platform.postgres import Database

OFF = Definition(enabled=False)


@asynccontextmanager
async def patient_pool(url: str) -> AsyncIterator[asyncpg.Pool]:
    """One that can be opened while nobody is there to connect to."""
    async with asyncpg.create_pool(url, min_size=0, max_size=1, timeout=2, server_settings={"role": "tidings_worker"}) as pool:
        yield pool


async def test_a_flag_that_nobody_set_has_the_default_of_whoever_asks(database: Database) -> None:
    async with knowing(database.system) as flags:
        assert flags.is_on(SHORT_PUBLISH, "prj_a")
        assert flags.resolve("nobody.set.it", {}, "mine").value == "mine"


async def test_a_flag_can_be_switched_for_one_project_and_rolled_out_over_them(database: Database) -> None:
    rules = [{"when": [{"attribute": "project", "is": "equals", "value": "prj_a"}], "serve": "off"}]
    await set_(database, SHORT_PUBLISH.key, msgspec.convert({"rules": rules}, Definition))
    async with knowing(database.system) as flags:
        assert [flags.is_on(SHORT_PUBLISH, project) for project in ("prj_a", "prj_b")] == [False, True]
        await set_(database, SHORT_PUBLISH.key, Definition(serve=Split({"on": 1, "off": 1})))
        projects = [f"prj_{number}" for number in range(40)]
        await holds(lambda: len({flags.is_on(SHORT_PUBLISH, project) for project in projects}) == 2, "half of the projects")
        # One that is no boolean gives the default.
        await set_(database, SHORT_PUBLISH.key, Definition(variants={"on": "no", "off": ""}))
        await holds(lambda: all(flags.is_on(SHORT_PUBLISH, project) for project in projects), "the default")
        await set_(database, SHORT_PUBLISH.key)


async def test_while_postgresql_is_away_and_across_a_restart_the_last_value_holds(tidings: Running, tmp_path: Path) -> None:
    async with patient_pool(tidings.servers.database_url) as pool:
        async with knowing(pool, tmp_path) as flags:
            await set_(tidings.database, "kept.here", OFF)
            await holds(lambda: "kept.here" in flags.flags, "the flag is known")
            await tidings.postgres.kill()
            await holds(lambda: flags.is_away, "PostgreSQL is missed")
            assert flags.resolve("kept.here", {}, True).value is False
        # A process that starts now.
        async with knowing(pool, tmp_path) as flags:
            assert flags.is_away
            assert flags.resolve("kept.here", {}, True).reason == "DISABLED"
            async with knowing(pool) as forgetful:
                assert forgetful.resolve("kept.here", {}, True).value is True
            await tidings.postgres.start()
            await holds(lambda: not flags.is_away, "PostgreSQL is back", 30)
            await set_(tidings.database, "kept.here")
            await holds(lambda: flags.resolve("kept.here", {}, None).value is True, "what was changed meanwhile")
            await set_(tidings.database, "kept.here", OFF)


async def test_what_was_heard_while_postgresql_was_away_is_read_when_it_is_back(tidings: Running) -> None:
    async with patient_pool(tidings.servers.database_url) as pool, knowing(pool, poll_s=HOUR_S) as flags:
        await set_(tidings.database, "heard.of", OFF)
        # Not killed: this server answers before it has written.
        await tidings.postgres.end()
        flags.news.set()
        await holds(lambda: flags.is_away, "PostgreSQL is missed")
        assert "heard.of" not in flags.flags
        await tidings.postgres.start()
        await holds(lambda: "heard.of" in flags.flags, "what it heard of", 30)


async def test_where_nothing_can_be_written_flags_are_kept_in_memory(database: Database, tmp_path: Path) -> None:
    for state_dir in (tmp_path / "missing", tmp_path / "file"):
        (tmp_path / "file").write_text("no folder")
        await set_(database, "kept.in.memory", OFF)
        async with knowing(database.system, state_dir) as flags:
            assert flags.resolve("kept.in.memory", {}, True).value is False
    # As a disk that is full: a half-made file would stay for each process there ever was.
    (tmp_path / FILE).mkdir()
    keep(tmp_path, [])
    (tmp_path / FILE).rmdir()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / FILE).write_bytes(b"{ torn")
    async with knowing(database.system, tmp_path) as flags:
        assert flags.resolve("kept.in.memory", {}, True).value is False


async def change_known_to(port: int) -> int:
    """The newest change of flags that a process knows, as its /metrics says."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        [line] = [line for line in (await answer.text()).splitlines() if line.startswith("tidings_flags_change{")]
    return int(float(line.split()[1]))


async def newest(tidings: Running) -> int:
    return int(await tidings.database.system.fetchval("SELECT max(id) FROM flag_changes WHERE project = 0"))


async def all_know(tidings: Running, ports: list[int]) -> None:
    wanted = await newest(tidings)

    async def known() -> bool:
        return all([await change_known_to(port) >= wanted for port in ports])

    await until(known, 10, f"change {wanted} is known at {ports}")


def test_a_flag_that_is_asked_for_no_project_has_no_share_and_is_explained_for_none() -> None:
    for key in (KEPT_CONNECTIONS.key, "connectors.smtp"):
        answer = CliRunner().invoke(main, ["flags", "set", key, "--percent", "50"])
        assert answer.exit_code == 2 and "asked for no project" in answer.output
        assert context_of(key, None, "prj_a", ()) == {"targetingKey": "", "project": ""}
    assert context_of(SHORT_PUBLISH.key, None, "prj_a", ()) == {"targetingKey": "prj_a", "project": "prj_a"}
    assert context_of(KEPT_CONNECTIONS.key, "prj_a", "alice", ("seats=12",)) == {"targetingKey": "alice", "seats": 12}


async def test_a_change_reaches_api_and_workers_with_redis_and_without(tidings: Running) -> None:
    port = free_port()
    worker = await tidings.another_worker("deliveries", TIDINGS_METRICS_PORT=str(port))

    async def answers() -> bool:
        try:
            return await change_known_to(port) >= 0
        except (aiohttp.ClientError, ValueError):
            return False

    await until(answers, 20, worker.name)
    ports = [tidings.api.port, port]
    await set_(tidings.database, "reaches.everyone")
    await all_know(tidings, ports)
    await tidings.valkey.kill()
    await set_(tidings.database, "reaches.everyone", OFF)
    await all_know(tidings, ports)


async def test_operators_set_explain_and_look_back(tidings: Running, tmp_path: Path) -> None:
    """Few commands, and some at once: each is a process that takes a second or two."""
    settings = {"TIDINGS_DATABASE_URL": tidings.servers.database_url, "TIDINGS_REDIS_URL": tidings.servers.redis_url}
    settings |= {"TIDINGS_SECRET_KEY": SECRET, "LOGNAME": "ada", "SUDO_USER": ""}
    project, run = await tidings.new_project(), partial(tidings_command, **settings)
    rules = [{"when": [{"attribute": "seats", "is": "number", "op": ">", "value": 9}], "serve": "off"}]
    await project.call("PUT", "/v1/flags/banner", {"rules": rules})

    made, found = await asyncio.gather(
        as_json("flags", "set", "short_ways.stream", "off", "--reason", "looking", **settings),
        as_json("flags", "explain", "banner", "--attribute", "seats=12", "--project", project.key, **settings),
    )
    assert (made["changed_by"], made["reason"], made["definition"]["enabled"]) == ("operator:ada", "looking", False)
    assert (found["value"], found["reason"]) == (False, "TARGETING_MATCH")
    await tidings.database.system.execute(
        """INSERT INTO flag_changes (project, key, version, definition, actor) VALUES (0, 'made.later', 1, '{"newer": true}', '')"""
    )
    (off := tmp_path / "off.json").write_text('{"enabled": false}')
    late, typo, typed, mended = await asyncio.gather(
        run("flags", "set", "short_ways.stream", "on", "--if-version", "0"),
        run("flags", "set", "short_way.stream", "off"),
        run("flags", "set", "connectors.twillio", "--definition", str(off)),
        run("flags", "set", "made.later", "--definition", str(off)),
    )
    assert late[0] == 1 and "changed meanwhile" in late[2]
    assert typo[0] == 1 and "short_ways.stream" in typo[2]
    assert typed[0] == 1 and "connectors.twilio" in typed[2]
    assert mended[0] == 0 and "now off" in mended[1]
    flags, (code, out, _) = await asyncio.gather(as_json("flags", "list", **settings), run("flags", "history", "short_ways.stream"))
    listed = {flag["key"]: flag for flag in flags}
    assert (listed["connectors.webhook"]["version"], listed["connectors.webhook"]["default"]) == (0, True)
    assert listed["short_ways.stream"]["version"] == made["version"]
    assert code == 0 and "looking" in out and "operator:ada" in out
    await set_(tidings.database, "short_ways.stream")
