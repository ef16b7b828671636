"""Peers that are Debian packages: installed when that is possible here, asked for in words when it is not."""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence

from loadtests.figures import Skipped

INSTALLS_WITHIN_S = 180.0
# RUNLEVEL=1 keeps a package from starting its service, which would take port 80 and the CPU.
QUIETLY = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


async def need(packages: Sequence[str], is_there: Callable[[], bool]) -> None:
    """Install the packages unless what is needed of them is there. Raises Skipped where they cannot be had."""
    if is_there():
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Skipped(f"not installed; as root: apt-get install {' '.join(packages)}")
    await apt_get("update", "-qq", may_fail=True)
    await apt_get("install", "-y", "-qq", "--no-install-recommends", *packages)
    if not is_there():
        raise Skipped(f"{' '.join(packages)} did not bring what is needed")


async def apt_get(*words: str, may_fail: bool = False) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("apt-get", *words, stdout=pipe, stderr=pipe, env=os.environ | QUIETLY)
    try:
        _, complaint = await asyncio.wait_for(process.communicate(), INSTALLS_WITHIN_S)
    except TimeoutError:
        process.kill()
        raise Skipped(f"apt-get {words[0]} took longer than {INSTALLS_WITHIN_S:.0f} s") from None
    if process.returncode != 0 and not may_fail:
        raise Skipped(f"apt-get {' '.join(words)} failed: {complaint.decode(errors='replace')[-300:]}")


async def version_of(package: str) -> str:
    """As Debian has it; "unknown" where it was installed some other way."""
    if shutil.which("dpkg-query") is None:
        return "unknown"
    words = ("dpkg-query", "-W", "-f", "${Version}", package)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    said, _ = await process.communicate()
    return said.decode().strip() or "unknown"
