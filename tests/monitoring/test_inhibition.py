"""One cause, one page: a running Alertmanager keeps quiet about what follows from what it has told."""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from running import until

from monitoring.rules import ALERTMANAGER
from tidings.platform.embedded.memory import free_port


@pytest.fixture(scope="module")
async def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Its address. Without secrets it can tell nobody, which is no concern here."""
    program = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    assert program is not None, ".ci/system-packages brings it"
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    config = Path(folder / "config.yml")
    config.write_text(ALERTMANAGER.read_text().replace("group_wait: 10s", "group_wait: 1h").replace("group_wait: 0s", "group_wait: 1h"))
    process = await asyncio.create_subprocess_exec(
        *(
            program,
            f"--config.file={config}",
            f"--storage.path={folder}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ),
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    base_url = f"http://127.0.0.1:{port}"
    await until(lambda: answers(base_url), 30, "Alertmanager answers")
    yield base_url
    process.terminate()
    await asyncio.wait_for(process.wait(), 10)


async def answers(base_url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{base_url}/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def told_of(base_url: str, *alerts: dict[str, str]) -> set[str]:
    """Fire these, each with the labels given, and see which stay active."""
    until_at = datetime.now(UTC) + timedelta(minutes=5)
    body = [{"labels": labels, "annotations": {}, "endsAt": until_at.isoformat()} for labels in alerts]
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{base_url}/api/v2/alerts", json=body) as answer:
            assert answer.status == 200, await answer.text()

        async def seen() -> list[Any] | None:
            async with session.get(f"{base_url}/api/v2/alerts") as answer:
                items = await answer.json()
            is_processed = len(items) >= len(alerts) and all(item["status"]["state"] != "unprocessed" for item in items)
            return items if is_processed else None

        items = await until(seen, 20, "all are processed")
        over = [{"labels": item["labels"], "endsAt": datetime.now(UTC).isoformat()} for item in items]
        async with session.post(f"{base_url}/api/v2/alerts", json=over) as answer:
            assert answer.status == 200
        await until(lambda: gone(session, base_url), 20, "they are over")
    return {item["labels"]["alertname"] for item in items if item["status"]["state"] == "active"}


async def gone(session: aiohttp.ClientSession, base_url: str) -> bool:
    async with session.get(f"{base_url}/api/v2/alerts") as answer:
        return not await answer.json()


def alert(name: str, severity: str = "page", **labels: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity} | labels


async def test_a_lost_server_is_told_of_and_what_follows_from_it_is_not(alertmanager: str) -> None:
    follows = alert("TidingsSequencerStuck", shard="1"), alert("TidingsBudgetBurnsFast", level="api"), alert("TidingsQueueOld")
    assert await told_of(alertmanager, *follows) == {"TidingsSequencerStuck", "TidingsBudgetBurnsFast", "TidingsQueueOld"}
    assert await told_of(alertmanager, alert("TidingsPostgresLost"), *follows, alert("TidingsDiskFull", instance="a")) == {
        "TidingsPostgresLost",
        "TidingsDiskFull",
    }
    assert await told_of(alertmanager, alert("TidingsRedisLost"), *follows) == {
        "TidingsRedisLost",
        "TidingsSequencerStuck",
        "TidingsBudgetBurnsFast",
    }


async def test_only_what_concerns_the_same_thing_is_kept_back(alertmanager: str) -> None:
    down = alert("TidingsConnectorDown", connector="webhook")
    assert await told_of(
        alertmanager,
        down,
        alert("TidingsBreakersOpen", "ticket", connector="webhook"),
        alert("TidingsDeliveriesBurn", "ticket", connector="slack", objective="success"),
    ) == {"TidingsConnectorDown", "TidingsDeliveriesBurn"}
    assert await told_of(
        alertmanager,
        alert("TidingsProcessMissing", process="sequencer"),
        alert("TidingsSequencerStuck", shard="0"),
        alert("TidingsQueueOld"),
    ) == {"TidingsProcessMissing", "TidingsQueueOld"}
