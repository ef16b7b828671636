"""A peer's process and its scratch folder: started, waited for, ended with the bench."""

import asyncio
import signal
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.figures import Skipped
from tidings.platform.lifeline import signalled_with_parent

STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 10.0


@asynccontextmanager
async def scratch() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tidings-peer-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@asynccontextmanager
async def started(
    words: Sequence[str], folder: Path, port: int | None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """The process, once it accepts connections at `port`. Raises Skipped, with the end of its log, when it does not come up."""
    log = folder / f"{Path(words[0]).name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *words, cwd=folder, env=environment, stdout=output, stderr=output, preexec_fn=signalled_with_parent(signal.SIGTERM)
        )
    try:
        if port is not None:
            await until_it_accepts(process, port, log)
        yield process
    finally:
        await end(process)


async def until_it_accepts(process: Process, port: int, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise Skipped(f"did not start: {log.read_text(errors='replace')[-300:].strip() or 'and said nothing'}")


async def end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), ENDS_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
