"""`tidings backup run` and `list`, as processes."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from processes.test_command_line import tidings_command

from backups.ground import KEY, Ground
from tidings.backups.readiness import Ready
from tidings.backups.restore import Restored
from tidings.cli.backup_restore import lines_of
from tidings.platform.embedded.memory import free_port

Environment = dict[str, str]


@pytest.fixture
def environment(ground: Ground, database_url: str, tmp_path: Path) -> Environment:
    return {
        "TIDINGS_DATABASE_URL": ground.url,
        "TIDINGS_REDIS_URL": ground.servers.redis_url,
        "TIDINGS_STATE_DIR": str(tmp_path / "state"),
        "TIDINGS_BACKUP_URL": f"file://{tmp_path}/store",
        "TIDINGS_BACKUP_KEYS": base64.b64encode(KEY).decode(),
    }


async def printed(*arguments: str, environment: Environment, code: int = 0) -> Any:
    returned, out, err = await tidings_command("backup", *arguments, "--json", **environment)
    assert returned == code, err
    return json.loads(out)


async def test_backups_are_made_without_a_worker_and_listed_and_what_is_wrong_is_said(environment: Environment, tmp_path: Path) -> None:
    run = await printed("run", environment=environment)
    assert (run["state"], run["asked_by"]) == ("done", "cli")
    (listed,) = (await printed("list", environment=environment))["backups"]
    assert (listed["id"], listed["state"], listed["bytes"]) == (run["id"], "made", run["result"]["bytes"])

    lost = environment | {"TIDINGS_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/tidings"}
    known = await printed("list", environment=lost)
    assert (known["backups"], known["runs"]) == ([listed], None), "a disaster is when one looks"
    code, _, err = await tidings_command("backup", "settle", "--yes", **lost)
    assert code == 1 and "cannot be made ready" in err and "Traceback" not in err

    manifest = tmp_path / "store" / "backups" / run["id"] / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"logical"', b'"LOGICAL"'))
    code, out, err = await tidings_command("backup", "list", **environment)
    assert code == 1 and "no backup" in out and run["id"] in err

    code, _, err = await tidings_command("backup", "run", **environment | {"TIDINGS_BACKUP_PROGRAMS": str(tmp_path)})
    assert code == 1 and "Failed (program)" in err


def test_the_commands_that_a_restore_names_lead_away_from_what_runs_now(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the deployment's URLs the copy's processes would serve the living database, under the copy's address."""
    monkeypatch.setenv("TIDINGS_STREAM_REDIS_URL_FILE", "/run/secrets/redis")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ready = Ready(migrated=[], epochs={0: "a1b2c3d4"}, replayed={}, held=0)
    lines = lines_of(Restored("20261128T020000Z-k3v9w2", "physical", 1.0, ready, "/restored/postgres/data", "/restored"))
    elsewhere = "-u TIDINGS_DATABASE_URL -u TIDINGS_REDIS_URL -u TIDINGS_STREAM_REDIS_URL_FILE TIDINGS_STATE_DIR=/restored tidings run"
    assert f"  To run it    env {elsewhere}" in lines
    assert any(line.startswith(f"  To look at   env -u TIDINGS_BACKUP_URL {elsewhere}") for line in lines)
