"""Runs a scenario: a product of its own unless one runs, the receiver, the killing, and Locust as processes of their own.

Locust changes how Python waits, for its whole process; so nothing here imports it.
"""

import asyncio
import os
import secrets
import shutil
import signal
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from loadtests.scenarios.killing import OurOwn, by_command, killing
from loadtests.scenarios.product import bases, product
from loadtests.scenarios.report import Report, write
from loadtests.scenarios.scenario import Chaos, Scenario
from tidings.platform.embedded.memory import free_port

ROOT = Path(__file__).parents[2]
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
# What a scenario takes beside its stages, gathering and settling: starting and stopping.
ALLOWANCE_S = 60.0


class NoReport(Exception):
    """Locust ended without one."""


@dataclass(frozen=True)
class Ask:
    """name: a scenario's, or its file.   host, streams: of one that runs; empty for one of our own.   receiver: as that reaches it."""

    name: str
    host: str
    streams: str
    key: str
    receiver: str
    kill: str
    workers: int
    reports: Path


async def run(ask: Ask, scenario: Scenario, output: int) -> Report:
    """Raises NoReport. output: the descriptor for progress."""
    folder = ask.reports / Path(ask.name).stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        settings = settings_of(ask)
        if scenario.webhooks is not None:
            secret, fails = settings["LOAD_WEBHOOK_SECRET"], scenario.webhooks.fails
            settings["LOAD_RECEIVER"] = ask.receiver or await stack.enter_async_context(receiving(secret, fails))
        if ask.host:
            async with killing(by_command(ask.kill), scenario.chaos, folder):
                await locust(settings, ask.workers, scenario, folder, output)
            return read(folder)
        running = await stack.enter_async_context(product(scenario.product))
        settings |= {"LOAD_BASES": ",".join(bases(running)), "LOAD_KEY": running.api_key}
        own = OurOwn(running, scenario.chaos or Chaos())
        async with killing(own.kill, scenario.chaos, folder):
            await locust(settings, ask.workers, scenario, folder, output)
        return with_deaths(read(folder), await own.deaths(), folder)


def settings_of(ask: Ask) -> dict[str, str]:
    return {
        "LOAD_SCENARIO": ask.name,
        "LOAD_REPORTS": str(ask.reports),
        "LOAD_BASES": ask.host,
        "LOAD_STREAMS": ask.streams,
        "LOAD_KEY": ask.key,
        "LOAD_WEBHOOK_SECRET": "whsec_" + b64encode(secrets.token_bytes(32)).decode(),
    }


def read(folder: Path) -> Report:
    """Raises NoReport."""
    try:
        return msgspec.json.decode((folder / "report.json").read_bytes(), type=Report)
    except FileNotFoundError:
        last = "\n".join((folder / "locust.log").read_text().splitlines()[-15:])
        raise NoReport(f"Locust ended without a report; {folder}/locust.log ends with\n{last}") from None


def with_deaths(report: Report, deaths: Sequence[str], folder: Path) -> Report:
    """Of processes that nobody killed: nothing holds then."""
    if not deaths:
        return report
    report = replace(report, holds=False, told=[*(f"{name} died by itself" for name in deaths), *report.told])
    write(report, folder)
    return report


async def locust(settings: Mapping[str, str], workers: int, scenario: Scenario, folder: Path, output: int) -> None:
    words = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", "--html", str(folder / "locust.html")]
    if workers > 1:
        words += ["--processes", str(workers)]
    environment = os.environ | settings | {"PYTHONPATH": str(ROOT), "LOCUST_HOST": settings["LOAD_BASES"].partition(",")[0]}
    with (folder / "locust.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*words, env=environment, stdout=output, stderr=log, cwd=ROOT, start_new_session=True)
    try:
        await asyncio.wait_for(process.wait(), scenario.gather_s + scenario.seconds + scenario.settle_s + ALLOWANCE_S)
    except TimeoutError:
        raise NoReport(f"Locust did not come to an end; see {folder}/locust.log") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


@asynccontextmanager
async def receiving(secret: str, fails: float) -> AsyncIterator[str]:
    """A receiver on this machine; where it is."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.scenarios.receiver", "--port", str(port), "--fails", str(fails)),
        env=os.environ | {"LOAD_WEBHOOK_SECRET": secret},
        cwd=ROOT,
    )
    try:
        await listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def listening(port: int, within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
