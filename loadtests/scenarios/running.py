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
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtests.scenarios.killing import Kill, OurOwn, by_command, killing
from loadtests.scenarios.product import bases, product
from loadtests.scenarios.report import Report
from loadtests.scenarios.scenario import Scenario
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
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    async with AsyncExitStack() as stack:
        settings = {
            "LOAD_SCENARIO": ask.name,
            "LOAD_REPORTS": str(ask.reports),
            "LOAD_BASES": ask.host,
            "LOAD_STREAMS": ask.streams,
            "LOAD_KEY": ask.key,
            "LOAD_WEBHOOK_SECRET": secret,
        }
        if scenario.webhooks is not None:
            settings["LOAD_RECEIVER"] = ask.receiver or await stack.enter_async_context(receiving(secret, scenario.webhooks.fails))
        kill: Kill | None = by_command(ask.kill) if ask.kill else None
        own: OurOwn | None = None
        if not ask.host:
            running = await stack.enter_async_context(product(scenario.product))
            settings |= {"LOAD_BASES": ",".join(bases(running)), "LOAD_KEY": running.api_key}
            if scenario.chaos is not None:
                own = OurOwn(running, scenario.chaos)
                kill = own.kill
        async with killing(kill, scenario.chaos, folder) if kill and scenario.chaos else nullcontext():
            await locust(settings, ask.workers, scenario, folder, output)
        if own is not None:
            await own.healed()
    try:
        return msgspec.json.decode((folder / "report.json").read_bytes(), type=Report)
    except FileNotFoundError:
        last = "\n".join((folder / "locust.log").read_text().splitlines()[-15:])
        raise NoReport(f"Locust ended without a report; {folder}/locust.log ends with\n{last}") from None


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
