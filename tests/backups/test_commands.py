"""`tidings backup run` and `list`, as processes."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from backups.ground import KEY, Ground
from processes.test_command_line import tidings_command

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


async def test_a_backup_is_made_without_a_worker_and_listed(environment: Environment) -> None:
    assert await printed("list", environment=environment, code=1) == {"backups": [], "unreadable": [], "runs": []}
    run = await printed("run", environment=environment)
    assert (run["state"], run["asked_by"]) == ("done", "cli")

    (listed,) = (await printed("list", environment=environment))["backups"]
    assert (listed["id"], listed["state"], listed["bytes"]) == (run["id"], "made", run["result"]["bytes"])
    code, out, _ = await tidings_command("backup", "list", **environment)
    assert code == 0 and run["id"] in out and "logical" in out


async def test_what_went_wrong_is_said_in_a_sentence_and_by_the_exit_code(environment: Environment, tmp_path: Path) -> None:
    run = await printed("run", environment=environment)
    manifest = tmp_path / "store" / "backups" / run["id"] / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"logical"', b'"LOGICAL"'))
    listed = await printed("list", environment=environment, code=1)
    assert run["id"] in listed["unreadable"][0]

    nowhere = environment | {"TIDINGS_BACKUP_PROGRAMS": str(tmp_path)}
    code, _, err = await tidings_command("backup", "run", **nowhere)
    assert code == 1 and "Failed (program)" in err

    without = environment | {"TIDINGS_BACKUP_URL": ""}
    code, _, err = await tidings_command("backup", "run", **without)
    assert code == 3 and "TIDINGS_BACKUP_URL" in err
