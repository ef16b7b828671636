"""A collector of OpenTelemetry's as a process of its own, which prints what it takes: Rotel, from its wheel."""

import asyncio
import importlib.util
import re
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from running import listens, until

from tidings.platform.embedded.memory import free_port

MEMBER = re.compile(r"\s*([A-Z][A-Za-z ]*?)\s*: ?(.*)")
ATTRIBUTE = re.compile(r"\s+-> ([\w.]+): \w+\((.*)\)")


@dataclass
class Taken:
    """A span as the collector understood it. members: as in `Parent ID`.   resource: of the process it came from."""

    resource: dict[str, str]
    members: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.members["Name"]

    @property
    def trace(self) -> str:
        return self.members["Trace ID"]

    @property
    def id(self) -> str:
        return self.members["ID"]

    @property
    def parent(self) -> str:
        return self.members["Parent ID"]

    @property
    def service(self) -> str:
        return self.resource["service.name"]

    @property
    def is_failure(self) -> bool:
        return self.members["Status code"] == "STATUS_CODE_ERROR"


class Collector:
    def __init__(self, url: str) -> None:
        self.url = url
        self.printed = ""

    @property
    def spans(self) -> list[Taken]:
        """What is printed whole."""
        return parsed(self.printed)

    async def trace(self, trace: str, *names: str, within: float = 20) -> dict[str, list[Taken]]:
        """The spans of a trace by their names, as soon as there is one of each."""

        async def complete() -> dict[str, list[Taken]] | None:
            found: dict[str, list[Taken]] = {}
            for span in self.spans:
                if span.trace == trace:
                    found.setdefault(span.name, []).append(span)
            return found if set(names) <= set(found) else None

        spans: dict[str, list[Taken]] = await until(complete, within, f"the collector has {names}; it has {self.printed[-3000:]}")
        return spans


def parsed(printed: str) -> list[Taken]:
    spans: list[Taken] = []
    resource: dict[str, str] = {}
    current = resource
    for line in printed.splitlines():
        if line.startswith("ResourceSpans #"):
            resource = current = {}
        elif line.startswith("ScopeSpans #"):
            current = {}
        elif line.startswith("Span #"):
            spans.append(Taken(resource))
            current = spans[-1].attributes
        elif attribute := ATTRIBUTE.fullmatch(line):
            current[attribute[1]] = attribute[2]
        elif spans and (member := MEMBER.fullmatch(line)):
            spans[-1].members.setdefault(member[1], member[2])
    return [span for span in spans if "Status message" in span.members]


def program() -> Path:
    found = importlib.util.find_spec("rotel")
    assert found is not None, "the tests of traces need the collector that requirements-dev.lock has for Linux (rotel)"
    assert found.origin is not None
    return Path(found.origin).parent / "rotel-agent"


@asynccontextmanager
async def collecting(folder: Path, port: int | None = None) -> AsyncIterator[Collector]:
    port = port or free_port()
    process = await asyncio.create_subprocess_exec(
        *(str(program()), "start", "--exporter", "blackhole", "--debug-log", "traces", "--debug-log-verbosity", "detailed"),
        *("--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}"),
        *("--pid-file", str(folder / "rotel.pid"), "--log-file", str(folder / "rotel.log")),
        stdout=PIPE,
        stderr=STDOUT,
    )
    collector = Collector(f"http://127.0.0.1:{port}")
    reading = asyncio.create_task(read(process, collector))
    try:
        await until(lambda: listens(port), 20, "the collector listens")
        yield collector
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def read(process: Process, collector: Collector) -> None:
    assert process.stdout is not None
    while text := await process.stdout.read(65536):
        collector.printed += text.decode()
