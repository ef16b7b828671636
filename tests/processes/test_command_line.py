"""The commands against a running Tidings, each as a process of its own."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest
from click.testing import CliRunner
from running import Project, Running

from tidings.cli import main

COMMANDS = [
    "run", "api", "worker", "migrate", "send", "tail", "status", "alive", "doctor",
    "keys", "keys create", "keys list", "keys rotate", "keys revoke",
    "projects", "projects create", "projects list", "projections", "projections rebuild",
    "vault", "vault status", "vault rewrap", "backup", "backup run", "backup list",
    "backup verify", "backup restore", "backup settle", "backup drill",
    "release", "release gate", "release switch", "release rollback", "release status", "release apply", "release wait", "release promote",
    "backup held", "backup held list", "backup held release", "backup held cancel",
    "endpoints", "endpoints list", "endpoints create", "endpoints show", "endpoints disable", "endpoints enable", "endpoints rotate",
    "endpoints delete", "integrations", "integrations list", "integrations create", "integrations show", "integrations disable",
    "integrations enable", "integrations delete", "integrations payment-link",
    "connectors", "connectors list", "connectors halt", "connectors resume",
    "flags", "flags set", "flags explain",
    "deliveries", "deliveries list", "deliveries show", "deliveries resend", "deliveries cancel", "deliveries replay",
]  # fmt: skip


async def tidings_command(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, what it printed, what it complained about."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidings.cli", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ) | environment,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert "Traceback" not in err.decode(), err.decode()
    return process.returncode or 0, out.decode(), err.decode()


async def as_json(*arguments: str, **environment: str) -> Any:
    code, out, err = await tidings_command(*arguments, "--json", **environment)
    assert code == 0, err
    return json.loads(out)


# In this process: what a command takes to be imported is then paid once for all of them.
@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, [*command.split(), "--help"], prog_name="tidings")
    assert shown.exit_code == 0, shown.output
    assert f"tidings {command}" in shown.output.partition("Example")[2]


async def test_send_and_tail(tidings: Running, project: Project) -> None:
    access = {"TIDINGS_API_KEY": project.api_key}
    sent = await as_json("send", "--to", "alice", "--url", tidings.base_url, "--data", '{"order": 17}', "Shipped", **access)
    assert sent["recipients"] == 1

    async def shown() -> list[Any]:
        code, out, err = await tidings_command(
            "tail", "--after", "0", "--no-follow", "--json", "--type", "notification.created", "--url", tidings.base_url, **access
        )
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    for _ in range(50):
        events = await shown()
        if events:
            break
    assert [event["data"]["id"] for event in events] == [sent["id"]]
    assert events[0]["data"]["data"] == {"order": 17}


async def test_send_says_what_was_wrong(tidings: Running, project: Project) -> None:
    code, _, err = await tidings_command("send", "--to", "alice", "--url", tidings.base_url, "--key", project.api_key, "x" * 201)
    assert code == 1
    assert "title" in err

    code, _, err = await tidings_command("send", "--url", tidings.base_url, "--key", project.api_key, "To nobody")
    assert code == 2
    assert "--to" in err

    code, _, err = await tidings_command("send", "--to", "alice", "--url", "http://127.0.0.1:9", "--key", project.api_key, "Hello")
    assert code == 1
    assert "tidings run" in err


async def test_status_shows_health_and_lag(tidings: Running) -> None:
    status = await as_json("status", "--url", tidings.base_url, **tidings.environment)
    assert status["status"] == "ok"
    assert [shard["led"] for shard in status["shards"]] == [True] * 4

    code, out, _ = await tidings_command("status", "--url", "http://127.0.0.1:9", **tidings.environment)
    assert code == 1
    assert "down" in out


async def test_keys_are_made_rotated_and_revoked(tidings: Running, project: Project) -> None:
    there = tidings.environment
    made = await as_json("keys", "create", "Backend", "--scope", "notifications:write", "--project", project.key, **there)
    holder = Project(project.id, project.key, project.shard, made["secret"], project.base_url)
    await holder.publish("with the new key", ["alice"])

    rotated = await as_json("keys", "rotate", made["key"], "--project", project.key, **there)
    assert rotated["scopes"] == ["notifications:write"]
    assert (await as_json("keys", "revoke", made["key"], "--project", project.key, **there))["changed"]

    listed = {key["key"]: key for key in await as_json("keys", "list", "--project", project.key, **there)}
    assert listed[made["key"]]["revoked_at"] is not None
    assert listed[made["key"]]["replaced_by"] == rotated["key"]
    assert "secret" not in listed[made["key"]]


async def test_project_is_made_with_its_first_key(tidings: Running) -> None:
    made = await as_json("projects", "create", "Shop", **tidings.environment)
    project = Project(0, made["project"], 0, made["api_key"], tidings.base_url)
    await project.publish("Open", ["alice"])
    assert made["project"] in [listed["project"] for listed in await as_json("projects", "list", **tidings.environment)]


async def test_inbox_is_rebuilt(tidings: Running, project: Project) -> None:
    await project.publish("Kept", ["alice"])
    rebuilt = await as_json("projections", "rebuild", "inbox", **tidings.environment)
    assert rebuilt["events"] >= 1


async def test_nothing_to_reach_is_a_wrong_setting(tmp_path: Any) -> None:
    code, _, err = await tidings_command("worker", "sequencer", TIDINGS_STATE_DIR=str(tmp_path))
    assert code == 3
    assert "TIDINGS_DATABASE_URL" in err
