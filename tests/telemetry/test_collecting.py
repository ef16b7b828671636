"""How lines are collected: the configuration that is shipped, run by the real program where there is one."""

import asyncio
import json
import os
import re
import shutil
from asyncio.subprocess import STDOUT
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from running import until
from webhook_receiver import Receiver, receiving

from telemetry.conftest import Telling

LOGGING = Path(__file__).parents[2] / "k8s" / "logging"
# What a line may have, by docs/observability.md.
MEMBERS = {"time", "level", "process", "message", "where", "request", "project", "trace", "delivery", "exception"}


async def test_lines_of_real_processes_come_to_loki_and_elasticsearch_with_their_members(telling: Telling, tmp_path: Path) -> None:
    api = telling.tidings.log_of(telling.tidings.api)
    line = json.dumps(telling.lines(telling.tidings.api)[0] | {"message": 'a "quoted" one \\ ü', "request": "order-17", "trace": "a" * 32})
    (tmp_path / "api.log").write_text(f"{api}{line}\nno line of ours\n")
    expected = [json.loads(one) for one in [*api.splitlines(), line]]
    async with receiving() as receiver:
        collector = await start_collector(tmp_path, receiver)
        try:
            for path, read in (("/loki/api/v1/push", in_loki), ("/logs-tidings-default/_bulk", in_elasticsearch)):

                async def complete(path: str = path, read: Any = read) -> bool:
                    return len(read(receiver, path)) >= len(expected)

                await until(complete, 30, f"{len(expected)} lines come to {path}; {(tmp_path / 'collector.log').read_text()}")
            assert in_loki(receiver, "/loki/api/v1/push") == expected
            assert in_elasticsearch(receiver, "/logs-tidings-default/_bulk") == [one | {"@timestamp": one["time"]} for one in expected]
            [stream] = [stream for stream in streams(receiver) if stream["values"][0][2]["request"] == "order-17"]
            assert stream["stream"] == {"service": "tidings", "process": "api", "level": expected[-1]["level"]}
            assert stream["values"][0][2]["trace"] == "a" * 32
        finally:
            collector.kill()
            await collector.wait()


async def start_collector(folder: Path, receiver: Receiver) -> asyncio.subprocess.Process:
    program = shutil.which("syslog-ng", path=os.environ["PATH"] + ":/usr/sbin")
    assert program is not None, "the tests of logs need syslog-ng with its HTTP module (.ci/system-packages brings both)"
    places = [f"--{name}={folder / name}" for name in ("persist-file", "pidfile", "control")]
    environment = {"TIDINGS_LOGS": str(folder), "LOKI_URL": receiver.base_url, "ELASTIC_URL": receiver.base_url}
    with (folder / "collector.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *(program, "--foreground", "--no-caps", "--cfgfile", str(LOGGING / "syslog-ng.conf"), *places),
            env=dict(os.environ) | environment,
            stdout=log,
            stderr=STDOUT,
        )


def streams(receiver: Receiver) -> list[Any]:
    return [stream for one in receiver.at("/loki/api/v1/push") for stream in json.loads(one.body)["streams"]]


def in_loki(receiver: Receiver, _: str) -> list[Any]:
    """The lines, in the order of their times."""
    values = sorted((value for stream in streams(receiver) for value in stream["values"]), key=lambda value: int(value[0]))
    return [json.loads(value[1]) for value in values]


def in_elasticsearch(receiver: Receiver, path: str) -> list[Any]:
    lines = [json.loads(line) for one in receiver.at(path) for line in one.body.splitlines()]
    assert all(line == {"create": {}} for line in lines[::2])
    return sorted(lines[1::2], key=lambda line: str(line["time"]))


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("alloy.alloy", r"(\w+) = \"\""),
        ("filebeat.yml", r"\btidings\.(\w+)"),
        ("fluent-bit.yaml", r"time_key: (\w+)"),
        ("syslog-ng.conf", r"\.tidings\.(\w+)"),
    ],
)
def test_what_is_shipped_names_members_that_lines_have(name: str, named: str) -> None:
    text = (LOGGING / name).read_text()
    found = set(re.findall(named, text))
    assert found and found <= MEMBERS
    if name.endswith((".yml", ".yaml")):
        assert isinstance(yaml.safe_load(text), dict)
