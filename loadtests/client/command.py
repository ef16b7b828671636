"""Running a load client: its command line, and its answer decoded."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from loadtests.client.build import built

# Above the client's own bound on its run, within which it prints what it has.
GRACE_S = 45.0

Answer = TypeVar("Answer")


class ClientFailed(Exception):
    """The load client gave up; says what it wrote."""


def joined(pids: Sequence[int]) -> str | None:
    return ",".join(map(str, pids)) or None


def named(headers: Mapping[str, str]) -> list[str]:
    """Headers as the clients take them."""
    return [f"{name}: {value}" for name, value in headers.items()]


@contextmanager
def handed(content: bytes) -> Iterator[str | None]:
    """A file of it while it is needed; None when there is nothing."""
    if not content:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="tidings-load-") as file:
        file.write(content)
        file.flush()
        yield file.name


def lines_file(lines: Sequence[str]) -> AbstractContextManager[str | None]:
    return handed("".join(f"{line}\n" for line in lines).encode())


def arguments(options: Mapping[str, Any]) -> list[str]:
    """As the command line has them: a list repeats its option, None and False leave it out."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            for one in value if isinstance(value, list) else [value]:
                words += [f"--{name}", str(one)]
    return words


async def run(
    program: str, options: Mapping[str, Any], bound_s: float, answer: type[Answer], on_open: Callable[[], None] | None = None
) -> Answer:
    """Raises ClientFailed, and Skipped where it cannot be built. on_open: called when the client says that all streams are open."""
    executable: Path = await asyncio.to_thread(built, program)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(executable, *arguments(options), stdout=pipe, stderr=pipe)
    complaints: list[str] = []
    try:
        async with asyncio.timeout(bound_s + GRACE_S):
            assert process.stdout is not None
            assert process.stderr is not None
            said, _ = await asyncio.gather(process.stdout.read(), hear_complaints(process.stderr, complaints, on_open))
            await process.wait()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0 or not said:
        raise ClientFailed(f"{program} ended with {process.returncode}: {' '.join(complaints)[:1000]}")
    return msgspec.json.decode(said, type=answer)


async def hear_complaints(stderr: asyncio.StreamReader, complaints: list[str], on_open: Callable[[], None] | None) -> None:
    async for line in stderr:
        if line != b"open\n":
            complaints.append(line.decode(errors="replace").strip())
        elif on_open is not None:
            on_open()
