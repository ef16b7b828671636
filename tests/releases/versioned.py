"""Tidings under another version's name, with a fault that a file switches on: what a bad release looks like from outside.

RELEASE_VERSION: the name.   RELEASE_FAULT: the file; it holds `errors`, `lag`, `ends`, or is not there.
"""

import importlib
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tidings
import tidings.stream.fan_out
from tidings.events.entry import LogEvent
from tidings.platform.metrics import REQUESTS
from tidings.stream.hub import Hub
from tidings.stream.shard import Shard

FAULT = Path(os.environ["RELEASE_FAULT"])
# Of publishes.
FAILING = 0.3
LATE_S = 1.1

deliver_well = tidings.stream.fan_out.deliver
PROBLEM = json.dumps({"title": "Something went wrong on our side", "status": 500}).encode()


def fault() -> str:
    try:
        return FAULT.read_text()
    except OSError:
        return ""


def deliver(hub: Hub, shard: Shard, events: Sequence[LogEvent]) -> None:
    match fault():
        case "lag":
            time.sleep(LATE_S)  # as a call that blocks the loop
        case "ends":
            for connection in hub.everyone():
                connection.close_with(b"", "drain")
    deliver_well(hub, shard, events)


class Failing:
    """ASGI: publishes that the version before would have taken are answered with 500."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/v1/notifications" or fault() != "errors" or random.random() > FAILING:
            await self.app(scope, receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        REQUESTS.labels(500).inc()
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(PROBLEM)).encode())]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": PROBLEM})


def main() -> None:
    # Before anything imports them by name.
    tidings.__version__ = os.environ["RELEASE_VERSION"]
    tidings.stream.fan_out.deliver = deliver
    api, command_line = importlib.import_module("tidings.cli.api"), importlib.import_module("tidings.cli")
    create_well = api.create_front
    api.create_front = lambda *given: Failing(create_well(*given))  # type: ignore[attr-defined]
    command_line.main()


if __name__ == "__main__":
    main()
