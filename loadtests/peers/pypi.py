"""Peers from PyPI, each in a venv of its own that is made on first use."""

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.client.build import cache_folder
from loadtests.figures import Skipped

INSTALLS_WITHIN_S = 120.0


async def environment(name: str, requirements: Sequence[str]) -> Path:
    """The Python of the venv. Raises Skipped where it cannot be had. name: with the version, so that another one is another venv."""
    folder = cache_folder() / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    await install(sys.executable, "-m", "venv", str(folder))
    await install(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
    (folder / "complete").touch()
    return python


async def install(*words: str, folder: Path | None = None) -> None:
    """Raises Skipped."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe, env=environment, cwd=folder)
    try:
        _, complaint = await asyncio.wait_for(process.communicate(), INSTALLS_WITHIN_S)
    except TimeoutError:
        process.kill()
        raise Skipped(f"{' '.join(words[1:4])} took longer than {INSTALLS_WITHIN_S:.0f} s") from None
    if process.returncode != 0:
        raise Skipped(f"could not be installed: {complaint.decode(errors='replace')[-300:].strip()}")
