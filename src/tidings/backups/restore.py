"""Bringing a backup back: into a new folder, with a cluster of its own, or a dump into an empty database.

What is restored is made ready (`readiness.py`) before anybody reaches it. A folder has its cluster under `postgres/data`: `tidings run`
takes it as TIDINGS_STATE_DIR, and a server of one's own takes the cluster.
"""

import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import msgspec

from tidings.backups.cluster import Cluster, make_cluster, server_programs, started
from tidings.backups.drafts import Place
from tidings.backups.errors import BackupFailed
from tidings.backups.loading import load
from tidings.backups.manifest import Manifest
from tidings.backups.readiness import Ready, make_ready
from tidings.backups.recovery import Moment, Recovery, Tell
from tidings.backups.unpacking import make_folder, refuse_if_too_small
from tidings.errors import Misconfigured, TidingsError
from tidings.platform.embedded.memory import Server, free_port, remember
from tidings.platform.embedded.place import data_folder, make_state
from tidings.platform.embedded.postgres import DATABASE, LOGIN
from tidings.platform.migrate import newest_migration
from tidings.platform.postgres import POSTGRES_AWAY
from tidings.platform.secrets import FILE as SECRET_FILE
from tidings.settings import Settings, redacted_url
from tidings.vault.ring import FILE as RING_FILE

HALF = "half-restored"
# A dump has no indexes, and what is loaded is written into the WAL as well.
LOADED_PER_DUMPED = 2.5
KEY_FILES = (SECRET_FILE, RING_FILE)


class Restored(msgspec.Struct, frozen=True):
    """data: the folder of the cluster; None for a database.   state: what `tidings run` may be given; None where it cannot serve it."""

    backup: str
    kind: str
    seconds: float
    ready: Ready
    data: str | None = None
    state: str | None = None


class Opened(msgspec.Struct, frozen=True):
    """A restored cluster that runs and nobody else reaches. login: who owns the database."""

    cluster: Cluster
    login: str
    database: str
    superuser: str

    @property
    def url(self) -> str:
        return self.cluster.url(self.login, self.database)

    @property
    def superuser_url(self) -> str:
        return self.cluster.url(self.superuser, self.database)


async def restore_into_folder(settings: Settings, place: Place, manifest: Manifest, moment: Moment, target: Path, tell: Tell) -> Restored:
    """Raises Misconfigured when the folder is not empty; BackupFailed, and then the folder is as it was."""
    begun = time.monotonic()
    refuse_unless_new(target)
    with as_it_was_unless_done(target) as (state, folder):
        keep_keys(settings, state)
        half = folder / HALF
        make_folder(half)
        async with restored(settings, place, manifest, moment, half, {}, tell) as opened:
            ready = await make_ready(settings, place, opened.url, tell)
            own = await take_over(opened)
        (half / "data").rename(folder / "data")
        shutil.rmtree(half, ignore_errors=True)
        if own is not None:
            remember(state, "postgres", own)
    return Restored(
        manifest.id, manifest.kind, round(time.monotonic() - begun, 2), ready, str(folder / "data"), str(state) if own is not None else None
    )


@contextmanager
def as_it_was_unless_done(target: Path) -> Iterator[tuple[Path, Path]]:
    """The state folder, and its cluster's. Who failed gives the same command again, and it wants them new. target: has keys at most."""
    there = {path.name for path in target.iterdir()} if target.is_dir() else None
    state = make_state(target)
    folder = data_folder(state, "postgres", fresh=True)
    try:
        yield state, folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            for path in state.iterdir():
                if path.name not in (there or ()):
                    path.unlink()
            if there is None:
                state.rmdir()
        raise


async def restore_into_database(settings: Settings, place: Place, manifest: Manifest, url: str, tell: Tell) -> Restored:
    """Raises Misconfigured when it is not empty, and for a base backup, which is a cluster; BackupFailed."""
    begun = time.monotonic()
    refuse_of_later_version(manifest)
    if manifest.kind != "logical":
        raise Misconfigured(f"{manifest.id} is a base backup: it is restored into a folder (--into FOLDER), as a cluster of its own.")
    await load(settings, place, manifest, url, lambda done: tell("loading", done, plain_size(manifest)))
    try:
        ready = await make_ready(settings, place, url, tell)
    except (TidingsError, *POSTGRES_AWAY) as error:
        raise BackupFailed(
            f"{manifest.id} was loaded, and not made ready: {error or type(error).__name__} Before any process of Tidings is started on "
            f"it, finish that: `TIDINGS_DATABASE_URL={redacted_url(url)} tidings backup settle --yes`."
        ) from error
    return Restored(manifest.id, manifest.kind, round(time.monotonic() - begun, 2), ready)


@asynccontextmanager
async def restored(
    settings: Settings, place: Place, manifest: Manifest, moment: Moment, folder: Path, options: Mapping[str, str], tell: Tell
) -> AsyncIterator[Opened]:
    """As it was, before anything is made ready. folder: empty, of the servers' user; the cluster comes to lie in `folder/data`."""
    refuse_of_later_version(manifest)
    major = int(manifest.origin.postgres.split(".")[0])
    if manifest.wal is not None:
        programs = await server_programs(settings, major, or_later=False)
        recovery = Recovery(place, manifest, folder, programs, tell)
        row = await recovery.fetch(moment)
        async with recovery.recovered(moment, row, options) as cluster:
            yield Opened(cluster, manifest.wal.owner, manifest.wal.database, manifest.wal.superuser)
        return
    if not moment.is_end:
        raise Misconfigured(f"{manifest.id} is a dump, of one moment: it is restored without --to. Base backups go to any moment.")
    refuse_if_too_small(folder, manifest, int(plain_size(manifest) * LOADED_PER_DUMPED))
    programs = await server_programs(settings, major, or_later=True)
    await make_cluster(programs, folder / "data")
    async with started(programs, folder / "data", options) as cluster:
        opened = Opened(cluster, LOGIN, DATABASE, LOGIN)
        await cluster.until_open(LOGIN, lambda _: None)
        connection = await asyncpg.connect(cluster.url(LOGIN, "postgres"))
        await connection.execute(f"CREATE DATABASE {DATABASE}")
        connection.terminate()
        await load(settings, place, manifest, opened.url, lambda done: tell("loading", done, plain_size(manifest)))
        yield opened


def refuse_of_later_version(manifest: Manifest) -> None:
    """Raises Misconfigured."""
    if manifest.origin.migration > newest_migration():
        raise Misconfigured(
            f"{manifest.id} was made by a later version of Tidings ({manifest.origin.product}, schema {manifest.origin.migration}): "
            "restore it with that one."
        )


def plain_size(manifest: Manifest) -> int:
    return sum(artefact.plain_size for artefact in manifest.artefacts)


def refuse_unless_new(target: Path) -> None:
    """The keys of a deployment may lie there already. Raises Misconfigured."""
    there = sorted(path.name for path in target.iterdir() if path.name not in KEY_FILES) if target.is_dir() else []
    if there or (target.exists() and not target.is_dir()):
        raise Misconfigured(f"{target} is not empty ({', '.join(there[:3]) or 'it is no folder'}). Name a new folder; nothing was changed.")


def keep_keys(settings: Settings, state: Path) -> None:
    """Whatever is restored opens under the keys of its deployment only: those that lie in files move with it. Raises Misconfigured."""
    for file, given in ((SECRET_FILE, settings.secret_key), (RING_FILE, settings.encryption_keys or settings.encryption_keys_file)):
        source, target = settings.state_dir / file, state / file
        if given or target.exists():
            continue
        if not source.exists():
            raise Misconfigured(
                f"The deployment's {file} is neither set in the environment nor in {settings.state_dir}. Without it no API key and no "
                f"credential of the backup works: put it back first, there or as {target}."
            )
        shutil.copy2(source, target)


async def take_over(opened: Opened) -> Server | None:
    """Give the login of an embedded server a password of this folder; None when it is no such cluster."""
    if (opened.superuser, opened.database) != (LOGIN, DATABASE):
        return None
    own = Server(free_port(), secrets.token_hex(24))
    connection = await asyncpg.connect(opened.superuser_url, timeout=10)
    try:
        await connection.execute(f"ALTER ROLE {LOGIN} PASSWORD '{own.password}'")
    finally:
        connection.terminate()
    return own
