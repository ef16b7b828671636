"""Compiling our C programs on first use, into a cache of the user's, by what their sources say: nothing is left in the repository."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from loadtests.figures import Skipped

SOURCES = Path(__file__).parent
FLAGS = ("-std=gnu17", "-O2", "-Wall", "-Wextra")
PROGRAMS = ("publish", "streams", "crowd")


def built(client: str) -> Path:
    """The executable of a load client. Every client is linked with all that is no client: one compiler call of a second, not rules."""
    parts = [source for source in sorted(SOURCES.glob("*.c")) if source.stem not in PROGRAMS]
    return built_from([SOURCES / f"{client}.c", *parts])


def built_from(sources: Sequence[Path]) -> Path:
    """The executable, named after the first source; compiled if these were never. Raises Skipped when there is no compiler."""
    executable = cache_folder() / f"{sources[0].stem}-{version(sources)}"
    if not executable.exists():
        compile_to(executable, sources)
    return executable


def cache_folder() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidings-load"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def version(sources: Sequence[Path]) -> str:
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    headers = sources[0].parent.glob("*.h")
    for source in sorted({*sources, *headers}):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def compile_to(executable: Path, sources: Sequence[Path]) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Skipped("the load clients need a C compiler (Debian: apt-get install gcc libc6-dev)")
    # Under its own name only when it is whole: several measures may build at once.
    unfinished = executable.with_suffix(f".{os.getpid()}")
    result = subprocess.run([compiler, *FLAGS, "-o", unfinished, *sources], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{sources[0].name} does not compile:\n{result.stderr[:3000]}")
    unfinished.rename(executable)
