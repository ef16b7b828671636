"""A base backup on its way out of the store into a data folder, as the user who will run the server."""

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from pathlib import Path

from tidings.backups.artefacts import read_artefact
from tidings.backups.drafts import Place
from tidings.backups.errors import BackupFailed, DiskFull, ProgramFailed
from tidings.backups.manifest import Artefact, Manifest
from tidings.backups.programs import end_process, last_words
from tidings.platform.embedded.place import as_runner, runner

TOLD_EVERY_BYTES = 16 * 1024 * 1024


async def unpack(place: Place, manifest: Manifest, artefact: Artefact, data: Path, tell: Callable[[int], None]) -> None:
    """tell: told how many bytes are there.

    Raises Missing, Damaged, WrongKey or StoreFailed of what is in the store, DiskFull, ProgramFailed.
    """
    make_folder(data)
    async with aclosing(counted(read_artefact(place.store, place.keys, manifest.id, artefact), tell)) as source:
        await feed(source, "tar", "--extract", "--file=-", f"--directory={data}")


def refuse_if_too_small(folder: Path, manifest: Manifest, needed: int) -> None:
    """Rather than fill it, and with it the living server whose data lies there too. needed: bytes. Raises DiskFull."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(f"{folder} has {free // 2**20} MiB free, and {manifest.id} takes about {needed // 2**20} MiB. Nothing was restored.")


def make_folder(folder: Path) -> None:
    """Of the user who runs the server, and of nobody else."""
    folder.mkdir(mode=0o700)
    give_to_runner(folder)


def give_to_runner(path: Path) -> None:
    user = runner()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


async def counted(source: AsyncIterator[bytes], tell: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    there, told = 0, 0
    async for some in source:
        yield some
        there += len(some)
        if there - told >= TOLD_EVERY_BYTES:
            told = there
            tell(there)
    tell(there)


async def feed(source: AsyncIterator[bytes], program: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    """Run a program, as the servers' user, on what the source gives. What is wrong with the source is told first: it is the cause."""
    process = await asyncio.create_subprocess_exec(
        *(program, *arguments),
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=PIPE,
        cwd="/",
        env=environment or {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        **as_runner(),
    )
    saying = asyncio.create_task(last_words(process))
    assert process.stdin is not None
    try:
        with suppress(ConnectionError):  # it has ended, and said why
            async for some in source:
                process.stdin.write(some)
                await process.stdin.drain()
            process.stdin.close()
            await process.stdin.wait_closed()
        said = await saying
        if await process.wait() != 0:
            raise ended(Path(program).name, said)
    finally:
        await end_process(process)
        saying.cancel()


def ended(program: str, said: str) -> BackupFailed:
    kind = DiskFull if "No space left" in said else ProgramFailed
    return kind(f"{program} failed: {said or 'it said nothing'}")
