"""Lines of the log, as a process of its own writes them."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import Any

import pytest

from tidings.platform.logging import MOST_BYTES

SPEAKER = """
import logging, threading, warnings
from loguru import logger
from tidings.platform.logging import configure_logging
from tidings.platform.telemetry.belonging import Belonging, belong_to
from tidings.platform.telemetry.context import Context
from tidings.settings import Settings

configure_logging(Settings(log_format="{form}"), "speaker")
logger.info("forged\\n12:00:00 INFO admin signed in\\x1b[31m")
logger.info("long " + "x" * 1_000_000)
logger.bind(url="https://me:canary@example.com/?token=canary", much=["y"] * 1_000_000).info("with more")
for name in ("uvicorn.error", "arq.worker", "litestar", "asyncio"):
    logging.getLogger(name).warning("said by %s, Bearer %s", name, "canary-canary")
warnings.warn("an old way")
logger.info("at redis://:canary@canary-word@host")
logger.info("a line\\x85of \\x9b2Jits own")
try:
    raise OSError("cleared \\x1b[2J\\x9b2J\\r\\u202812:00:00 INFO forged\\n12:00:00 INFO admin signed in")
except OSError:
    logging.getLogger("lib").exception("")

def deep(level):
    if level == 0:
        raise ValueError("redis://user:canary@host went away " + "z" * 100_000)
    deep(level - 1)

belong_to(Belonging("request-1", Context("a" * 32, "b" * 16, True), "prj_1", "delivery-1"))
try:
    deep(300)
except ValueError:
    logger.exception("caught")
belong_to(None)
thread = threading.Thread(target=deep, args=(1,))
thread.start()
thread.join()
deep(2)
"""


async def spoken(form: str) -> str:
    speaker = await asyncio.create_subprocess_exec(sys.executable, "-c", SPEAKER.replace("{form}", form), stderr=PIPE)
    _, said = await asyncio.wait_for(speaker.communicate(), 60)
    assert speaker.returncode == 1
    return said.decode()


@pytest.fixture(scope="module")
async def as_json() -> list[dict[str, Any]]:
    text = await spoken("json")
    assert max(map(len, text.encode().splitlines())) <= MOST_BYTES
    assert "canary" not in text
    return [json.loads(line) for line in text.splitlines()]


def the(lines: list[dict[str, Any]], start: str) -> dict[str, Any]:
    [line] = [line for line in lines if line["message"].startswith(start)]
    return line


async def test_a_line_is_one_line_and_bounded_and_tells_what_it_left_out(as_json: list[dict[str, Any]]) -> None:
    assert the(as_json, "forged")["message"] == "forged\\n12:00:00 INFO admin signed in\\x1b[31m"
    assert the(as_json, "a line")["message"] == "a line\\x85of \\x9b2Jits own"
    assert the(as_json, "at redis")["message"] == "at redis://***@host"
    assert "characters are left out" in the(as_json, "long")["message"]
    more = the(as_json, "with more")
    assert more["url"] == "https://***@example.com/?token=***"
    assert "characters are left out" in more["much"]


async def test_what_libraries_say_goes_the_same_way(as_json: list[dict[str, Any]]) -> None:
    for name in ("uvicorn.error", "arq.worker", "litestar", "asyncio"):
        line = the(as_json, f"said by {name}")
        assert (line["level"], line["process"], line["where"].rpartition(":")[0]) == ("WARNING", "speaker", name)
    assert [line for line in as_json if "an old way" in line["message"]]


async def test_a_failure_names_what_it_belongs_to_and_ends_with_its_cause(as_json: list[dict[str, Any]]) -> None:
    line = the(as_json, "caught")
    belongs = {name: line[name] for name in ("request", "project", "trace", "delivery")}
    assert belongs == {"request": "request-1", "project": "prj_1", "trace": "a" * 32, "delivery": "delivery-1"}
    assert line["exception"].startswith("Traceback") and line["exception"].count("Traceback") == 1
    assert "request" not in the(as_json, "long")


async def test_a_failure_of_which_nothing_is_said_is_a_line_all_the_same(as_json: list[dict[str, Any]]) -> None:
    [line] = [line for line in as_json if line["message"] == ""]
    assert line["exception"].startswith("Traceback") and "OSError: cleared" in line["exception"]


async def test_what_nobody_caught_is_a_line_too(as_json: list[dict[str, Any]]) -> None:
    uncaught = [line for line in as_json if line["message"] == "Nobody caught ValueError"]
    assert [line["level"] for line in uncaught] == ["CRITICAL"] * 2
    assert all("deep" in line["exception"] for line in uncaught)


async def test_lines_for_people_say_the_same() -> None:
    text = await spoken("text")
    assert "canary" not in text
    assert "\n12:00:00 INFO" not in text and "cleared \\x1b[2J\\x9b2J\\x0d 12:00:00 INFO forged" in text
    assert not set(text) & set(map(chr, (*range(10), *range(11, 32), *range(127, 160), 0x2028, 0x2029)))
    assert "caught request=request-1 project=prj_1 trace=" + "a" * 32 + " delivery=delivery-1\n  Traceback" in text
    assert "Nobody caught ValueError" in text and max(map(len, text.encode().splitlines())) <= MOST_BYTES
