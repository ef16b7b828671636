"""sse-starlette under uvicorn with uvloop and httptools: the usual way to have event streams in Python. From PyPI, in a venv of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.peers import Peer
from loadtests.peers.process import scratch, started
from loadtests.peers.pypi import environment
from tidings.platform.embedded.memory import free_port

VERSION = "3.7.0"
# uvicorn, uvloop and httptools as Tidings has them, so that only what stands on them differs.
REQUIREMENTS = (f"sse-starlette=={VERSION}", "starlette", "uvicorn==0.54.0", "uvloop>=0.22,<0.24", "httptools>=0.9,<0.10")
# In a folder of its own, since the server looks for modules there.
APP = Path(__file__).with_name("starlette_app") / "app.py"


@asynccontextmanager
async def sse_starlette() -> AsyncIterator[Peer]:
    """Raises Skipped where it cannot be had."""
    python = await environment(f"sse-starlette-{VERSION}", REQUIREMENTS)
    port = free_port()
    server = [str(python), "-m", "uvicorn", "--app-dir", str(APP.parent), "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    quiet = ["--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "1", "--backlog", "4096"]
    async with scratch() as folder, started([*server, *quiet, f"{APP.stem}:app"], folder, port) as process:
        yield Peer("sse-starlette", f"{VERSION} (uvicorn 0.54.0)", port, [process.pid], "/", "/", port)
