"""`tidings doctor` without an address: each thing that may be wrong with a deployment is broken, named, and told how to mend."""

import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from certificate import make_certificate
from own_database import own_database
from processes.test_command_line import tidings_command
from running import SECRET, Servers, until

from tidings.access.projects import create_project
from tidings.access.signing import current_signer
from tidings.cli.doctor.deployment import Deployment, examine_deployment
from tidings.cli.doctor.deployment.database import check_clock, judged_clock
from tidings.cli.doctor.deployment.examine import answer
from tidings.cli.doctor.deployment.finding import Finding
from tidings.cli.doctor.deployment.machine import check_certificates, check_settings
from tidings.cli.doctor.deployment.ways_out import check_names
from tidings.cli.status.entry import screen
from tidings.cli.status.gather import asked, shards, status_of
from tidings.cli.status.lines import lines_of
from tidings.platform.embedded.memory import free_port
from tidings.platform.postgres import Database
from tidings.platform.secrets import load_secret
from tidings.settings import Settings
from tidings.vault.data_keys import ensure_data_key
from tidings.vault.ring import Ring

KEYS = (b"k" * 32,)


class House(NamedTuple):
    """A database of its own, with a project whose credentials are sealed, and the settings for it."""

    settings: Settings
    database: Database

    async def findings(self, **changed: object) -> dict[str, Finding]:
        """Of the checks, the first of each."""
        return {one.check: one for one in reversed((await self.seen(**changed)).findings)}

    async def seen(self, **changed: object) -> Deployment:
        return await examine_deployment(msgspec.structs.replace(self.settings, **changed))


@pytest.fixture(scope="module")
async def house(servers: Servers) -> AsyncIterator[House]:
    async with own_database(servers) as (url, database):
        settings = Settings(
            database_url=url,
            redis_url=servers.redis_url,
            state_dir=servers.state,
            secret_key=SECRET,
            encryption_keys=KEYS,
            port=free_port(),
        )
        load_secret(settings)
        tenant, _ = await create_project(database, "test", 2)
        await current_signer(database)
        async with database.system.acquire() as connection:
            await ensure_data_key(connection, Ring(KEYS), tenant.id)
        yield House(settings, database)


@asynccontextmanager
async def owner(house: House) -> AsyncIterator[Any]:
    """A connection as the owner of the tables."""
    connection = await asyncpg.connect(house.settings.database_url)
    yield connection
    await connection.close()


async def test_what_is_well_is_said_to_be_and_what_is_not_comes_first(house: House) -> None:
    seen = await house.seen()
    found = {one.check: one.severity for one in seen.findings}
    well = ("settings", "redis", "postgresql", "roles", "row-level security", "migrations", "clock", "secret", "encryption keys", "names")
    assert {check: found[check] for check in well} == dict.fromkeys(well, "ok")
    # Nothing of Tidings runs here.
    assert (found["API"], found["Sequencer"]) == ("error", "error")
    severities = [one.severity for one in seen.findings]
    assert severities == sorted(severities, key=["error", "warning", "unknown", "ok"].index)
    assert not seen.ok and seen.reached
    assert all(one.means and one.mend for one in seen.findings if one.severity in ("error", "warning"))


async def test_migrations_that_did_not_run_and_those_of_a_newer_version_are_named(house: House) -> None:
    async with owner(house) as connection:
        name = await connection.fetchval("SELECT max(name) FROM migration WHERE app_name = 'tidings'")
        await connection.execute("UPDATE migration SET name = 'x' || name WHERE name = $1", name)
        pending = (await house.findings())["migrations"]
        await connection.execute("UPDATE migration SET name = $1 WHERE name = 'x' || $1", name)
        await connection.execute("INSERT INTO migration (name, app_name, ran_on) VALUES ('2099-01-01T00:00:00:000000', 'tidings', now())")
        newer = (await house.findings())["migrations"]
        await connection.execute("DELETE FROM migration WHERE name LIKE '2099%'")
    assert (pending.severity, pending.mend) == ("error", ("tidings migrate",)) and name in pending.means
    assert (newer.severity, newer.title) == ("warning", "The schema is of a newer version")


async def test_a_table_without_row_level_security_is_named(house: House) -> None:
    async with owner(house) as connection:
        await connection.execute("ALTER TABLE inbox NO FORCE ROW LEVEL SECURITY")
        found = (await house.findings())["row-level security"]
        await connection.execute("ALTER TABLE inbox FORCE ROW LEVEL SECURITY")
    assert (found.severity, found.title) == ("error", "Row-level security is off: inbox")
    assert found.mend == ("ALTER TABLE inbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;",)


async def test_another_secret_and_missing_encryption_keys_are_told_before_anybody_is_refused(house: House) -> None:
    other = await house.findings(secret_key="another secret, long enough to be one of them", encryption_keys=(b"o" * 32,))
    assert (other["secret"].severity, other["secret"].title) == ("error", "The secret is another one")
    assert other["encryption keys"].title == "The credentials of 1 of 1 projects cannot be opened"
    rotating = await house.findings(encryption_keys=(b"o" * 32, *KEYS))
    assert (rotating["encryption keys"].severity, rotating["encryption keys"].mend) == ("warning", ("tidings vault rewrap",))
    load_secret(house.settings)


async def test_a_redis_that_throws_things_away_is_told(house: House, servers: Servers) -> None:
    async with servers.redis() as redis:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        await redis.config_set("maxmemory", "100mb")
        found = (await house.findings())["redis"]
        await redis.config_set("maxmemory", "0")
        await redis.config_set("maxmemory-policy", "noeviction")
    assert (found.severity, found.title) == ("warning", "Redis throws away what it likes when it is full (allkeys-lru)")


async def test_a_receiver_whose_name_nobody_knows_is_told(house: House) -> None:
    async with owner(house) as connection:
        await connection.execute(
            """INSERT INTO destinations (project, key, connector, config, secrets, events, created_by)
            SELECT id, 'ep_x' || n, 'webhook', json_build_object('url', url), '', '{*}', 'test'
            FROM projects, (VALUES (1, 'https://nobody.invalid/hook'), (2, 'http://localhost:1/hook')) AS hosts (n, url)"""
        )
        found = (await house.findings())["names"]
        await connection.execute("DELETE FROM destinations WHERE key = 'ep_x2'")
        none = (await house.findings())["names"]
        await connection.execute("DELETE FROM destinations WHERE key LIKE 'ep_x%'")
    assert (found.severity, found.title) == ("warning", "1 of 2 receivers have names that nobody knows")
    assert (none.severity, none.title) == ("error", "No receiver's name can be looked up")


async def test_eight_names_that_hang_hold_up_no_other(house: House) -> None:
    released = threading.Event()

    def ask(name: str) -> list[str]:
        if "hangs" in name:
            released.wait(30)
        return ["127.0.0.1"]

    async with owner(house) as connection:
        await connection.execute(
            """INSERT INTO destinations (project, key, connector, config, secrets, events, created_by)
            SELECT id, 'ep_x' || site || n, 'webhook', json_build_object('url', format('https://%s.%s.test/', n, site)), '', '{*}', 'test'
            FROM projects, generate_series(1, 8) AS n, unnest('{answers,hangs}'::text[]) AS site"""
        )
        [found] = await check_names(connection, ask, within_s=1)
        await connection.execute("DELETE FROM destinations WHERE key LIKE 'ep_x%'")
    released.set()
    assert (found.severity, found.title) == ("warning", "8 of 16 receivers have names that nobody knows")
    assert "answers" not in found.means


@pytest.mark.parametrize("wrong", ["crowded", "password"])
async def test_a_postgresql_that_lets_nobody_in_is_not_taken_for_lost(house: House, wrong: str) -> None:
    parts, name = urlsplit(house.settings.database_url or ""), f"nobody_{uuid4().hex[:8]}"
    url = urlunsplit(parts._replace(netloc=f"{name}:{'hidden' if wrong == 'crowded' else 'wrong'}@{parts.hostname}:{parts.port}"))
    async with owner(house) as connection:
        await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hidden' CONNECTION LIMIT 0 IN ROLE tidings_worker")
        try:
            seen = await house.seen(database_url=url)
            if wrong == "crowded":
                status = await status_of(msgspec.structs.replace(house.settings, database_url=url), house.settings.base_url)
                assert "PostgreSQL" in "".join(screen(status, lines_of(status)))
        finally:
            await connection.execute(f"DROP ROLE {name}")
    [found] = [one for one in seen.findings if one.check.lower() == "postgresql"]
    assert not seen.reached and found.title == "PostgreSQL does not let us in"
    assert ("too many connections" if wrong == "crowded" else "password authentication failed") in found.means
    assert ("max_connections" in str(found.mend)) == (wrong == "crowded")
    assert "promote" not in str(seen) and "hidden" not in str(seen)


async def test_a_connection_that_ends_between_two_questions_leaves_the_others_unanswered(house: House) -> None:
    connection = await asyncpg.connect(house.settings.database_url)

    async def is_closed() -> bool:
        return bool(connection.is_closed())

    async with owner(house) as other:
        await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    await until(is_closed)
    assert await asked(connection, shards) is None
    assert [one.severity for one in await answer(check_clock, connection)] == ["unknown"]


async def test_servers_that_are_away_are_told_once_and_the_rest_is_still_looked_at(house: House) -> None:
    seen = await house.seen(
        redis_url=f"redis://me:hidden@127.0.0.1:{free_port()}/0", database_url=f"postgresql://me:hidden@127.0.0.1:{free_port()}/tidings"
    )
    assert not seen.reached
    wrong = [one.check for one in seen.findings if one.severity == "error"]
    assert wrong == ["redis", "postgresql", "API"]
    assert "hidden" not in str(seen)


def test_a_certificate_is_told_of_two_weeks_before_it_ends(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    settings = Settings(tls_certificate=made.certificate, tls_key=made.key)
    now = datetime.now(UTC)
    assert [check_certificates(settings, now - timedelta(days=days))[0].severity for days in (20, 5)] == ["ok", "warning"]
    assert check_certificates(settings, now + timedelta(days=2))[0].severity == "error"


def test_dangerous_settings_and_clocks_apart_are_told() -> None:
    assert [one.severity for one in check_settings(Settings(host="0.0.0.0", demo_project="prj_x"))] == ["error", "warning"]
    assert [judged_clock("PostgreSQL", ahead_s).severity for ahead_s in (0.2, -0.2, 3, -120)] == ["ok", "ok", "warning", "error"]


async def test_the_command_says_it_in_words_as_json_and_by_its_exit_code(house: House) -> None:
    environment = {
        "TIDINGS_DATABASE_URL": house.settings.database_url or "",
        "TIDINGS_REDIS_URL": house.settings.redis_url or "",
        "TIDINGS_STATE_DIR": str(house.settings.state_dir),
        "TIDINGS_SECRET_KEY": SECRET,
        "TIDINGS_PORT": str(house.settings.port),
    }
    code, said, _ = await tidings_command("doctor", **environment)
    assert code == 1
    assert said.startswith("✗ ") and "→ TIDINGS_METRICS_PORT=0 tidings worker sequencer" in said and "✓ Well: " in said
    code, said, _ = await tidings_command(
        "doctor", "--json", **environment | {"TIDINGS_DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/x"}
    )
    report = json.loads(said)
    assert code == 2 and not report["ok"] and report["findings"][0]["mend"]
