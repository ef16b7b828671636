"""`tidings status`: what its lines say of figures, and that it shows them of a running Tidings."""

import asyncio
import json
import os
import sys
from typing import Any

from processes.test_command_line import tidings_command
from running import Running

from tidings.cli.status.lines import lines_of
from tidings.platform.embedded.memory import free_port

HOUR = 3600.0
NAMES = (
    "API", "PostgreSQL", "Redis", "Sequencer", "Planner", "Deliveries", "Breakers", "Dead letters", "Backups", "Disk", "Replication",
    "Kill switches",
)  # fmt: skip


def healthy() -> dict[str, Any]:
    return {
        "url": "http://127.0.0.1:8000",
        "status": "ok",
        "checks": {"postgresql": {"status": "ok"}, "redis": {"status": "ok"}, "sequencer": {"status": "ok"}},
        "streams": {"open": 3, "processes": 2, "drain_s": 10, "readiness_delay_s": 0},
        "shards": [{"shard": 0, "led": True, "backlog": 0, "oldest_s": 0.0, "unplanned": 0, "holder": "a", "epoch": "e", "head": 7}],
        "fanouts": {"running": 0, "written": 0},
        "deliveries": {"leased": 0, "connectors": {"webhook": {"breakers": {"closed": 20, "open": 0, "half_open": 0}, "due": 0}}},
        "backups": {
            "schedule": {"logical": 24 * HOUR, "verify": 24 * HOUR},
            "made": {"logical": {"age_s": 3 * HOUR, "proven_age_s": 3 * HOUR}},
            "last": {"drill": {"state": "done", "result": '{"rpo_s": 1.5, "rto_s": 34.0}', "ago_s": 72 * HOUR}},
        },
        "server": {"bytes": 1e7, "connections": 20, "most_connections": 100, "readers": 1, "behind_bytes": 0, "retained_bytes": 0},
        "switches": [],
        "disk": {"folder": "/var/lib/tidings", "free_bytes": 5e10, "size_bytes": 1e11},
    }


def states(status: dict[str, Any]) -> dict[str, str]:
    """Of the lines that are not ok."""
    return {line.name: line.state for line in lines_of(status) if line.state != "ok"}


def text_of(status: dict[str, Any], name: str) -> str:
    return next(line.text for line in lines_of(status) if line.name == name)


def test_a_healthy_one_has_every_line_in_its_order_and_nothing_to_look_at() -> None:
    assert tuple(line.name for line in lines_of(healthy())) == NAMES
    assert states(healthy()) == {}
    assert text_of(healthy(), "Backups") == "logical: 3.0 h old, proven 3.0 h; drill 3.0 d ago: lost 1.5 s, down for 34.0 s"


def test_what_is_wrong_is_told_at_its_line_alone() -> None:
    cases: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({"shards": [healthy()["shards"][0] | {"led": False}]}, {"Sequencer": "error"}),
        ({"shards": [healthy()["shards"][0] | {"backlog": 5, "oldest_s": 12.0}]}, {"Sequencer": "error"}),
        ({"shards": [healthy()["shards"][0] | {"unplanned": 9000}]}, {"Planner": "warning"}),
        ({"checks": healthy()["checks"] | {"redis": {"status": "degraded", "detail": "away"}}, "status": "degraded"}, {"Redis": "error"}),
        ({"disk": {"folder": "/", "free_bytes": 4, "size_bytes": 100}}, {"Disk": "error"}),
        ({"disk": {"folder": "/", "free_bytes": 10, "size_bytes": 100}}, {"Disk": "warning"}),
        ({"switches": [{"connector": "slack", "reason": "rotating", "halted_at": "2026-11-28T10:00:00"}]}, {"Kill switches": "warning"}),
        ({"server": healthy()["server"] | {"connections": 95}}, {"PostgreSQL": "warning"}),
        ({"server": healthy()["server"] | {"retained_bytes": 9e9}}, {"Replication": "warning"}),
        ({"deliveries": with_webhooks(due=7, overdue_s=90.0)}, {"Deliveries": "warning"}),
        ({"deliveries": with_webhooks(breakers={"closed": 10, "open": 5, "half_open": 0})}, {"Breakers": "warning"}),
        ({"deliveries": with_webhooks(breakers={"closed": 99, "open": 1, "half_open": 0})}, {}),
        ({"deliveries": with_webhooks(dead=4)}, {"Dead letters": "warning"}),
    ]
    for changed, wrong in cases:
        assert states(healthy() | changed) == wrong, changed


def with_webhooks(**changed: Any) -> dict[str, Any]:
    return {"leased": 0, "connectors": {"webhook": healthy()["deliveries"]["connectors"]["webhook"] | changed}}


def test_backups_are_wrong_when_late_failed_or_not_proven() -> None:
    def told(**changed: Any) -> str:
        return states(healthy() | {"backups": healthy()["backups"] | changed}).get("Backups", "ok")

    assert told(schedule={}) == "warning"
    assert told(made={}) == "error"
    assert told(made={"logical": {"age_s": 27 * HOUR, "proven_age_s": 27 * HOUR}}) == "error"
    assert told(made={"logical": {"age_s": HOUR, "proven_age_s": None}}) == "warning"
    assert told(last={"logical": {"state": "failed", "failure": "store"}}) == "error"
    assert told(last={"verify": {"state": "failed", "failure": "damaged"}}) == "error"


def test_backups_that_others_make_are_warned_of_and_drills_still_told() -> None:
    drills = healthy() | {"backups": healthy()["backups"] | {"schedule": {"drill": 168 * HOUR}}}
    assert states(drills) == {"Backups": "warning"}
    assert text_of(drills, "Backups") == "Tidings is told to make none; drill 3.0 d ago: lost 1.5 s, down for 34.0 s"


def test_without_postgresql_what_only_it_knows_is_unknown() -> None:
    away = healthy() | dict.fromkeys(("server", "deliveries", "backups", "switches", "fanouts")) | {"shards": []}
    unknown = {name for name, state in states(away).items() if state == "unknown"}
    assert unknown == {"Sequencer", "Planner", "Deliveries", "Breakers", "Dead letters", "Backups", "Replication", "Kill switches"}


async def test_it_shows_a_running_tidings(tidings: Running) -> None:
    code, said, _ = await tidings_command("status", "--url", tidings.base_url, **tidings.environment)
    assert code == 0
    assert said.startswith(f"{tidings.base_url}  ok  ")
    assert [line.split("  ")[1].lstrip("✓!✗– ") for line in said.splitlines()[2:14]] == list(NAMES)
    assert len(said.splitlines()) <= 24


async def test_it_watches_and_tells_when_nobody_answers(tidings: Running) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidings.cli", "status", "--watch", "--every", "0.2", "--json", "--url", nobody),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ) | tidings.environment,
    )
    assert process.stdout is not None
    looks = [json.loads(await asyncio.wait_for(process.stdout.readline(), 60)) for _ in range(2)]
    process.terminate()
    await process.wait()
    for look in looks:
        assert look["status"] == "down" and look["shards"]
        assert [line["state"] for line in look["lines"] if line["name"] == "API"] == ["error"]
