"""`python -m loadtests.scenarios smoke`: runs a scenario against a product of its own, or one that runs, and says whether it holds.

Exit codes: 0; 1 when a threshold is broken; 2 for wrong use, and when the run did not come to an end.
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

import click
import msgspec

from loadtests.scenarios.killing import Kill, OurOwn, by_command, killing
from loadtests.scenarios.product import bases, product
from loadtests.scenarios.report import Report
from loadtests.scenarios.scenario import Scenario, WrongScenario, known, load
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


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", metavar="[SCENARIO]", default="smoke")
@click.option(
    "--host",
    envvar="HOST",
    default="",
    help="Where a running product is; several with commas. The key is in KEY, of a project for this alone.",
)
@click.option("--streams", envvar="STREAMS", default="", help="Where its streams are, if elsewhere.")
@click.option(
    "--receiver", envvar="RECEIVER", default="", help="A running receiver of webhooks, as the product reaches it. [one of our own]"
)
@click.option("--kill", envvar="KILL", default="", help="With --host and a scenario that kills: the command that kills something.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes of Locust.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path(".load"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--list", "lists", is_flag=True, help="Say which scenarios there are.")
def main(name: str, host: str, streams: str, receiver: str, kill: str, workers: int, reports: Path, as_json: bool, lists: bool) -> None:
    """Run a scenario with Locust: many people at once, and every notification accounted for.

    \b
    Examples:
      python -m loadtests.scenarios smoke
      HOST=https://tidings.example.com KEY=… python -m loadtests.scenarios steady --workers 4
    """
    if lists:
        click.echo("\n".join(f"{one: <8} {load(one).summary}" for one in known()))
        return
    key = os.environ.get("KEY", "")
    try:
        scenario = load(name)
    except WrongScenario as error:
        raise click.BadParameter(str(error), param_hint="SCENARIO") from None
    if host and not key:
        raise click.UsageError("HOST needs KEY, an API key of a project that is there for this alone.")
    if host and scenario.chaos is not None and not kill:
        raise click.UsageError("this scenario kills processes: HOST needs KILL, the command that kills one, as in `kubectl delete pod …`.")
    ask = Ask(name, host, streams, key, receiver, kill, workers, reports.absolute())
    try:
        report = asyncio.run(run(ask, scenario, sys.stderr.fileno() if as_json else sys.stdout.fileno()))
    except NoReport as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    folder = ask.reports / report.scenario
    click.echo((folder / "report.json").read_text() if as_json else f"{folder}/report.html")
    sys.exit(0 if report.holds else 1)


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


if __name__ == "__main__":
    main()
