"""Two versions on one database: the one before goes on with the new schema, and this one waits for its own.

The one before is the last release, or the commit before the newest migration while there is none.
"""

import asyncio
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
import pytest
from own_database import execute
from running import Running, Servers
from stream_house import Stream

from tidings.events.cursor import new_epoch
from tidings.platform.migrate import migrate, pending

ROOT = Path(__file__).parents[2]
MIGRATIONS = "src/tidings/platform/migrations"
FILES = "src/tidings/browser/files"


def git(*arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def commit_before() -> str | None:
    """None where the history does not reach so far."""
    try:
        if tag := git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname").partition("\n")[0]:
            return tag
        newest = git("log", "-1", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/tidings_*.py")
        return git("rev-parse", f"{newest}^")
    except (OSError, subprocess.CalledProcessError):
        return None


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What makes `python -m tidings.cli` the version before, as variables of its environment."""
    commit = commit_before()
    if commit is None:
        pytest.skip("this clone has no history (fetch-depth: 0 brings it): there is no version before to run")
    tree = tmp_path_factory.mktemp("before")
    packed = subprocess.run(("git", "archive", commit, "src/tidings", "workers"), cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tree, filter="data")
    # Built, not kept in git; and of no matter here.
    (tree / FILES).parent.mkdir(parents=True, exist_ok=True)
    if not (tree / FILES).exists():
        (tree / FILES).symlink_to(ROOT / FILES)
    # The folder of the tests has today's workers, and must not come first.
    return {"PYTHONPATH": f"{tree / 'src'}:{tree}", "PYTHONSAFEPATH": "1"}


@pytest.fixture
async def empty(servers: Servers) -> AsyncIterator[str]:
    name = f"versions_{uuid4().hex[:12]}"
    await execute(servers, f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}"))
    await execute(servers, f"DROP DATABASE {name} WITH (FORCE)")


async def test_the_version_before_serves_on_the_new_schema(tidings: Running, before: dict[str, str]) -> None:
    project = await tidings.new_project("before")
    api, _ = await asyncio.gather(tidings.another_api(**before), tidings.another_worker("sequencer", **before))
    # So that what is published goes through the sequencer of the version before, too.
    await tidings.sequencer.end()
    project.base_url = api.base_url
    token = {"Authorization": f"Bearer {await project.token('alice')}"}

    async with aiohttp.ClientSession(api.base_url, headers=token) as session:
        stream = Stream(await session.get("/v1/stream"))
        await stream.next()
        published = [await project.publish(title, ["alice"]) for title in ("one", "two")]

        assert await stream.titles(2) == ["one", "two"]
        async with session.get("/v1/inbox") as answer:
            assert {item["id"] for item in (await answer.json())["items"]} == set(published)
        # What it wrote is read by this version, and the other way round.
        project.base_url = tidings.base_url
        await project.publish("three", ["alice"])
        assert await stream.titles(1) == ["three"]


async def test_this_version_does_not_start_before_its_migration_and_says_so(
    tidings: Running, before: dict[str, str], empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the migrations that it lacked; the others are the same, since none is ever changed.
    of_before = Path(before["PYTHONPATH"].partition(":")[0], "tidings/platform/migrations")
    for path in of_before.iterdir():
        (tmp_path / path.name).symlink_to(ROOT / MIGRATIONS / path.name)
    with monkeypatch.context() as older:
        older.setattr("tidings.platform.piccolo_app.APP_CONFIG.migrations_folder_path", str(tmp_path))
        await migrate(empty, 1, new_epoch)

    environment = tidings.environment | {"TIDINGS_DATABASE_URL": empty}
    (code, _, said), (asked, out, _) = await asyncio.gather(
        cli(environment, "api", "--port", "1"), cli(environment, "migrate", "--check", "--json")
    )
    assert (code, "tidings migrate" in said) == (3, True), said
    (waiting, *_) = json.loads(out)["pending"]
    assert (asked, waiting["kind"]) == (3, "expand")

    assert await migrate(empty, 1, new_epoch)
    assert await pending(empty) == []


async def cli(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, and both outputs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidings.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), said.decode()
