"""`tidings endpoints`, `integrations`, `deliveries` and `connectors` against a running Tidings, each as a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from own_database import own_database
from processes.test_command_line import as_json, tidings_command
from running import SECRET, Project, Running, Servers, until
from webhook_receiver import receiving

from deliveries.conftest import URL, WRITE
from tidings.deliveries.ledger.replays import advance_one
from tidings.platform.ids import random_id, uuid7


async def endpoint(project: Project, **fields: Any) -> str:
    answer = await project.call("POST", "/v1/endpoints", {"url": URL, "events": ["topic.deleted"]} | fields)
    return str(answer["id"])


async def deliver(tidings: Running, project: Project, endpoint: str, state: str) -> str:
    identity, now = uuid7(), datetime.now(UTC)
    await tidings.database.system.execute(
        WRITE, identity, project.id, endpoint, None, None, "topic.deleted", now, None, state, 1, now, None, "http_500", now
    )
    return str(identity)


def access(project: Project) -> dict[str, str]:
    return {"TIDINGS_API_KEY": project.api_key, "TIDINGS_PUBLIC_URL": project.base_url}


@asynccontextmanager
async def replaying(tidings: Running) -> AsyncIterator[None]:
    """Somebody who moves replays on."""

    async def move_on() -> None:
        while True:
            async with tidings.database.system.acquire() as connection:
                await advance_one(connection, datetime.now(UTC))
            await asyncio.sleep(0.05)

    task = asyncio.create_task(move_on())
    yield
    task.cancel()


async def test_an_endpoint_is_created_shown_switched_and_deleted(project: Project) -> None:
    ask = partial(as_json, **access(project))
    events = ("--event", "inbox.*", "--event", "topic.deleted")
    made = await ask("endpoints", "create", URL, *events, "--schedule", "5,60", "--header", "X-Shop: 17", "--rate", "50")
    assert (made["events"], made["schedule"], made["headers"], made["rate"]) == (["inbox.*", "topic.deleted"], [5, 60], ["X-Shop"], 50)
    listed = await ask("endpoints", "list")
    assert [one["id"] for one in listed] == [made["id"]]
    assert (await ask("endpoints", "show", made["id"], "--secret"))["keys"][0]["key"] == made["secret"]
    rotated = await ask("endpoints", "rotate", made["id"], "--overlap-hours", "1")
    assert len((await ask("endpoints", "show", made["id"], "--secret"))["keys"]) == 2 and rotated["secret"] != made["secret"]
    assert (await ask("endpoints", "disable", made["id"]))["state"] == "disabled"
    code, out, _ = await tidings_command("endpoints", "list", **access(project))
    assert code == 0 and "disabled (by_hand)" in out
    assert (await ask("endpoints", "enable", made["id"]))["held"] == 0
    code, out, _ = await tidings_command("endpoints", "show", made["id"], **access(project))
    assert code == 0 and URL in out and "enabled" in out
    await ask("endpoints", "delete", made["id"])
    assert await ask("endpoints", "list") == []


async def test_wrong_use_is_told(project: Project) -> None:
    made = await endpoint(project)
    for arguments, code, word in (
        (("endpoints", "create", URL), 2, "--event"),
        (("endpoints", "create", URL, "--event", "*", "--header", "secret-value"), 2, "--header"),
        (("endpoints", "create", URL, "--event", "nothing.*"), 1, "notification.created"),
        (("endpoints", "show", "ep_unknown"), 1, "ep_unknown"),
        (("deliveries", "show", "unknown"), 1, "unknown"),
        (("deliveries", "replay", made, "--since", "yesterday"), 2, "--since"),
        (("deliveries", "list", "--endpoint", "ep_unknown"), 1, "endpoint"),
    ):
        ended, _, err = await tidings_command(*arguments, **access(project))
        assert (ended, word in err, "secret-value" in err) == (code, True, False), err


async def test_deliveries_are_listed_shown_and_cancelled(tidings: Running, project: Project) -> None:
    ask, made = partial(as_json, **access(project)), await endpoint(project)
    dead = [await deliver(tidings, project, made, "dead") for _ in range(3)]
    held = await deliver(tidings, project, made, "held")
    assert [one["id"] for one in await ask("deliveries", "list", "--state", "dead", "--since", "1h")] == dead[::-1]
    assert [one["id"] for one in await ask("deliveries", "list", "--endpoint", made, "--limit", "1")] == [held]
    code, out, _ = await tidings_command("deliveries", "list", **access(project))
    assert code == 0 and dead[0] in out and "http_500" in out
    assert (await ask("deliveries", "show", dead[0]))["attempts"] == []
    assert (await ask("deliveries", "cancel", held))["state"] == "cancelled"
    assert (await ask("deliveries", "resend", dead[0]))["id"] == dead[0]
    code, _, err = await tidings_command("deliveries", "cancel", dead[1], **access(project))
    assert code == 1 and "dead" in err


async def test_a_replay_is_watched_until_it_is_done(tidings: Running, project: Project) -> None:
    made = await endpoint(project)
    for _ in range(5):
        await deliver(tidings, project, made, "dead")
    async with replaying(tidings):
        done = await as_json("deliveries", "replay", made, "--since", "1h", "--rate", "5", **access(project))
    assert (done["state"], done["total"], done["queued"]) == ("done", 5, 5)


async def test_a_replay_that_is_cancelled_meanwhile_ends_with_1(tidings: Running, project: Project) -> None:
    made = await endpoint(project)
    await deliver(tidings, project, made, "cancelled")
    asked = ("deliveries", "replay", made, "--since", "1h", "--state", "cancelled", "--rate", "0.1")
    watching = asyncio.create_task(tidings_command(*asked, **access(project)))

    async def begun() -> Any:
        return (await project.call("GET", "/v1/replays"))["items"]

    [replay] = await until(begun)
    await project.call("POST", f"/v1/replays/{replay['id']}/cancel")
    code, out, _ = await watching
    assert code == 1 and "cancelled" in out


async def test_an_integration_is_shown_switched_and_deleted(tidings: Running, project: Project) -> None:
    ask = partial(as_json, **access(project))
    made = await integration_of(tidings, project)
    assert [(one["id"], one["channel"]) for one in await ask("integrations", "list")] == [(made, "email")]
    assert (await ask("integrations", "show", made))["config"] == {"host": "mail.example.com"}
    delivery = await deliver(tidings, project, made, "dead")
    code, out, _ = await tidings_command("deliveries", "list", "--integration", made, **access(project))
    assert code == 0 and delivery in out and made in out
    assert (await ask("integrations", "disable", made))["state"] == "disabled"
    code, out, _ = await tidings_command("integrations", "list", **access(project))
    assert code == 0 and "disabled (by_hand)" in out
    code, out, _ = await tidings_command("integrations", "show", made, **access(project))
    assert code == 0 and "mail.example.com" in out and "disabled" in out
    assert (await ask("integrations", "enable", made))["held"] == 0
    assert (await ask("deliveries", "replay", made, "--since", "1h", "--no-wait"))["integration"] == made
    await ask("integrations", "delete", made)
    assert await ask("integrations", "list") == []


async def integration_of(tidings: Running, project: Project) -> str:
    """As of a connector of another version: nothing here is about what one takes."""
    key = random_id("int")
    await tidings.database.system.execute(
        """WITH new AS (
            INSERT INTO destinations (project, key, connector, channel, config, secrets, events, created_by)
            VALUES ($1, $2, 'post', 'email', '{"host": "mail.example.com"}', '', '{}', 'test') RETURNING id
        ) INSERT INTO lanes (destination, project, connector) SELECT id, $1, 'post' FROM new""",
        project.id,
        key,
    )
    return key


async def test_credentials_are_read_from_a_file_and_never_shown(project: Project, tmp_path: Path) -> None:
    kept = tmp_path / "post.json"
    kept.write_text('{"token": "secret-value"}')
    asked = ("integrations", "create", "post", "--config", '{"host": "mail.example.com"}', "--credentials", str(kept), "--schedule", "5,60")
    async with receiving() as receiver:
        receiver.answer(201, "/v1/integrations", '{"id": "int_1", "in_use": false, "channel": "email"}')
        code, out, err = await tidings_command(*asked, TIDINGS_API_KEY="tdk_1", TIDINGS_PUBLIC_URL=receiver.base_url)
        [got] = receiver.got
    assert (code, out.strip()) == (0, "int_1") and "in use" in err
    assert got.message == {
        "connector": "post", "config": {"host": "mail.example.com"}, "credentials": {"token": "secret-value"}, "schedule": [5, 60],
    }  # fmt: skip
    kept.write_text('{"token": "secret-value"')
    for arguments, ended, word in (
        (asked, 2, "--credentials"),
        ((*asked[:6], "-"), 2, "--credentials"),
        (("integrations", "create", "post", "--config", "[1]"), 2, "--config"),
        (("integrations", "create", "pigeon"), 1, "pigeon"),
        (("integrations", "show", "int_unknown"), 1, "int_unknown"),
    ):
        code, out, err = await tidings_command(*arguments, **access(project))
        assert (code, word in err, "secret-value" in out + err) == (ended, True, False), err


async def test_a_connector_is_halted_and_goes_on(servers: Servers) -> None:
    async with own_database(servers) as (url, database):
        settings = {"TIDINGS_DATABASE_URL": url, "TIDINGS_REDIS_URL": servers.redis_url, "TIDINGS_SECRET_KEY": SECRET}
        halted = await as_json("connectors", "halt", "webhook", "--reason", "too many", **settings)
        assert (halted["connector"], halted["reason"]) == ("webhook", "too many")
        # Said again without a reason, it keeps its own.
        assert await as_json("connectors", "halt", "webhook", **settings) == halted
        assert [row[0] for row in await database.system.fetch("SELECT connector FROM halts")] == ["webhook"]
        listed = {one["name"]: one for one in await as_json("connectors", "list", **settings)}
        assert (listed["webhook"]["channel"], listed["webhook"]["halt"]["reason"]) == ("webhook", "too many")
        code, out, _ = await tidings_command("connectors", "list", **settings)
        assert code == 0 and "too many" in out
        assert (await as_json("connectors", "resume", "webhook", **settings))["changed"]
        assert await database.system.fetchval("SELECT count(*) FROM halts") == 0
        code, out, _ = await tidings_command("connectors", "resume", "webhook", **settings)
        assert code == 1 and "was not halted" in out
        code, _, err = await tidings_command("connectors", "halt", "pigeon", **settings)
        assert code == 2 and "webhook" in err
