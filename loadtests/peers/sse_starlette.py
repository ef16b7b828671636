"""sse-starlette under uvicorn with uvloop and httptools: the usual way to have event streams in Python. From PyPI, in a venv of its own."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.client.build import cache_folder
from loadtests.figures import Skipped
from loadtests.peers import Peer
from loadtests.peers.process import scratch, started
from tidings.platform.embedded.memory import free_port

VERSION = "3.7.0"
# uvicorn, uvloop and httptools as Tidings has them, so that only what stands on them differs.
REQUIREMENTS = (f"sse-starlette=={VERSION}", "starlette", "uvicorn==0.54.0", "uvloop>=0.22,<0.24", "httptools>=0.9,<0.10")
INSTALLS_WITHIN_S = 120.0
# In a folder of its own, since the server looks for modules there.
APP = Path(__file__).with_name("starlette_app") / "app.py"


@asynccontextmanager
async def sse_starlette() -> AsyncIterator[Peer]:
    """Raises Skipped where it cannot be had."""
    python = await environment()
    port = free_port()
    server = [str(python), "-m", "uvicorn", "--app-dir", str(APP.parent), "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    quiet = ["--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "1", "--backlog", "4096"]
    async with scratch() as folder, started([*server, *quiet, f"{APP.stem}:app"], folder, port) as process:
        yield Peer("sse-starlette", f"{VERSION} (uvicorn 0.54.0)", port, [process.pid], "/", "/", port)


async def environment() -> Path:
    """The Python of the venv, made on first use."""
    folder = cache_folder() / f"sse-starlette-{VERSION}-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    await run(sys.executable, "-m", "venv", str(folder))
    await run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS)
    (folder / "complete").touch()
    return python


async def run(*words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe, env=environment)
    try:
        _, complaint = await asyncio.wait_for(process.communicate(), INSTALLS_WITHIN_S)
    except TimeoutError:
        process.kill()
        raise Skipped(f"{' '.join(words[1:4])} took longer than {INSTALLS_WITHIN_S:.0f} s") from None
    if process.returncode != 0:
        raise Skipped(f"could not be installed: {complaint.decode(errors='replace')[-300:].strip()}")
